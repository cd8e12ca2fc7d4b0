from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import get_args

import pytest
from lxml import html as lxml_html

from aggregator.errors import TemplateError
from aggregator.model.newsletter import Rendering
from aggregator.press.notice_words import LINKS, NOTICES, NoticeKind
from aggregator.press.wording import ENGLISH, FRENCH, GERMAN, SPANISH
from aggregator.steps.notices import MAX_LINES, NoticeLinks, NoticeRenderer
from tests.rendered import TEMPLATES, links, texts, tree
from tests.sample_digest import SITE

NOTICES_OF_OURS = NoticeRenderer(TEMPLATES)
KINDS = get_args(NoticeKind)
ADDRESSES = NoticeLinks(
    action="https://wire.example.org/do/abc?a=1&b=2",
    preferences="https://wire.example.org/preferences/abc",
    unsubscribe="https://wire.example.org/unsubscribe/abc",
    archive="https://wire.example.org/newsletters/weekly",
)


def notice(kind: NoticeKind, language: str = "en", **fields: object) -> Rendering:
    values = {"newsletter": "The week", "links": ADDRESSES, "until": None} | fields
    return NOTICES_OF_OURS.render_notice(kind, site=SITE, language=language, **values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "fr", "de", "es", "it"])
def test_a_notice_says_what_it_is_about_in_both_parts_and_leaves_no_blank(kind: NoticeKind, language: str) -> None:
    made = notice(kind, language, until=date(2026, 12, 1))
    shown = " ".join(tree(made).xpath("//body")[0].text_content().split())
    text = " ".join(made.text.split())
    for part in (shown, text):
        assert "The week" in part
        assert "Think Tank Wire" in part
        assert "desk@wire.example.org" in part
    for words in texts(made, "//h1 | //p[not(@class)] | //td[@class='button']"):
        assert words in text
    assert not re.search(r"[{}]", shown + text + made.subject)
    assert "The week" in made.subject
    for link in links(made):
        assert link.removeprefix("mailto:") in made.text
    assert tree(made).get("lang") == (language if language != "it" else "en")


@pytest.mark.parametrize(("kind", "button"), [("confirm", True), ("welcome", False), ("disabled", True)])
def test_a_notice_has_one_button_or_none(kind: NoticeKind, button: bool) -> None:
    made = notice(kind)
    assert tree(made).xpath("//td[@class='button']/a/@href") == ([ADDRESSES.action] if button else [])
    assert made.text.count(ADDRESSES.action) == int(button)
    if button:
        with pytest.raises(ValueError, match=r"give it links\.action"):
            notice(kind, links=NoticeLinks())


def test_who_did_not_ask_reads_that_nothing_happens() -> None:
    made = notice("confirm", links=NoticeLinks(action=ADDRESSES.action), until=date(2026, 12, 1))
    assert made.subject == "Please confirm: The week"
    assert "If it was not you, do nothing: no newsletter will come, and no reminder." in made.text
    assert "The button works until 1 December 2026." in made.text
    assert links(made) == [ADDRESSES.action, "https://wire.example.org/", "mailto:desk@wire.example.org"]


def test_a_term_is_named_where_there_is_one() -> None:
    assert "am 1. Dezember 2026" in notice("disabled", "de", until=date(2026, 12, 1)).text
    assert "2026" not in notice("disabled", "de").text
    assert "2026" not in notice("welcome", until=date(2026, 12, 1)).text


def test_titles_stay_text() -> None:
    made = notice("welcome", newsletter='<b>"Bold"</b>\r\nBcc: x@example.org =?utf-8?q?x?=')
    assert tree(made).xpath("//b") == []
    assert made.subject == 'Welcome: <b>"Bold"</b> Bcc: x@example.org = ?utf-8?q?x?='


def test_a_long_title_makes_no_long_subject() -> None:
    assert len(notice("disabled", newsletter="A title of many words " * 20).subject) <= 78


def test_an_alert_lists_its_facts() -> None:
    made = NOTICES_OF_OURS.render_alert(
        site=replace(SITE, contact=None, language="fr"),
        subject="No letter goes out",
        lines=["one", " ", "<two>\nlines"],
    )
    assert made.subject == "[Think Tank Wire] No letter goes out"
    assert texts(made, "//li") == ["one", "<two> lines"]
    assert "- one\n- <two> lines\n" in made.text
    assert tree(made).get("lang") == "fr"
    assert links(made) == ["https://wire.example.org/"]


@pytest.mark.parametrize(("count", "last"), [(MAX_LINES, "line 199"), (MAX_LINES + 5, "… (+6)")])
def test_a_long_alert_counts_what_it_leaves_out(count: int, last: str) -> None:
    made = NOTICES_OF_OURS.render_alert(site=SITE, subject="Many", lines=[f"line {n}" for n in range(count)])
    assert texts(made, "//li")[-1] == last
    assert len(texts(made, "//li")) == MAX_LINES


def test_every_language_has_every_notice_with_the_same_blanks() -> None:
    assert NOTICES.keys() == LINKS.keys() == {words.language for words in (ENGLISH, FRENCH, GERMAN, SPANISH)}
    for language, table in NOTICES.items():
        assert tuple(table) == KINDS, language
        for kind, words in table.items():
            english = NOTICES["en"][kind]
            for name in ("subject", "heading", "body", "button", "after", "term"):
                ours, theirs = getattr(words, name), getattr(english, name)
                assert bool(ours) == bool(theirs), (language, kind, name)
                assert set(re.findall(r"\{\w+\}", ours)) == set(re.findall(r"\{\w+\}", theirs)), (language, kind, name)


@pytest.mark.parametrize("name", ["notice.html", "notice.txt"])
@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("{{ heading", "{{ headin", r":\d+: 'headin' is not a name that templates are given"),
        ("button.text", "button.txt", r":\d+: .*has no attribute 'txt'"),
        ("{% if button %}", "{% if sections %}", r":\d+: 'sections' is not a name that templates are given"),
    ],
)
def test_a_template_changed_for_the_worse_is_refused_at_start(name: str, old: str, new: str, cause: str) -> None:
    assert old in TEMPLATES[name] or name == "notice.html"
    source = TEMPLATES[name].replace("own(heading)", "heading").replace(old, new)
    with pytest.raises(TemplateError, match=rf"^{re.escape(name)}{cause}"):
        NoticeRenderer({**TEMPLATES, name: source})


def test_nothing_is_loaded() -> None:
    made = notice("confirm")
    assert lxml_html.document_fromstring(made.html).xpath("//img | //script | //link | //form") == []
    assert not re.search(r"url\(|@import|\bsrc=", made.html)
