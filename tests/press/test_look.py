"""The look of our mails, read from the mails themselves: what every program shows, in colours that people can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from lxml import html as lxml_html

from aggregator.steps.notices import NoticeLinks, NoticeRenderer
from tests.rendered import ROOT, TEMPLATES, render
from tests.sample_digest import NEWSLETTER, NOTE, NOW, SITE, corrected, rich_digest

KNOWN = json.loads((ROOT / "tests" / "data" / "mail_features.json").read_text(encoding="utf-8"))
_NOTICES = NoticeRenderer(TEMPLATES)
MAILS = {
    "issue": render(rich_digest(), note=NOTE, corrections=corrected()).html,
    "right to left": render(rich_digest(), replace(NEWSLETTER, language="ar"), note=NOTE, corrections=corrected()).html,
    "notice": _NOTICES.render_notice(
        "confirm",
        site=SITE,
        language="en",
        newsletter="The week",
        links=NoticeLinks(action="https://wire.example.org/a", preferences="https://wire.example.org/b"),
        until=NOW.date(),
    ).html,
    "alert": _NOTICES.render_alert(site=SITE, subject="A subject", lines=["a", "b"]).html,
}
ALL = pytest.mark.parametrize("mail", MAILS.values(), ids=MAILS)
Colour = tuple[float, float, float]


def rules(mail: str) -> str:
    """The rules that stay at the top of a mail."""
    return re.findall(r"<style>(.*?)</style>", mail, re.DOTALL)[0]


def styles(element: lxml_html.HtmlElement) -> dict[str, str]:
    pairs = (part.partition(":") for part in (element.get("style") or "").split(";") if ":" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def elements(mail: str) -> list[lxml_html.HtmlElement]:
    return [item for item in lxml_html.document_fromstring(mail).iter() if isinstance(item.tag, str)]


# --- what mail programs know --------------------------------------------------------------------------


@ALL
def test_only_what_was_looked_up_is_used(mail: str) -> None:
    """A name that fails here has to be looked up first, then written down with what stands in for it."""
    found = elements(mail)
    assert {item.tag for item in found} <= KNOWN["tags"].keys()
    assert {name for item in found for name in item.attrib} <= KNOWN["attributes"].keys()
    asked = set(re.findall(r"@media \(?([\w-]+)", rules(mail)))
    assert asked <= KNOWN["media"].keys()
    assert "@import" not in mail
    written = {name for item in found for name in styles(item)}
    written |= set(re.findall(r"([\w-]+): [^;{}]+;", rules(mail)))
    assert written <= KNOWN["properties"].keys()


def test_what_was_looked_up_is_used() -> None:
    """No name stays in the list that no mail has."""
    found = [item for mail in MAILS.values() for item in elements(mail)]
    written = {name for item in found for name in styles(item)}
    written |= {name for mail in MAILS.values() for name in re.findall(r"([\w-]+): [^;{}]+;", rules(mail))}
    assert KNOWN["tags"].keys() == {item.tag for item in found}
    assert KNOWN["attributes"].keys() == {name for item in found for name in item.attrib}
    assert KNOWN["properties"].keys() == written


@ALL
def test_parts_that_some_programs_lack_are_used_only_where_they_do_without(mail: str) -> None:
    for item in elements(mail):
        where = styles(item)
        padded = where.keys() & {"padding-top", "padding-bottom"} or where.get("padding", "0") != "0"
        if padded:
            assert item.tag == "td" or (item.tag == "a" and "mso-padding-alt" in styles(item.getparent()))
        if "border-top" in where:
            assert item.tag in ("td", "table")
            assert int(where["border-top"].partition("px")[0]) <= 8
        if "height" in where:
            assert item.tag == "td"
        if item.tag == "a":
            assert item.get("dir") is None
        if item.tag == "table":
            assert item.get("role") == "presentation"
        assert not any(value.startswith("-") for name, value in where.items() if name.startswith("margin"))
    for line in rules(mail).splitlines():
        assert ":" not in line.partition("{")[2] or " !important;" in line or "white-space" in line


@ALL
def test_outlook_for_windows_is_told_its_width_its_lines_and_its_scale(mail: str) -> None:
    comments = re.findall(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", mail, re.DOTALL)
    assert ["<o:PixelsPerInch>96<" in comments[0], "mso-line-height-rule: exactly" in comments[0]] == [True, True]
    assert 'width="600"' in comments[1]
    assert comments[2] == "</td></tr></table>"
    assert len(comments) == 3


# --- people -------------------------------------------------------------------------------------------


@ALL
def test_letters_are_14_px_or_more_and_lists_of_links_leave_room_for_a_finger(mail: str) -> None:
    """24 px at least from one to the next (WCAG 2.2, 2.5.8), 44 px for a button."""
    for item in elements(mail):
        where = styles(item)
        if "font-size" in where and item.get("class") != "preheader":
            assert int(where["font-size"].removesuffix("px")) >= 14, item.get("class")
        if item.tag == "li" and item.getparent().get("class") == "toc":
            assert int(where["line-height"].removesuffix("px")) >= 24
        if item.tag == "a" and item.getparent().get("class") == "button":
            high = int(where["line-height"].removesuffix("px")) + 2 * int(where["padding"].partition("px")[0])
            assert high >= 44


@ALL
def test_headings_go_down_one_step_at_a_time(mail: str) -> None:
    steps = [int(item.tag[1]) for item in elements(mail) if re.fullmatch("h[1-6]", item.tag)]
    assert (steps[0], steps.count(1), max(steps) <= 3) == (1, 1, True)
    assert all(after - before <= 1 for before, after in pairwise(steps))


@ALL
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("turned", [False, True], ids=["as written", "turned"])
def test_words_stand_out_from_their_ground_also_when_a_program_turns_the_colours(
    mail: str, dark: bool, turned: bool
) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1. Gmail and Outlook turn colours by their lightness."""
    pairs = set(grounds(mail, dark))
    assert len(pairs) >= 4
    for front, back in pairs:
        one, other = (turn(parse(colour)) if turned else parse(colour) for colour in (front, back))
        assert contrast(one, other) >= 4.5, (front, back)


