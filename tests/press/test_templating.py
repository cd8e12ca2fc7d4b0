from __future__ import annotations

import pytest

from aggregator.errors import TemplateError
from aggregator.press.templating import Templates, isolate


def render(source: str, *, name: str = "page.html", **values: object) -> str:
    return Templates({name: source}, given=values).render(name, values)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("one\n{{ titel }}", "page.html:2: 'titel' is not a name that templates are given"),
        ("{% if title %}\n\n{% endfor %}", "page.html:3: Encountered unknown tag 'endfor'"),
        ("{{ title", "page.html:1: unexpected end of template"),
        ("\n\n{{ title | safe }}", "page.html:3: No filter named 'safe'"),
        ("{{ title | attr('x') }}", "page.html:1: No filter named 'attr'"),
        ("\n{% include 'other.html' %}", "page.html:2: there is no template 'other.html' beside it"),
        ("{% import 'other.html' as other %}", "page.html:1: there is no template 'other.html' beside it"),
        ("{% extends 'other.html' %}", "page.html:1: there is no template 'other.html' beside it"),
        ("{% autoescape false %}{{ title }}{% endautoescape %}", "page.html:1: escaping cannot be switched off"),
        ("{{ lipsum() }}", "page.html:1: 'lipsum' is not a name"),
        ("{{ range(9) }}", "page.html:1: 'range' is not a name"),
        ("{{ cycler.__init__.__globals__.os }}", "page.html:1: 'cycler' is not a name"),
        ("{{ config }}", "page.html:1: 'config' is not a name"),
    ],
)
def test_an_unsound_template_is_refused_when_read_with_file_and_line(source: str, cause: str) -> None:
    with pytest.raises(TemplateError) as refusal:
        Templates({"page.html": source, "sound.html": "{{ title }}"}, given={"title"})
    assert str(refusal.value).startswith(cause)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("one\n{{ title.size }}", "page.html:2: 'str object' has no attribute 'size'"),
        ("{{ title.__class__.__mro__ }}", "page.html:1: access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ ''.__class__.__base__.__subclasses__() }}", "page.html:1: access to attribute '__class__'"),
        ("{{ '{0.__class__}'.format(title) }}", "page.html:1: access to attribute '__class__'"),
        ("{{ items.append(1) }}", "page.html:1: access to attribute 'append'"),
        ("\n\n{{ 1 // (title | length - 4) }}", "page.html:3: integer"),
        ("{% include title %}", "page.html:1: there is no template 'news'"),
        ("{% macro deep() %}{{ deep() }}{% endmacro %}{{ deep() }}", "page.html:1: maximum recursion depth"),
    ],
)
def test_a_template_that_fails_while_rendering_names_file_and_line(source: str, cause: str) -> None:
    templates = Templates({"page.html": source}, given={"title", "items"})
    with pytest.raises(TemplateError) as refusal:
        templates.render("page.html", {"title": "news", "items": [1]})
    assert str(refusal.value).startswith(cause)


def test_a_fault_in_a_part_names_the_part() -> None:
    templates = Templates(
        {"page.html": "\n\n{% include 'part.html' %}", "part.html": "\n{{ title.size }}"}, given={"title"}
    )
    with pytest.raises(TemplateError, match=r"^part\.html:2: "):
        templates.render("page.html", {"title": "news"})


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(TemplateError, match=r"^page\.html:1: there is no template 'page\.html'"):
        Templates({}, given=()).render("page.html", {})


@pytest.mark.parametrize(
    ("name", "made"),
    [("page.html", "&lt;b&gt; &amp; &#34;&#39;"), ("page", "&lt;b&gt; &amp; &#34;&#39;"), ("page.txt", "<b> & \"'")],
)
def test_all_but_plain_text_is_escaped(name: str, made: str) -> None:
    assert render("{{ title }}", name=name, title="<b> & \"'") == made


def test_what_looks_like_a_template_in_a_value_stays_as_it_is() -> None:
    hostile = "{{ 7*7 }}{% include 'page.html' %}{# gone #}{0.__class__}%(x)s"
    assert render("{{ title }}", name="page.txt", title=hostile) == hostile


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("Außenpolitik 北京", "Außenpolitik 北京"),
        ("أمن", "\u2068أمن\u2069"),
        ("שלום and more", "\u2068שלום and more\u2069"),
        ("a mark\u200f", "\u2068a mark\u200f\u2069"),
        ("", ""),
    ],
)
def test_text_that_runs_right_to_left_is_kept_to_itself(text: str, made: str) -> None:
    assert isolate(text) == made
