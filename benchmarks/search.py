"""How long a search takes over many stories, and what the index costs a story.

    python -m benchmarks.search --entries 20000 [--database postgresql://…]

One JSON document on stdout. Stories of 350 words (drawn as words of a language are: a few very often, most hardly ever)
are stored without folding or tagging, then indexed by the flow that the worker runs. Each kind of query is asked with
several words, and answers a page of 50 stories, whole; times are milliseconds by the clock of the whole search, the
stories read and looked at included. `stories` is how many came back, on an average.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.feeds import SqlFeedStore
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.search import SqlSearchStore
from aggregator.adapters.store.stories import SqlStoryStore
from aggregator.flows.finding import FindPorts, find
from aggregator.flows.indexing import catch_up
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed, FeedStatus, Validators
from aggregator.model.indexed import Order
from aggregator.model.parsed import Category, Link, Person, SafeHtml
from aggregator.model.poll import FeedUpdate
from aggregator.model.story import Clustering, Placement
from aggregator.query.grammar import parse_query

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
FEEDS = tuple(Feed(id=f"feed-{n}", url=f"https://f{n}.example/rss", name=f"Tank {n}") for n in range(500))
BATCH, PAGE, WORDS, ROUNDS = 1000, 50, 350, 12
COUNTRIES = [f"{one}{other}" for one in "abcdefgh" for other in "klmnopqr"]
SYLLABLES = "ar be ci de en fo ga hi in ju ka le mi no or pe qua ri so ta un ver wi xe yo ze sta pro con tion".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--database", help="an empty database to fill; none: a SQLite file that goes when it ends")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{folder}/wire.db"
        database = open_database(url)
        migrate(database)
        building = build(database, given.entries)
        database.close()
        database = open_database(url)  # as a process that begins now
        times = {name: measured(database, asked) for name, asked in QUERIES.items()}
        database.close()
        if not given.database:
            building["bytes_per_story"] = round(Path(folder, "wire.db").stat().st_size / given.entries)
    report = {
        "entries": given.entries,
        **building,
        "all": shares([moment for found in times.values() for moment, _ in found]),
        "queries": {
            name: shares([moment for moment, _ in found]) | {"stories": sum(count for _, count in found) // len(found)}
            for name, found in times.items()
        },
    }
    print(json.dumps(report, indent=2))


# --- what is searched -----------------------------------------------------------------------------


def _vocabulary() -> list[str]:
    random, words = Random(1), dict[str, None]()
    while len(words) < 50_000:
        words["".join(random.choices(SYLLABLES, k=random.randint(1, 4)))] = None
    return sorted(words, key=len)


VOCABULARY = _vocabulary()
SHARES = [*accumulate(1 / (rank + 3) for rank in range(len(VOCABULARY)))]


def _entry(number: int) -> Entry:
    random = Random(number)
    words = random.choices(VOCABULARY, cum_weights=SHARES, k=WORDS)
    words += ["evenly" if number % 2 else "oddly"] + (["evenly", "oddly"] if number % 20_000 == 9 else [])
    countries = random.sample(COUNTRIES, 2)
    topics = {random.choice(("energy", "trade", "defence", "health")), f"rare-{number % 3000}"}
    tags = [f"country:{code}" for code in countries] + [f"topic:{topic}" for topic in sorted(topics)]
    return Entry(
        guid=f"urn:{number}",
        mark=f"m{number}",
        title=" ".join(words[:9]),
        content=SafeHtml(f"<p>{' '.join(words[9:])}</p>"),
        links=(Link(href=f"https://tank.example/{number}"),),
        authors=(Person(name=f"Ana {VOCABULARY[number % 5000]}"),),
        categories=(Category(term="Policy brief"),),
        language=random.choice(("en", "fr", "de")),
        feed_id=FEEDS[number % len(FEEDS)].id,
        keys=EntryKeys(identity=(number.to_bytes(16),), digest=number.to_bytes(16)),
        first_seen=START,
        changed_at=START,
        date=START - timedelta(minutes=3 * ((number * 7919) % 1_000_003)),
        tags=tuple(Tag(name=name, origin="rule") for name in tags),
    )


def build(database: Database, entries: int) -> dict[str, float]:
    """Store and index so many; what the index costs a story, in milliseconds by the clock."""
    feeds, search = SqlFeedStore(database), SqlSearchStore(database)
    feeds.sync(FEEDS, START)
    spent = 0.0
    for first in range(0, entries, BATCH):
        some = [_entry(number) for number in range(first, min(first + BATCH, entries))]
        placements = tuple(Placement(story_id=entry.mark) for entry in some)
        feeds.apply([_update(tuple(some))], Clustering(placements=placements))
        began = time.perf_counter()
        catch_up(search, at_most=2 * BATCH)
        spent += time.perf_counter() - began
    return {"index_ms_per_story": round(1000 * spent / entries, 3)}


def _update(new: tuple[Entry, ...]) -> FeedUpdate:
    return FeedUpdate(
        feed_id=new[0].feed_id,
        url="",
        status=FeedStatus.OK,
        validators=Validators(),
        checked_at=START,
        next_check_at=START,
        failures=0,
        succeeded=True,
        new=new,
    )


# --- what is asked --------------------------------------------------------------------------------


def _words(first: int, last: int) -> Callable[[Random], str]:
    """Words of these ranks: 0 is the most frequent."""
    return lambda random: VOCABULARY[random.randint(first, last)]


RARE, COMMON, USUAL = _words(30_000, 49_999), _words(0, 20), _words(200, 2000)
Asked = Callable[[Random], tuple[str, Order]]


def _by_date(form: str, *words: Callable[[Random], str], order: Order = Order.DATE) -> Asked:
    return lambda random: (form.format(*(word(random) for word in words)), order)


def _country(random: Random) -> str:
    return random.choice(COUNTRIES)


QUERIES: dict[str, Asked] = {
    "rare word": _by_date("{}", RARE),
    "usual word": _by_date("{}", USUAL),
    "common word": _by_date("{}", COMMON),
    "no such word": _by_date("{}x0", RARE),
    "phrase of common words": _by_date('"{} {}"', COMMON, COMMON),
    "phrase of usual words": _by_date('"{} {}"', USUAL, USUAL),
    "prefix of three letters": lambda random: (f"{VOCABULARY[random.randint(2000, 9000)][:3]}*", Order.DATE),
    "prefix of five letters": lambda random: (f"{VOCABULARY[random.randint(2000, 9000)][:5]}*", Order.DATE),
    "prefix of two letters": lambda random: (f"{VOCABULARY[random.randint(2000, 9000)][:2]}*", Order.DATE),
    "prefix of a letter": lambda random: (f"{random.choice('abcdefghi')}*", Order.DATE),
    "usual without common": _by_date("{} -{}", USUAL, COMMON),
    "all without a usual": _by_date("-{}", USUAL),
    "tag": _by_date("country:{}", _country),
    "tag and usual word": _by_date("country:{} {}", _country, USUAL),
    "two tags": _by_date("country:{} country:{}", _country, _country),
    "any tag of a kind": _by_date("country:* {}", USUAL),
    "range of dates and a common word": _by_date("{} since:400d until:300d", COMMON),
    "either date or word": _by_date("(since:2d {}) OR {}", COMMON, RARE),
    "title, author, language": _by_date("title:{} lang:fr author:ana", COMMON),
    "four usual words": _by_date("{} {} {} {}", USUAL, USUAL, USUAL, USUAL),
    "two common words rarely together": _by_date("evenly oddly"),
    "everything": _by_date("*"),
    "by arrival: usual word": _by_date("{}", USUAL, order=Order.ARRIVAL),
    "by arrival: common word": _by_date("{}", COMMON, order=Order.ARRIVAL),
    "by relevance: usual words": _by_date("{} {}", USUAL, USUAL, order=Order.RELEVANCE),
    "by relevance: common word": _by_date("{}", COMMON, order=Order.RELEVANCE),
}


def measured(database: Database, asked: Asked) -> list[tuple[float, int]]:
    """Milliseconds, and stories found, of some queries of a kind."""
    ports = FindPorts(search=SqlSearchStore(database), stories=SqlStoryStore(database), clock=_Now())
    random, found = Random(7), []
    for _ in range(ROUNDS):
        text, order = asked(random)
        query = parse_query(text)
        began = time.perf_counter()
        finding = find(ports, query, limit=PAGE, order=order, seconds=60)
        found.append((1000 * (time.perf_counter() - began), len(finding.stories)))
    return found


class _Now:
    def now(self) -> datetime:
        return START


def shares(times: Sequence[float]) -> dict[str, float]:
    """The time that half of the queries take at most, and that all but one in twenty do."""
    ordered = sorted(times)
    return {f"p{share}_ms": round(ordered[min(share * len(ordered) // 100, len(ordered) - 1)], 2) for share in (50, 95)}


if __name__ == "__main__":
    main()
