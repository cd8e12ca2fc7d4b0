"""Words of feeds and of strangers stay words: on every page, in every field, on every route and parameter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from aggregator.model.channel import Channel
from aggregator.model.entry import Entry, Tag
from aggregator.model.parsed import Category, Link, Person, SafeHtml
from aggregator.model.story import Clustering, Placement
from aggregator.steps.normalise import safe_html
from aggregator.web.app import create_app
from tests.fakes import START, MemoryStore
from tests.web.markup import Skeleton, live_parts, skeleton
from tests.web.sample_site import BASE, IFRI, SITE, WEEKLY, SampleSite, entry, poll, settings

HOSTILE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile"
OWN_STRINGS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></head><body onload=alert(1)>",
    "<!--",
    "]]><svg/onload=alert(1)>",
    "{{ 7*7 }} ${7*7} {% include 'x' %}",
    "\u202egnp.exe\u2066",
    "&lt;script&gt;",
    "a\x00b\x1b[31m",
)
_CLIENTS = count()
ROUTES = (
    "/{}",
    "/stories/{}",
    "/tags/{}",
    "/feeds/{}",
    "/channels/{}",
    "/feed.{}",
    "/feed.atom?q={}",
    "/newsletters/{}",
    "/newsletters/weekly/{}",
    "/newsletters/{}/1",
    "/newsletters/{}.atom",
    "/unsubscribe/{}",
    "/subscribe?newsletter={}",
    "/confirm/{}",
    "/preferences/{}",
    "/preferences/{}/data",
    "/preferences/{}/erase",
    "/letters/{}",
    "/static/{}",
    "/search?q={}",
    "/search?q=gas&before={}",
    "/?before={}",
    "/tags/country:jp?before={}",
    "/?{}={}",
    "/stories/lone?next={}",
)


def corpus(*names: str) -> list[str]:
    """Lines of the lists of attacks, all of them or a sample; skips where the lists are not at hand."""
    if not HOSTILE.exists():
        pytest.skip(f"needs the hostile corpus in {HOSTILE}")
    lines: list[str] = []
    for name in names:
        for file in sorted(HOSTILE.glob(name)):
            lines += _strings(file)
    return list(dict.fromkeys(lines))


def _strings(file: Path) -> list[str]:
    if file.suffix == ".jsonl":
        return [json.loads(line)["input"] for line in file.read_text("utf-8").splitlines()]
    if file.suffix == ".json":
        return [row["input"] if isinstance(row, dict) else row for row in json.loads(file.read_text("utf-8"))]
    return [line for line in file.read_text("utf-8", "replace").splitlines() if line]


# --- in what is stored ----------------------------------------------------------------------------


def story_of(number: int, words: str, markup: SafeHtml) -> tuple[Entry, Placement]:
    """An entry with these words in every field that holds text."""
    tags = tuple(
        Tag(name=f"{space}:a{number}", origin=origin, label=f"{words} {place}", rule=words)  # type: ignore[arg-type]
        for place, (space, origin) in enumerate((("category", "category"), ("topic", "rule"), ("type", "feed")))
    )
    item = entry(
        "ifri",
        f"Paper {number}",
        *tags,
        authors=(Person(name=words),),
        categories=(Category(term=words),),
        links=(
            Link(href=f"https://ifri.example/{number}"),
            Link(href=f"https://ifri.example/{number}.pdf", rel="enclosure", title=words, type=words),
        ),
        rights=words,
        doi=words,
        summary=markup,
    )
    return replace(item, title=words), Placement(story_id=f"s{number}")


def pages_with(site: SampleSite, strings: Sequence[str], *, markup: Sequence[SafeHtml]) -> Iterator[tuple[str, str]]:
    """(path, html) of every page of a site that holds one story for each string."""
    feeds = [replace(IFRI, name=strings[0])]
    site.settings = replace(
        settings(feeds=feeds, site=replace(SITE, title=strings[0])),
        channels=(Channel(id="one", title=strings[0], query="*", description=strings[0]),),
        newsletters=(replace(WEEKLY, title=strings[0]),),
    )
    store = MemoryStore()
    store.sync(feeds, START)
    pairs = [story_of(number, words, markup[number]) for number, words in enumerate(strings)]
    failing = replace(poll("ifri", START, *(item for item, _ in pairs)), error=strings[0])
    store.apply([failing], Clustering(placements=tuple(placement for _, placement in pairs)))
    context = replace(site.context, stories=store, feeds=store)
    paths = ["/", "/feeds", "/feeds/ifri", "/channels", "/newsletters", "/newsletters/weekly", "/search?q=feed:ifri"]
    paths += ["/tags/topic:a0", site.unsubscribe_path(), *(f"/stories/s{number}" for number in range(len(strings)))]
    for path, answer in asyncio.run(answers(create_app(context), paths)):
        assert answer.status == 200, path
        yield path, answer.body.decode()


def check_words(site: SampleSite, strings: Sequence[str]) -> None:
    """The pages have the same skeleton with these strings as with harmless ones."""
    expected: dict[str, Skeleton] = {}
    for start in range(0, len(strings), 50):
        batch = [string or "-" for string in strings[start : start + 50]]
        nothing = [SafeHtml("")] * len(batch)
        if not start or len(batch) < 50:
            plain = [f"Harmless {number}" for number in range(len(batch))]
            expected = {path: skeleton(html) for path, html in pages_with(site, plain, markup=nothing)}
        for path, html in pages_with(site, batch, markup=nothing):
            assert skeleton(html) == expected[path], (path, batch)
            assert not live_parts(html), path


def check_markup(site: SampleSite, vectors: Sequence[str]) -> None:
    """Sanitised markup of publishers holds nothing live on any page, and does not leave its place."""
    for start in range(0, len(vectors), 50):
        batch = [safe_html(vector, base="https://ifri.example/") for vector in vectors[start : start + 50]]
        plain = [f"Harmless {number}" for number in range(len(batch))]
        for path, html in pages_with(site, plain, markup=batch):
            assert not live_parts(html), path
            assert "<footer" in html.rpartition("</main>")[2], path


def test_words_of_feeds_and_settings_are_never_markup(own_site: SampleSite) -> None:
    check_words(own_site, OWN_STRINGS)


def test_template_syntax_prints_as_it_is(own_site: SampleSite) -> None:
    for path, html in pages_with(own_site, ["{{ 7*7 }} {% x %}"], markup=[SafeHtml("<p>{{ 7*7 }}</p>")]):
        assert "{{ 7*7 }}" in html, path


def test_a_sample_of_known_vectors_is_never_markup(own_site: SampleSite) -> None:
    strings = corpus("text/strings.json", "xss/vectors.jsonl")
    check_words(own_site, strings[::47])
    check_markup(own_site, strings[::47])


@pytest.mark.slow
def test_no_known_vector_is_ever_markup(own_site: SampleSite) -> None:
    strings = corpus("text/strings.json", "encoding/blns.json", "xss/vectors.jsonl")
    check_words(own_site, strings)
    check_markup(own_site, strings)


# --- in what is asked -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


async def ask(app: ASGIApp, target: bytes) -> Answer:
    """The answer to a GET of these very octets, handed over as uvicorn does (a client library would tidy them)."""
    raw_path, _, query = target.partition(b"?")
    messages: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        messages.append(message)  # type: ignore[arg-type]

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"wire.example.org")],
        "client": (f"10.{next(_CLIENTS) % 65536 >> 8}.{next(_CLIENTS) % 256}.1", 1),  # each network may try some links
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    return Answer(
        status=int(str(messages[0]["status"])),
        headers=tuple(messages[0]["headers"]),  # type: ignore[arg-type]
        body=b"".join(bytes(message.get("body", b"")) for message in messages[1:]),  # type: ignore[call-overload]
    )


async def answers(app: ASGIApp, paths: Sequence[str]) -> list[tuple[str, Answer]]:
    return [(path, await ask(app, path.encode("ascii"))) for path in paths]


def targets(payload: str) -> Iterator[tuple[str, bytes]]:
    """(route, request target): the payload in every place of an address, encoded, and as it stands where it can."""
    encoded = quote(payload, safe="")
    bare = quote(payload, safe="%/:?&=;,+@!$'()*[]~.-_#\\")
    for route in ROUTES:
        for form in {encoded, bare}:
            yield route, route.replace("{}", form).encode("ascii")
    if payload.startswith("/"):
        yield "/{}", bare.encode("ascii")


async def attack(app: ASGIApp, payloads: Sequence[str]) -> None:
    """No payload gets more than a page of ours, made like the page that any harmless text gets there."""
    known: dict[tuple[str, int], Skeleton] = {}
    for payload in payloads:
        for route, target in targets(payload):
            answer = await ask(app, target)
            assert answer.status in (200, 301, 400, 404), target
            for name, value in answer.headers:
                assert not set(b"\r\n") & set(name + value), target
                assert name not in (b"set-cookie", b"crlf"), target
                assert name != b"location" or value == b"/stories/gas", target
            html = answer.body.decode()
            if html.startswith("<!doctype html>"):
                assert not live_parts(html), target
            if answer.status in (400, 404) and html.startswith("<!doctype html>"):
                kind = "query" if b"query-fault" in answer.body else "plain"
                assert known.setdefault((route + kind, answer.status), skeleton(html)) == skeleton(html), target
            assert "root:x:0" not in html, target


def check_requests(site: SampleSite, payloads: Sequence[str]) -> None:
    before = site.rows()
    asyncio.run(attack(create_app(site.context), payloads))
    assert site.rows() == before


def test_a_sample_of_attacks_gets_nowhere_and_changes_no_row(own_site: SampleSite) -> None:
    check_requests(own_site, [*OWN_STRINGS, "harmless", *corpus("web/*.txt")[::40]])


@pytest.mark.slow
def test_no_attack_of_the_lists_gets_anywhere(own_site: SampleSite) -> None:
    check_requests(own_site, corpus("web/*.txt", "text/strings.json"))


def test_reading_every_page_changes_no_row(own_site: SampleSite) -> None:
    app = create_app(own_site.context)
    with TestClient(app, base_url=BASE) as client:
        client.post("/subscribe", data={"email": "new@reader.example", "newsletter": "weekly"})
        confirm, preferences = own_site.confirm_path(), own_site.preferences_path()
        edition, before = own_site.newsletters.slot("weekly").edition.id, own_site.rows()
        for route in app.routes:
            path = route.path  # type: ignore[attr-defined]
            for name, value in (
                ("{story_id}", "gas"),
                ("{tag}", "country:jp"),
                ("{feed_id}", "ifri"),
                ("{number}", "1"),
            ):
                path = path.replace(name, value)
            path = path.replace("{newsletter_id}", "weekly").replace("{format}", "atom").replace("{name}", "japan.atom")
            path = path.replace("/unsubscribe/{token}", own_site.unsubscribe_path())
            path = path.replace("/confirm/{token}", confirm).replace("/preferences/{token}", preferences)
            path = path.replace("/letters/{token}", f"/letters/{own_site.signer.letter_token(edition, 1)}")
            assert "{" not in path
            for method in ("GET", "HEAD"):
                assert client.request(method, path).status_code == 200, path
    assert own_site.rows() == before
