"""One document in, one outcome out: read and clean, or one reason why not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator.flows.ingest import ingest
from aggregator.model.feed import Validators
from aggregator.model.poll import Cause, Fetched, FetchFailed, Read, ServerWishes
from tests.steps.strict import feed_faults

ROOT = Path(__file__).parents[2]
MARKER = "<img src=x onerror=canary()>"


def fetched(body: bytes | str, *, content_type: str = "application/xml") -> Fetched:
    return Fetched(
        feed_id="ifri",
        url="https://feeds.example/all.xml",
        status=200,
        body=body.encode() if isinstance(body, str) else body,
        content_type=content_type,
        validators=Validators(etag='"1"', body_sha256="ab"),
        wishes=ServerWishes(max_age=900),
    )


def test_a_reading_keeps_what_the_fetch_brought() -> None:
    outcome = ingest(fetched("<rss version='2.0'><channel><item><title>One</title></item></channel></rss>"))
    assert isinstance(outcome, Read)
    assert (outcome.feed_id, outcome.url) == ("ifri", "https://feeds.example/all.xml")
    assert outcome.validators == Validators(etag='"1"', body_sha256="ab")
    assert outcome.wishes == ServerWishes(max_age=900)
    assert len(outcome.reading.keys) == len(outcome.reading.feed.entries) == 1


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("<html><body>Sign in</body></html>", Cause.NOT_A_FEED),
        ('{"error": "no such page"}', Cause.NOT_A_FEED),
        ("", Cause.EMPTY),
        ("<rss version='2.0'><channel><un", Cause.PARSE),
        (b"\x1f\x8b\x08\x00", Cause.ENCODING),
    ],
)
def test_no_feed_is_a_failure_with_its_reason(body: bytes | str, cause: Cause) -> None:
    outcome = ingest(fetched(body))
    assert isinstance(outcome, FetchFailed)
    assert (outcome.feed_id, outcome.cause, outcome.status) == ("ifri", cause, 200)
    assert outcome.wishes == ServerWishes(max_age=900)
    assert "\n" not in outcome.message


ESCAPED = MARKER.replace("<", "&lt;").replace(">", "&gt;")
XML = f"""<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<title>{ESCAPED}</title><copyright>{ESCAPED}</copyright><item><title>{ESCAPED}</title><guid>{ESCAPED}</guid>
<link>{ESCAPED}</link><description>{ESCAPED}</description><content:encoded>{ESCAPED}</content:encoded>
<author>{ESCAPED}</author><category domain="{ESCAPED}">{ESCAPED}</category><comments>{ESCAPED}</comments>
<pubDate>{ESCAPED}</pubDate><dc:date>{ESCAPED}</dc:date><dc:rights>{ESCAPED}</dc:rights>
<source url="{ESCAPED}">{ESCAPED}</source><enclosure url="https://x.example/a" type="{ESCAPED}"/>
<media:thumbnail url="{ESCAPED}"/><dc:identifier>10.5555/{ESCAPED}</dc:identifier></item></channel></rss>"""
ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{ESCAPED}"><title type="html">{ESCAPED}</title><entry>
<id>{ESCAPED}</id><title type="html">{ESCAPED}</title><link href="{ESCAPED}" title="{ESCAPED}" hreflang="{ESCAPED}"/>
<summary type="html">{ESCAPED}</summary>
<author><name>{ESCAPED}</name><email>{ESCAPED}</email><uri>{ESCAPED}</uri></author>
<category term="{ESCAPED}" scheme="{ESCAPED}" label="{ESCAPED}"/><rights type="html">{ESCAPED}</rights>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="canary()"/></div></content>
<source><id>{ESCAPED}</id><title>{ESCAPED}</title></source></entry></feed>"""
PLAIN_ATOM = ATOM.replace('type="html"', 'type="text"')
JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": MARKER,
        "items": [
            {"id": MARKER, "title": MARKER, "content_html": MARKER, "summary": MARKER, "tags": [MARKER]},
            {"id": MARKER, "title": MARKER, "content_text": MARKER, "authors": [{"name": MARKER, "url": MARKER}]},
        ],
    }
)


