"""Every page for readers: what stands on it, and what is answered when it is not there."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from aggregator.model.feed import FeedStatus
from aggregator.model.story import Clustering, Placement
from aggregator.steps.signing import Signer
from aggregator.web.app import create_app
from aggregator.web.pages import PAGE_SIZE, RELATED_SHOWN
from tests.fakes import START
from tests.web.sample_site import BASE, SITE, SampleSite, entry, open_site, poll, relate, settings

PAGES = (
    "/",
    "/stories/gas",
    "/tags/country:jp",
    "/feeds",
    "/feeds/ifri",
    "/channels",
    "/search",
    "/search?q=gas",
    "/newsletters",
    "/newsletters/weekly",
    f"/unsubscribe/{Signer(['a secret of the tests']).unsubscribe_token(0, 'weekly')}",
)
MISSING = (
    "/nothing",
    "/stories/nothing",
    "/tags/country:zz",
    "/feeds/nobody",
    "/newsletters/nothing",
    "/newsletters/weekly/2",
    "/newsletters/weekly/zero",
    "/newsletters/weekly/99999999999999999999",
    "/newsletters/nothing/1",
    "/static/wire.css",
)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_one_heading_its_landmarks_and_a_way_past_the_menu(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    html = answer.text
    assert html.startswith("<!doctype html>\n<html lang=")
    for once in ("<h1", "<main", "<header", "<footer", "<title>", 'class="skip" href="#main"', 'aria-label="Main"'):
        assert html.count(once) == 1, once
    assert "<script" not in html
    ids = re.findall(r'\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", MISSING)
def test_what_is_not_there_is_a_404_with_a_way_on(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert 'href="/"' in answer.text


def test_the_front_page_lists_stories_with_source_date_language_and_tags(client: TestClient) -> None:
    html = client.get("/").text
    text = text_of(html)
    assert text.index("Grain routes") < text.index("Gaz naturel")
    assert '<a href="https://ifri.example/gaz-naturel" rel="noopener noreferrer nofollow" lang="fr" dir="auto">' in html
    assert "Arrived Tuesday 24 November 2026" in text
    assert '<time datetime="2026-11-23T08:00:00+00:00">23 Nov 2026</time>' in html
    assert "Also at Ifri , APPS" in text
    assert 'href="/tags/topic:energy" title="topic:energy"><bdi>Energy</bdi>' in html
    assert "Ifri 23 Nov 2026 ifri.example Gaz naturel" in text
    assert "publisher:ifri" not in html


def test_dates_are_those_of_the_sites_zone(client: TestClient, site: SampleSite) -> None:
    html = client.get("/stories/gas").text
    assert "24 Nov 2026, 12:00 CET" in html
    assert site.settings.site.timezone == "Europe/Paris"


def test_every_page_leads_to_the_source_of_the_program_where_one_is_named(own_site: SampleSite) -> None:
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        assert "Source of this program" not in client.get("/").text
        own_site.settings = settings(site=replace(SITE, source_url="https://code.example/wire"))
        for path in ("/", "/stories/gas", "/nothing"):
            assert '<a href="https://code.example/wire" rel="noopener">Source of' in client.get(path).text


def test_what_arrived_on_one_day_stands_in_the_order_of_its_dates(tmp_path: Path) -> None:
    site = open_site(tmp_path)
    for name, days in (("Old paper", 9), ("New paper", 1), ("Older paper", 20)):
        item = replace(entry("ifri", name), date=START - timedelta(days=days))
        site.add([item], [Placement(story_id=name.replace(" ", "-"))])
    with TestClient(create_app(site.context), base_url=BASE) as client:
        titles = re.findall(r"<bdi>(\w+ paper)</bdi>", client.get("/").text)
    assert titles == ["New paper", "Old paper", "Older paper"]
    site.database.close()


def test_the_front_page_names_its_feeds(client: TestClient) -> None:
    html = client.get("/").text
    for kind, path in (("atom+xml", "/feed.atom"), ("rss+xml", "/feed.rss"), ("feed+json", "/feed.json")):
        assert f'<link rel="alternate" type="application/{kind}" title="Think Tank Wire" href="{path}">' in html
    assert 'type="application/atom+xml" title="Japan" href="/channels/japan.atom"' in html
    assert client.get("/channels/japan.atom").status_code == 200
    assert client.get("/feed.json").status_code == 200


def test_a_story_shows_every_entry_and_why_they_are_one(client: TestClient) -> None:
    html = client.get("/stories/gas").text
    text = text_of(html)
    assert "Also at APPS Natural gas" in text
    assert text.count("One story because") == text.count("One story because both have the same address.") == 1
    assert "Ana Ruiz" in text
    assert "<p>See <b>Ifri</b>.</p>" in html
    assert 'lang="fr"' in html
    assert "Japan country:jp A rule matches the words at APPS : Japan OR Tokyo" in text
    assert "Note category:note A category given by Ifri : https://ifri.example/types" in text
    assert "Ifri publisher:ifri On every story of Ifri" in text


def test_works_that_belong_to_a_story_are_named_on_its_page_and_it_on_theirs(own_site: SampleSite) -> None:
    relate(own_site, entry("quiet", "A <note> on gas", language="no"))
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        html, back = client.get("/stories/gas").text, client.get("/stories/a-%3Cnote%3E-on-gas").text
        assert '<a href="/stories/a-%3Cnote%3E-on-gas" lang="no" dir="auto"><bdi>A &lt;note&gt; on gas</bdi>' in html
        assert "each is a story of its own. A <note> on gas Quiet House , 23 Nov 2026" in unescape(text_of(html))
        assert 'href="/stories/gas" lang="fr" dir="auto"><bdi>Gaz naturel</bdi>' in back
        assert "Related" not in client.get("/stories/grain").text


def test_of_many_related_works_the_newest_are_named_and_the_others_counted(own_site: SampleSite) -> None:
    relate(own_site, *(entry("quiet", f"Note {number}") for number in range(RELATED_SHOWN + 2)))
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        html = client.get("/stories/gas").text
    named = re.findall(r'href="/stories/note-(\d+)"', html)
    assert [int(number) for number in named] == list(range(RELATED_SHOWN + 1, 1, -1))
    assert "And 2 older ones." in html


def test_headings_of_a_publication_stand_below_ours(client: TestClient) -> None:
    assert "<h3>Part one</h3>" in client.get("/stories/grain").text


def test_a_merged_story_leads_to_the_one_it_went_into(client: TestClient) -> None:
    answer = client.get("/stories/lone")
    assert (answer.status_code, answer.headers["location"]) == (301, "/stories/gas")


def test_a_tag_page_has_its_stories_and_its_feed(client: TestClient) -> None:
    html = client.get("/tags/country:jp").text
    assert "<h1><bdi>Japan</bdi></h1>" in html
    assert "Gaz naturel" in html
    assert 'href="/feed.atom?q=tag%3Acountry%3Ajp"' in html
    assert "Gaz naturel" in client.get("/feed.atom?q=tag%3Acountry%3Ajp").text
    assert "Gaz naturel" in client.get("/tags/category:note").text
    assert "Grain routes" not in client.get("/tags/category:note").text
    assert "Grain routes" not in client.get("/feed.atom?q=tag%3Acategory%3Anote").text


def test_a_feed_page_has_its_stories_its_health_and_no_secret(client: TestClient) -> None:
    html = client.get("/feeds/apps").text
    assert "Grain routes" in html
    assert "s3cret" not in html
    assert "token=***" in html
    quiet = client.get("/feeds/quiet").text
    assert "failing" in quiet
    assert "dns: no host" in quiet
    assert "No stories yet." in quiet


def test_all_feeds_stand_in_one_table_with_their_health(client: TestClient) -> None:
    text = text_of(client.get("/feeds").text)
    assert "3 sources: 2 ok, 1 failing" in text
    assert "Quiet House NO" in text
    assert "dns: no host" in text


def test_a_site_that_is_offline_says_so_among_its_feeds(own_site: SampleSite) -> None:
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        assert "could be reached" not in client.get("/feeds").text
        own_site.health = replace(own_site.health, offline_since=START)
        assert "No feed could be reached since 24 Nov 2026, 09:00 CET" in text_of(client.get("/feeds").text)


def test_a_feed_that_is_gone_is_listed_as_asked_no_more(own_site: SampleSite) -> None:
    gone = replace(poll("quiet", START), succeeded=False, status=FeedStatus.GONE, next_check_at=None, failures=2)
    own_site.feeds.apply([gone], Clustering(placements=()))
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        assert "gone none yet none, as it is gone" in text_of(client.get("/feeds").text)
        assert "Status gone" in text_of(client.get("/feeds/quiet").text)


def test_channels_are_listed_with_their_formats(client: TestClient) -> None:
    html = client.get("/channels").text
    assert "All of Japan." in html
    assert 'href="/search?q=country%3Ajp"' in html
    for format in ("atom", "rss", "json"):
        assert f'href="/channels/japan.{format}"' in html


def test_search_finds_by_the_query_language(client: TestClient) -> None:
    html = client.get("/search", params={"q": "topic:energy NOT lang:de"}).text
    assert "1 story." in text_of(html)
    assert "Gaz naturel" in html
    assert "Grain routes" not in html
    assert 'value="topic:energy NOT lang:de"' in html
    assert '<meta name="robots" content="noindex">' in html


def test_a_fault_in_a_query_is_shown_under_the_box_with_its_place(client: TestClient) -> None:
    answer = client.get("/search", params={"q": 'gas AND (topic:"energy"'})
    assert answer.status_code == 400
    assert "<pre>gas AND (topic:&#34;energy&#34;\n        ^</pre>" in answer.text
    assert 'aria-describedby="fault"' in answer.text
    assert 'value="gas AND (topic:&#34;energy&#34;"' in answer.text


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "", "9" * 19, "٣", "1_0"])
def test_a_cursor_that_is_no_number_is_a_400(client: TestClient, before: str) -> None:
    for path in ("/", "/tags/country:jp", "/feeds/ifri", "/search", "/newsletters/weekly"):
        answer = client.get(path, params={"before": before, "q": "gas"})
        assert answer.status_code == 400, path
        assert "takes the number" in answer.text


def test_pages_lead_on_by_cursor_until_there_is_nothing_older(tmp_path: Path) -> None:
    site = open_site(tmp_path)
    names = [f"Paper {number}" for number in range(PAGE_SIZE + 2)]
    site.add([entry("ifri", name) for name in names], [Placement(story_id=f"s{name[6:]}") for name in names])
    with TestClient(create_app(site.context), base_url=BASE) as client:
        for path in ("/", "/feeds/ifri"):
            first = client.get(path).text
            assert first.count("<article") == PAGE_SIZE
            assert "Newest</a>\n" not in first.partition("pager")[2]
            older = re.search(r'rel="next" href="([^"]*)"', first)
            assert older
            last = client.get(older[1]).text
            assert re.findall(r"<bdi>(Paper \d+)</bdi>", last) == ["Paper 1", "Paper 0"]
            assert 'rel="next"' not in last
            assert f'<a href="{path}">Newest</a>' in last
        assert "no older stories" in client.get("/?before=1").text
        assert "no older stories" in client.get("/tags/topic:energy?before=1").text
    site.database.close()


def test_an_empty_site_says_what_will_come(tmp_path: Path) -> None:
    site = open_site(tmp_path, replace(settings(), channels=(), newsletters=()))
    with TestClient(create_app(site.context), base_url=BASE) as client:
        assert "They appear here once the feeds have been polled." in text_of(client.get("/").text)
        assert "There are none." in client.get("/newsletters").text
        assert 'href="/newsletters"' not in client.get("/").text
    site.database.close()


def test_a_site_below_a_path_links_and_answers_below_it(tmp_path: Path) -> None:
    site = open_site(tmp_path, settings(site=replace(SITE, base_url=f"{BASE}/wire")))
    with TestClient(create_app(site.context), base_url=BASE) as client:
        for path in ("/wire", "/wire/", "/"):
            html = client.get(path).text
            assert 'href="/wire/channels"' in html
            assert f'<link rel="canonical" href="{BASE}/wire/">' in html
        style = re.search(r'href="(/wire/static/[^"]*\.css)"', html)
        assert style
        assert client.get(style[1]).status_code == 200
        assert client.get("/wirex").status_code == 404
    site.database.close()


def test_the_archive_lists_issues_and_shows_them_without_what_is_personal(client: TestClient) -> None:
    assert "The week: Gaz &amp; grain" in client.get("/newsletters/weekly").text
    answer = client.get("/newsletters/weekly/1")
    assert "Issue one" in answer.text
    assert "For you alone" not in answer.text
    assert "unsubscribe.invalid" not in answer.text
    assert f'<a href="{BASE}/newsletters/weekly">leave</a>' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_an_archive_leads_on_by_number(own_site: SampleSite) -> None:
    for _ in range(PAGE_SIZE):
        own_site.compose()
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        first = client.get("/newsletters/weekly").text
        assert first.count("Issue ") == PAGE_SIZE
        assert '<a rel="next" href="/newsletters/weekly?before=2">Older</a>' in first
        last = client.get("/newsletters/weekly?before=2").text
        assert "Issue 1 ·" in last
        assert 'rel="next"' not in last
        assert "There are no older issues." in client.get("/newsletters/weekly?before=1").text


def test_an_archive_outlives_its_newsletter(own_site: SampleSite) -> None:
    own_site.settings = replace(own_site.settings, newsletters=())
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        assert "<h1>weekly</h1>" in client.get("/newsletters/weekly").text
        assert client.get("/newsletters/weekly/1").status_code == 200


@pytest.mark.parametrize("path", ["/newsletters", "/newsletters/weekly"])
def test_pages_of_newsletters_say_when_they_come_and_how_to_get_them(own_site: SampleSite, path: str) -> None:
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        html = client.get(path).text
        assert "Mondays at 07:30 (Paris)" in html
        assert '<a href="/subscribe">Get' in html


def test_the_issues_of_a_newsletter_are_a_feed(client: TestClient) -> None:
    assert 'type="application/atom+xml"' in client.get("/newsletters/weekly").text
    feed = client.get("/newsletters/weekly.atom")
    assert feed.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert "Issue one" in feed.text
    assert "For you alone" not in feed.text
    assert "unsubscribe.invalid" not in feed.text
    again = client.get("/newsletters/weekly.atom", headers={"If-None-Match": feed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/newsletters/weakly.atom").status_code == 404


def test_a_feed_taken_out_leaves_its_stories_under_its_id(own_site: SampleSite) -> None:
    own_site.settings = settings(feeds=own_site.settings.feeds[1:])
    own_site.feeds.sync(own_site.settings.feeds, own_site.clock.now())
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        assert '<span class="source"><bdi>ifri</bdi></span>' in client.get("/").text
        assert client.get("/feeds/ifri").status_code == 404


def test_a_new_configuration_shows_at_once(own_site: SampleSite) -> None:
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        own_site.settings = settings(site=replace(SITE, title="Renamed"))
        assert "Renamed" in client.get("/").text


def test_the_style_is_kept_for_ever_under_the_hash_of_its_bytes(client: TestClient) -> None:
    paths = re.findall(r'href="(/static/[^"]*)"', client.get("/").text)
    assert [Path(path).suffix for path in paths] == [".css", ".svg"]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert client.get(paths[0]).headers["content-type"] == "text/css; charset=utf-8"


def test_robots_are_told_what_to_leave_alone(client: TestClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "Disallow: /unsubscribe/" in answer.text


def test_pages_are_compressed_for_those_who_ask(client: TestClient) -> None:
    assert client.get("/", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/", headers={"Accept-Encoding": "identity"}).headers
