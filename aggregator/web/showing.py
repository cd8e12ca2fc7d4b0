"""How single values are shown to readers: bodies, links, tags, reasons, schedules, the place of a fault in a query."""

import re
from calendar import day_name

from markupsafe import Markup, escape

from aggregator.errors import QueryError
from aggregator.model.entry import Entry, Tag
from aggregator.model.newsletter import Newsletter
from aggregator.model.story import Story
from aggregator.schedule import Schedule, parse_schedule
from aggregator.urls import absolute_http

_HEADING = re.compile(r"<(/?)h([1-6])(?=[\s>])")
_IMAGE = re.compile(r'<img((?:[^<>"]+|"[^"]*")*+)>')
_ALT = re.compile(r'\salt="([^"]*)"')
_RULES = {
    "same-address": "both have the same address",
    "same-doi": "both have the same DOI",
    "links-to": "one leads to the other, and they read alike",
    "cites-doi": "one gives the DOI of the other, and they read alike",
    "links-to-in-translation": "one leads to the other, which is a translation",
    "cites-doi-in-translation": "one gives the DOI of the other, which is a translation",
    "same-text": "they have the same text",
    "same-title-and-lead": "they have the same title and beginning",
    "title-part-and-text": "they have alike titles, and one text stands in the other",
    "lead-reused": "they have the same beginning",
    "same-title": "they have the same title",
    "translation": "one reads as a translation of the other",
    "person": "an editor joined them",
}
_WEEK = list(range(7))


def body(entry: Entry) -> Markup:
    """The entry's own markup for a page: headings below ours, images named instead of loaded.

    Loading an image would tell the publisher's server who reads what, so pages load nothing from elsewhere.
    """
    html = _HEADING.sub(_demoted, entry.content or entry.summary)
    return Markup(_IMAGE.sub(_named_image, html))  # noqa: S704 (SafeHtml: it went through the one policy)


def _demoted(found: re.Match[str]) -> str:
    return f"<{found[1]}h{min(int(found[2]) + 2, 6)}"


def _named_image(found: re.Match[str]) -> str:
    alt = _ALT.search(found[1])
    return f"[image: {alt[1].replace('<', '&lt;').replace('>', '&gt;')}]" if alt and alt[1].strip() else "[image]"


def web_address(url: str | None) -> str:
    """`url` when it is one that a page may link to, else ""."""
    return (absolute_http(url) or "") if url else ""


def query_place(error: QueryError) -> Markup:
    """The text of a query around the fault, with a caret under the place; for a `pre` element."""
    text, caret = error.lines()
    return escape(text) + Markup("\n") + caret


def foremost_tags(tags: tuple[Tag, ...], count: int = 6) -> list[Tag]:
    """The tags for one line, each text once: ours before the publisher's own words, which are many and uneven.

    Regions come after what they follow from. The publisher's name is left out, as it stands beside them, and so are
    countries that are only mentioned.
    """
    seen: dict[str, Tag] = {}
    for tag in sorted(tags, key=lambda tag: (tag.origin == "category", tag.namespace == "region")):
        if tag.namespace not in ("publisher", "mentions"):
            seen.setdefault(tag.text.casefold(), tag)
    return list(seen.values())[:count]


def evidence(story: Story) -> list[tuple[Tag, str, list[str]]]:
    """Each tag of a story, once for each way it came about: how, as the beginning of a sentence, and at which feeds.

    Countries that are only mentioned come last.
    """
    found: dict[Tag, dict[str, None]] = {}
    for entry in story.entries:
        for tag in entry.tags:
            found.setdefault(tag, {})[entry.feed_id] = None
    ranked = sorted(found, key=lambda tag: tag.namespace == "mentions")
    return [(tag, _reason(tag), list(found[tag])) for tag in ranked]


_FIELDS = {"lead": "first words", "url": "address"}


def _reason(tag: Tag) -> str:
    match tag.origin:
        case "feed":
            return "On every story of"
        case "category":
            return "A category given by"
        case "category-map":
            return f"Meant by the category “{tag.matched}” of"
        case "rule":
            return "A rule matches the words at"
        case "person":
            return "Given by a person at"
    if not tag.matched:
        return "Follows from a country that is the subject at"
    return f"“{tag.matched}” in the {_FIELDS.get(tag.field or '', tag.field)} at"


def joined(entry: Entry, story: Story) -> str:
    """Why an entry stands beside its Story's head, as the end of a sentence; "" when that is not known.

    The one that founded the Story was joined by none: where another heads it, the reason is that one's.
    """
    rule = entry.joined_by or story.head.joined_by
    return _RULES.get(rule, f"the rule “{rule}” found them to be one") if rule else ""


def rhythm(letter: Newsletter) -> str:
    """When a newsletter goes out, as one would say it: "Mondays at 07:30 (Paris)"."""
    schedule = parse_schedule(letter.schedule)
    place = letter.timezone.rpartition("/")[2].replace("_", " ")
    return f"{_days(schedule)} at {schedule.at:%H:%M} ({place})"


def _days(schedule: Schedule) -> str:
    if schedule.day_of_month is not None:
        return _day_of_month(schedule.day_of_month)
    days = sorted(schedule.weekdays)
    if days in (_WEEK, _WEEK[:5]):
        return "Every day" if days == _WEEK else "Monday to Friday"
    *others, last = (f"{day_name[number]}s" for number in days)
    return f"{', '.join(others)} and {last}" if others else last


def _day_of_month(day: int) -> str:
    if day == 31:
        return "On the last day of every month"
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day, "th")
    return f"On the {day}{ending} of every month"