@pytest.mark.parametrize("body", [XML, ATOM, PLAIN_ATOM, JSON], ids=["rss", "atom html", "atom text", "json"])
def test_a_canary_in_every_field_of_a_feed_is_dead_in_every_field(body: str) -> None:
    outcome = ingest(fetched(body))
    assert isinstance(outcome, Read)
    assert outcome.reading.feed.entries
    assert feed_faults(outcome.reading.feed) == []


WATCHED = """
import sys
from pathlib import Path
from aggregator.flows.ingest import ingest
from aggregator.model.feed import Validators
from aggregator.model.poll import Fetched
bodies = [Path(name).read_bytes() for name in sys.argv[1:]]
warm = b"<rss version='2.0'><channel><title>x</title></channel></rss>"
def read(body):
    url, validators = "https://x.example/", Validators()
    ingest(Fetched(feed_id="a", url=url, status=200, body=body, content_type=None, validators=validators))
read(warm)
seen = []
def watch(event, arguments):
    name = str(arguments[0]) if arguments else ""
    codec = event == "open" and Path(name).parent.parent.name == "encodings"  # Python's own, for a declared name
    if event.startswith(("open", "socket.", "subprocess.", "os.system", "os.exec", "urllib.")) and not codec:
        seen.append((event, name))
sys.addaudithook(watch)
for body in bodies:
    read(body)
found = list(seen)
open("/dev/null").close()
assert seen[-1][0] == "open", "the watch sees nothing"
print(found)
"""
HOSTILE = {
    "external-file": '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>{}',
    "external-http": '<!DOCTYPE rss [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>{}',
    "external-dtd": '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/x.dtd">{}',
    "external-dtd-file": '<!DOCTYPE rss SYSTEM "/etc/passwd" [<!ENTITY x "y">]>{}',
    "parameter": '<!DOCTYPE rss [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>{}',
    "stylesheet": '<?xml-stylesheet type="text/xsl" href="file:///etc/passwd"?>{}',
    "xinclude": '{}<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>',
}


def test_no_file_and_no_socket_is_opened_while_reading(tmp_path: Path) -> None:
    feed = "<rss version='2.0'><channel><title>&x;</title><item><title>&x;</title></item></channel></rss>"
    names = []
    for name, frame in HOSTILE.items():
        (tmp_path / name).write_text(frame.format(feed))
        names.append(str(tmp_path / name))
    for name, body in (("path", str(tmp_path / "parameter")), ("address", "http://127.0.0.1:9/feed")):
        (tmp_path / name).write_text(body)
        names.append(str(tmp_path / name))
    corpus = ROOT.parent / "shared/corpus/hostile/xml"
    names += [str(path) for path in sorted(corpus.glob("*"))]
    run = subprocess.run([sys.executable, "-c", WATCHED, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


# --- names that publishers get wrong --------------------------------------------------------------


def item(number: int, guid: str, *, title: str = "") -> str:
    return (
        f"<item><title>{title or f'Paper {number}'}</title><link>https://x.example/{number}</link>"
        f'<guid isPermaLink="false">{guid}</guid></item>'
    )


def identities(*items: str) -> list[set[bytes]]:
    outcome = ingest(fetched(f'<rss version="2.0"><channel><title>T</title>{"".join(items)}</channel></rss>'))
    assert isinstance(outcome, Read)
    return [set(keys.identity) for keys in outcome.reading.keys]


@pytest.mark.parametrize(
    "guids",
    [
        ["same"] * 300,
        ["https://x.example/"] * 300,
        ["A" * 1_000_000, "A" * 1_000_000],
        ["A" * 3_000 + "1", "A" * 3_000 + "2"],
    ],
    ids=["one for all", "the site for all", "a megabyte", "equal where they would be cut"],
)
def test_entries_with_names_that_tell_nothing_stay_apart(guids: list[str]) -> None:
    found = identities(*(item(number, guid) for number, guid in enumerate(guids)))
    assert len(set().union(*found)) == sum(map(len, found))
    assert all(found)


def test_a_name_that_is_new_at_each_poll_is_still_the_same_entry() -> None:
    first = identities(*(item(number, f"poll-1-{number}") for number in range(20)))
    second = identities(*(item(number, f"poll-2-{number}") for number in range(20)))
    assert all(old & new for old, new in zip(first, second, strict=True))
    assert not set().union(*first[:10]) & set().union(*second[10:])
