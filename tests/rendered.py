"""A mail made with the shipped templates, and what its reader finds in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from lxml import html as lxml_html

from aggregator.model.channel import Site
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Correction, Digest, Newsletter, Rendering
from aggregator.steps.rendering import Renderer
from tests.sample_digest import FEEDS, NEWSLETTER, NOW, SITE

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "templates" / "mail").iterdir()}
RENDERER = Renderer(TEMPLATES)
ISOLATES = str.maketrans("", "", "\u2068\u2069")


def render(
    digest: Digest,
    newsletter: Newsletter = NEWSLETTER,
    *,
    site: Site = SITE,
    feeds: Mapping[str, Feed] = FEEDS,
    created_at: datetime = NOW,
    note: str = "",
    corrections: Sequence[Correction] = (),
    number: int | None = 12,
    browser_url: str = "",
) -> Rendering:
    return RENDERER.render_issue(
        digest,
        newsletter,
        site=site,
        feeds=feeds,
        number=number,
        created_at=created_at,
        note=note,
        corrections=corrections,
        browser_url=browser_url,
    )


def tree(rendering: Rendering) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(rendering.html)


def links(rendering: Rendering) -> list[str]:
    """Where it leads to on the web: not the way from its table of contents to its sections."""
    return [href for href in tree(rendering).xpath("//a/@href") if not href.startswith("#")]


def texts(rendering: Rendering, path: str) -> list[str]:
    return [" ".join(element.text_content().split()) for element in tree(rendering).xpath(path)]


def titles(rendering: Rendering) -> list[str]:
    """The titles of the HTML part, without the marks that keep a direction to itself."""
    shown = texts(rendering, "//*[@class='t']//bdi | //li/span[not(@class)]//bdi")
    return [text.translate(ISOLATES) for text in shown]