def grounds(mail: str, dark: bool) -> Iterator[tuple[str, str]]:
    """The colour of every word with the colour of its ground."""
    own = dark_colours(mail) if dark else {}
    assert len(own) > 8 or not dark
    for item in elements(mail):
        said = [item.text, *(child.tail for child in item)]
        if item.tag in ("title", "style") or not any(text and text.strip() for text in said):
            continue
        line = [item, *item.iterancestors()]
        if any(other.get("class") == "preheader" for other in line):
            continue
        front = next(filter(None, (colour(other, "color", own) for other in line)))
        back = next(filter(None, (colour(other, "background-color", own) for other in line)))
        yield front, back


def colour(item: lxml_html.HtmlElement, name: str, own: dict[tuple[str, str], str]) -> str | None:
    names = (item.get("class") or "").split()
    above = item.getparent().get("class") if item.getparent() is not None else None
    keys = [f".{above} {item.tag}", *(f".{one}" for one in names), item.tag]
    return next((own[key, name] for key in keys if (key, name) in own), styles(item).get(name))


def dark_colours(mail: str) -> dict[tuple[str, str], str]:
    """Colours by selector and property, of a person who asks for dark."""
    block = rules(mail).partition("(prefers-color-scheme: dark)")[2]
    found: dict[tuple[str, str], str] = {}
    for selectors, name, value in re.findall(r"([^{};]+)\{ ([\w-]+): (#\w+) !important; \}", block):
        found |= {(selector.strip(), name): value for selector in selectors.split(",")}
    for selectors, value in re.findall(r"([^{};]+)\{ background-color: (#\w+) !important; border-color", block):
        found |= {(selector.strip(), "background-color"): value for selector in selectors.split(",")}
    return found


def parse(colour: str) -> Colour:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def turn(colour: Colour) -> Colour:
    """The colour with its lightness turned round (HSL), hue and saturation kept."""
    high, low = max(colour), min(colour)
    shift = 1 - (high + low)
    red, green, blue = (part + shift for part in colour)
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio (WCAG 2.2, glossary)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Colour) -> float:
    """Relative luminance (WCAG 2.2, glossary)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
