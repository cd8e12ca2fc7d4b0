"""The pages in a real browser: shown as meant, reached by keyboard, used without JavaScript."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest
import uvicorn
from playwright import sync_api

from aggregator.model.delivery import SubscriptionState
from aggregator.settings.loading import find_shipped
from aggregator.web.app import create_app
from tests.web.sample_site import SITE, SampleSite

CHROMIUM = Path("/usr/bin/chromium")
PATHS = ("/", "/stories/gas", "/tags/country:jp", "/feeds", "/feeds/ifri", "/channels", "/search?q=gas", "/newsletters")


@contextmanager
def serving(site: SampleSite) -> Iterator[str]:
    """The site under uvicorn on a free port of 127.0.0.1, as people run it."""
    config = uvicorn.Config(create_app(site.context), host="127.0.0.1", port=0, log_config=None, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = monotonic() + 20
    while not server.started:
        assert monotonic() < deadline, "uvicorn did not start"
        sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    if not CHROMIUM.exists() and os.environ.get("AGGREGATOR_TEST_ALL") != "1":
        pytest.skip(f"needs Chromium at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def base(own_site: SampleSite) -> Iterator[str]:
    own_site.settings = replace(own_site.settings, site=replace(SITE, base_url="http://127.0.0.1:8000"))
    with serving(own_site) as base:
        yield base


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_their_window_and_obey_their_own_policy(
    browser: sync_api.Browser, base: str, own_site: SampleSite, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    for path in (*PATHS, "/subscribe", own_site.preferences_path(), own_site.unsubscribe_path()):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.locator("h1").count() == 1
        paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert paper == ("rgb(252, 251, 248)" if scheme == "light" else "rgb(20, 21, 24)"), path
    assert complaints == []
    assert [url for url in asked if not url.startswith(base)] == []
    context.close()


def test_the_keyboard_reaches_the_first_story_past_the_menu(browser: sync_api.Browser, base: str) -> None:
    page = browser.new_page()
    page.goto(base)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('article:first-of-type h3 a')"):
            break
    assert page.evaluate("document.activeElement.textContent") == "Grain routes"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.close()


def test_a_reader_without_javascript_can_search_and_leave(
    browser: sync_api.Browser, base: str, own_site: SampleSite
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base)
    page.get_by_label("Search stories").fill("topic:energy")
    page.get_by_role("button", name="Search").click()
    assert page.locator("article h3").all_inner_texts() == ["Gaz naturel"]
    page.goto(base + own_site.unsubscribe_path())
    assert own_site.states()[0] is SubscriptionState.CONFIRMED
    page.get_by_role("button", name="Unsubscribe").click()
    assert page.locator("h1").inner_text() == "You are unsubscribed"
    assert own_site.states()[0] is SubscriptionState.UNSUBSCRIBED
    context.close()


def test_a_reader_without_javascript_subscribes_chooses_leaves_and_takes_it_back(
    browser: sync_api.Browser, base: str, own_site: SampleSite
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/newsletters")
    page.get_by_role("link", name="by mail").click()
    page.get_by_label("The week").check()
    page.get_by_label("Your e-mail address").fill("new@reader.example")
    page.get_by_text("How often, and about what").click()
    page.get_by_label("How often", exact=True).select_option("Every day")
    page.get_by_role("button", name="Subscribe").click()
    assert page.locator("h1").inner_text() == "Look in your mailbox"
    page.goto(base + own_site.confirm_path())
    page.get_by_role("button", name="Subscribe to The week").click()
    assert page.locator("h1").inner_text() == "You are subscribed"
    page.get_by_role("link", name="Your preferences").click()
    page.get_by_text("Change how it comes").click()
    page.get_by_label("How often", exact=True).select_option("Every week")
    page.get_by_label("Fri", exact=True).check()
    page.get_by_label("Mon", exact=True).uncheck()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text() == "Saved."
    assert own_site.subscribers.subscriptions("weekly")[2].choices.schedule == "fri 07:30"
    page.goto(base + own_site.unsubscribe_path())
    page.get_by_role("button", name="Unsubscribe").click()
    assert own_site.states() != [SubscriptionState.CONFIRMED] * 3
    page.get_by_role("link", name="Ask for it again").click()
    assert page.locator("h1").inner_text() == "Subscribe"
    context.close()


def test_a_fault_in_a_form_is_tied_to_its_field_and_read_out(browser: sync_api.Browser, base: str) -> None:
    page = browser.new_page()
    page.goto(f"{base}/subscribe")
    page.get_by_role("button", name="Subscribe").press("Enter")
    field = page.get_by_label("Your e-mail address")
    told = page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert (field.get_attribute("aria-invalid"), told.get_attribute("role")) == ("true", "alert")
    assert told.inner_text().startswith("Please write your e-mail address")
    unnamed = page.locator("main input:not([type=hidden]), main select").evaluate_all(
        "all => all.filter(field => !field.labels.length).map(field => field.id)"
    )
    assert unnamed == []
    page.close()


def test_links_of_a_letter_work_in_its_sandbox(browser: sync_api.Browser, base: str) -> None:
    page = browser.new_page()
    page.goto(f"{base}/newsletters/weekly/1")
    assert page.evaluate("self.origin") == "null"
    page.route("http://127.0.0.1:8000/**", lambda route: route.fulfill(body="arrived"))
    page.get_by_text("leave").click()
    page.wait_for_url("http://127.0.0.1:8000/newsletters/weekly")
    page.close()


# --- colours --------------------------------------------------------------------------------------

PAIRS = [(ink, "paper") for ink in ("ink", "quiet", "accent", "good", "bad")] + [("ink", "wash"), ("paper", "ink")]


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_words_stand_out_from_their_ground(scheme: int, front: str, back: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    style = (find_shipped("templates") / "web" / "wire.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", style.split("prefers-color-scheme: dark")[scheme]))
    dark, light = sorted((_luminance(colours[front]), _luminance(colours[back])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    """Relative luminance of a colour (WCAG 2.2, glossary)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
