"""Mails in a real browser, and before a real spam filter: shown as meant, and taken for what they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import pytest
from playwright import sync_api

from aggregator.demo.script import CONFIG
from aggregator.demo.server import SampleServer
from aggregator.model.newsletter import Rendering
from aggregator.steps.notices import NoticeLinks, NoticeRenderer
from tests.acceptance.wire import Wire
from tests.rendered import TEMPLATES, render
from tests.sample_digest import NEWSLETTER, NOTE, SITE, corrected, rich_digest

CHROMIUM = Path("/usr/bin/chromium")
EVERYTHING = os.environ.get("AGGREGATOR_TEST_ALL") == "1"
GROUND = {"light": "rgb(241, 239, 234)", "dark": "rgb(20, 23, 27)"}


def issue(language: str) -> Rendering:
    return render(rich_digest(), replace(NEWSLETTER, language=language), note=NOTE, corrections=corrected())


def notice() -> Rendering:
    links = NoticeLinks(action="https://wire.example.org/confirm/abc", archive="https://wire.example.org/newsletters")
    return NoticeRenderer(TEMPLATES).render_notice(
        "confirm", site=SITE, language="de", newsletter="Die Woche " * 5, links=links
    )


MAILS = {"left to right": issue("en"), "right to left": issue("ar"), "notice": notice()}


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    if not CHROMIUM.exists() and not EVERYTHING:
        pytest.skip(f"needs Chromium at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 600, 1280])
def test_a_mail_fits_its_window_loads_nothing_and_has_its_colours(
    browser: sync_api.Browser, name: str, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(MAILS[name].html)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    card = page.locator("table.card").bounding_box()
    assert card is not None
    assert card["width"] <= 600
    assert card["width"] == (width if width < 600 else 600)
    assert page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor") == GROUND[scheme]
    assert not page.locator(".preheader").is_visible()
    assert asked == []
    context.close()


@pytest.mark.parametrize(("name", "side"), [("left to right", "left"), ("right to left", "right")])
def test_a_mail_stands_on_the_side_where_its_language_begins(browser: sync_api.Browser, name: str, side: str) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 800})
    page.set_content(MAILS[name].html)
    nearest = "Math.min" if side == "left" else "Math.max"
    edges = page.eval_on_selector_all(
        "h1, h2, h3",
        f"""found => found.map(heading => {{
            const words = document.createRange();
            words.selectNodeContents(heading);
            return {nearest}(...[...words.getClientRects()].map(box => box.{side}));
        }})""",
    )
    assert len(edges) > 10
    assert max(edges) - min(edges) < 2
    assert (min(edges) < 60) if side == "left" else (max(edges) > 540)
    page.close()


def test_the_contents_lead_down_the_page(browser: sync_api.Browser) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 800})
    page.set_content(MAILS["left to right"].html)
    page.get_by_role("link", name="Trade and sanctions").click()
    heading = page.get_by_role("heading", name="Trade and sanctions").bounding_box()
    assert heading is not None
    assert 0 <= heading["y"] < 200
    page.close()


def test_the_button_is_big_enough_for_a_finger(browser: sync_api.Browser) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 800})
    page.set_content(MAILS["notice"].html)
    button = page.get_by_role("link", name="Ja, abonnieren").bounding_box()
    assert button is not None
    assert button["height"] >= 44
    page.close()


# --- a spam filter ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The first letter of the demo's newsletter, as `newsletters preview` writes it."""
    with SampleServer(today=datetime.now(UTC).date()) as publishers:
        document = Template(CONFIG.read_text(encoding="utf-8"))
        wire = Wire(
            tmp_path_factory.mktemp("wire"),
            document.substitute(publishers=publishers.url, site="https://wire.example.org"),
        )
        wire.run("poll", code=1)  # one of them is out of order, as in the demo
        wire.run("newsletters", "preview", "weekly", "--to", "preview")
    return (wire.folder / "preview" / "weekly.eml").read_bytes()


def test_a_spam_filter_finds_the_sample_digest_harmless(sample: bytes) -> None:
    """SpamAssassin asks for 5.0 to call a mail spam; ours has to stay below 1.0."""
    program = shutil.which("spamassassin")
    if program is None and not EVERYTHING:
        pytest.skip("needs SpamAssassin (apt install spamassassin)")
    done = subprocess.run([str(program), "-L", "-t"], input=sample, capture_output=True, timeout=120, check=True)
    report = done.stdout.decode("utf-8", "replace")
    found = re.search(r"^X-Spam-Status: \w+, score=(-?[\d.]+)", report, re.MULTILINE)
    assert found, report[:2_000]
    assert float(found[1]) < 1.0, report[-3_000:]
