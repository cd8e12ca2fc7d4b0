"""One contract for every store of feeds, entries and Stories, the fake included, so that fakes cannot lie."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from aggregator.model.entry import Entry, Tag
from aggregator.model.feed import Feed, FeedOptions, FeedStatus, Rhythm, Validators
from aggregator.model.parsed import Category, Link, Person, SafeHtml, Source
from aggregator.model.poll import FeedUpdate
from aggregator.model.story import RELATED, Clustering, FoldKey, Move, Placement, StoryLink
from aggregator.ports import EntryStore, FeedStore, FoldStore, StoryStore
from aggregator.steps.decide import mark_of
from tests.fakes import START, MemoryStore, parsed, reading
from tests.real_store import KINDS, sql_store


class Store(FeedStore, EntryStore, FoldStore, StoryStore, Protocol):
    """All four ports at once."""


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with sql_store(request.param) as store:
        yield store


IFRI = Feed(
    id="ifri",
    url="https://ifri.example/rss",
    name="Ifri",
    country="FR",
    language="fr",
    options=FeedOptions(every=timedelta(hours=2), tags=("publisher:ifri",)),
)
APPS = Feed(id="apps", url="https://apps.example/rss", name="APPS")
TAG = Tag(name="country:jp", origin="rule", label="Japan", rule="Japan OR Tokyo")


def entry(feed_id: str, title: str, *tags: Tag) -> Entry:
    item = parsed(
        title,
        links=(
            Link(href=f"https://{feed_id}.example/{title}"),
            Link(href="https://x.example/a.pdf", rel="enclosure", type="application/pdf", length=9),
        ),
        authors=(Person(name="Ana", email="ana@x.example"),),
        categories=(Category(term="Asia", scheme="https://x.example/s", label="Asia"),),
        source=Source(id="urn:s", title="Source", updated=START),
        thumbnails=("https://x.example/t.png",),
        content=SafeHtml("<p>Long</p>"),
        language="fr",
    )
    fields = {name: getattr(item, name) for name in item.__dataclass_fields__}
    keys = reading(feed_id, item).keys[0]
    return Entry(
        **fields,
        feed_id=feed_id,
        keys=keys,
        mark=mark_of(feed_id, keys),
        first_seen=START,
        changed_at=START,
        date=START - timedelta(days=1),
        tags=tags,
    )


def update(feed_id: str, new: tuple[Entry, ...] = (), changed: tuple[Entry, ...] = ()) -> FeedUpdate:
    return FeedUpdate(
        feed_id=feed_id,
        url=f"https://{feed_id}.example/rss",
        status=FeedStatus.OK,
        validators=Validators(etag='"1"', last_modified="yesterday", body_sha256="ab", given_by="https://x.example/f"),
        checked_at=START,
        next_check_at=START + timedelta(hours=1),
        failures=0,
        title="A title",
        site_url="https://ifri.example/",
        succeeded=True,
        new=new,
        changed=changed,
    )


def founding(*story_ids: str) -> Clustering:
    return Clustering(placements=tuple(Placement(story_id=story_id) for story_id in story_ids))


def filled(store: Store) -> Store:
    store.sync([IFRI, APPS], START)
    first, second = entry("ifri", "One", TAG), entry("ifri", "Two")
    assert store.apply([update("ifri", (first, second))], founding("story-1", "story-2")) == 2
    return store


def test_a_new_feed_is_due_at_once_and_keeps_its_options(store: Store) -> None:
    store.sync([IFRI, APPS], START)
    assert [state.feed for state in store.due(START)] == [APPS, IFRI]
    assert store.due(START - timedelta(seconds=1)) == []


def test_applying_a_poll_moves_the_feed(store: Store) -> None:
    (state,) = filled(store).states(["ifri"])
    assert (state.status, state.validators, state.title) == (FeedStatus.OK, update("ifri").validators, "A title")
    assert (state.checked_at, state.succeeded_at, state.changed_at) == (START, START, START)
    assert state.feed.site_url == "https://ifri.example/"
    assert [state.feed.id for state in store.due(START)] == ["apps"]


def test_a_failure_keeps_the_last_success(store: Store) -> None:
    filled(store)
    later = START + timedelta(hours=1)
    failed = replace(
        update("ifri"),
        succeeded=False,
        status=FeedStatus.FAILING,
        checked_at=later,
        failures=1,
        error="dns: no",
        title=None,
    )
    store.apply([failed], founding())
    (state,) = store.states(["ifri"])
    assert (state.succeeded_at, state.checked_at, state.error, state.title) == (START, later, "dns: no", "A title")


MOVED = replace(IFRI, url="https://ifri.example/new")
RHYTHM = Rhythm(ttl=timedelta(hours=6), skip_hours=(3, 4), skip_days=("Sunday",))


def test_a_new_address_begins_anew(store: Store) -> None:
    filled(store)
    later = START + timedelta(minutes=5)
    store.apply([replace(update("ifri"), status=FeedStatus.GONE, failures=3, error="gone", rhythm=RHYTHM)], founding())
    store.sync([MOVED, APPS], later)
    (state,) = store.states(["ifri"])
    assert (state.status, state.failures, state.error) == (FeedStatus.NEW, 0, None)
    assert (state.validators, state.rhythm, state.next_check_at) == (Validators(), Rhythm(), later)
    assert (state.feed.site_url, state.succeeded_at) == ("https://ifri.example/", START)


def test_what_the_old_address_answers_says_nothing_of_the_new_but_its_entries_count(store: Store) -> None:
    store.sync([IFRI, APPS], START)
    store.sync([MOVED, APPS], START)
    assert store.apply([update("ifri", (entry("ifri", "One"),))], founding("story-1")) == 1
    (state,) = store.states(["ifri"])
    assert (state.validators, state.checked_at, state.next_check_at) == (Validators(), None, START)


def test_another_reader_has_no_validators(store: Store) -> None:
    store.sync([IFRI, APPS], START, reader="1")
    store.apply([update("ifri")], founding())
    store.sync([IFRI, APPS], START, reader="1")
    assert store.states(["ifri"])[0].validators == update("ifri").validators
    store.sync([IFRI, APPS], START, reader="2")
    (state,) = store.states(["ifri"])
    assert (state.validators, state.next_check_at) == (Validators(), update("ifri").next_check_at)


def test_a_rhythm_comes_back_whole(store: Store) -> None:
    store.sync([IFRI, APPS], START)
    assert store.states(["ifri"])[0].rhythm == Rhythm()
    store.apply([replace(update("ifri"), rhythm=RHYTHM)], founding())
    assert store.states(["ifri"])[0].rhythm == RHYTHM


def test_a_feed_that_is_asked_no_more_is_never_due(store: Store) -> None:
    store.sync([IFRI], START)
    store.apply([replace(update("ifri"), next_check_at=None)], founding())
    assert store.due(START + timedelta(days=36500)) == []
    assert [state.next_check_at for state in store.states()] == [None]


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650)])
def test_a_wait_that_began_in_the_future_begins_anew(store: Store, ahead: timedelta) -> None:
    store.sync([IFRI, APPS], START)
    polled = replace(update("ifri"), checked_at=START + ahead, next_check_at=START + ahead + timedelta(hours=2))
    ended = replace(polled, feed_id="apps", url=APPS.url, next_check_at=None)
    store.apply([polled, ended], founding())
    assert store.mend_clock(START) == 2
    states = {state.feed.id: state for state in store.states()}
    assert (states["ifri"].checked_at, states["ifri"].next_check_at) == (START, START + timedelta(hours=2))
    assert (states["apps"].checked_at, states["apps"].next_check_at) == (START, None)
    assert store.mend_clock(START) == 0


def test_a_clock_at_its_beginning_mends_nothing(store: Store) -> None:
    filled(store)
    assert store.mend_clock(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert store.states(["ifri"])[0].checked_at == START


PAST_THE_LIMIT = 33_000
"""SQLite admits 32,766 parameters in one statement."""


def test_any_number_of_feeds_and_keys_can_be_asked_for(store: Store) -> None:
    filled(store)
    keys = entry("ifri", "One").keys
    strange = [number.to_bytes(16) for number in range(PAST_THE_LIMIT)]
    assert set(store.known([*strange, *keys.identity])) == set(keys.identity)
    assert store.holders(range(PAST_THE_LIMIT)) == {}
    assert [candidate.title for candidate in store.candidates(range(PAST_THE_LIMIT)).values()] == ["One", "Two"]
    assert [state.feed.id for state in store.states(["ifri", *map(str, range(PAST_THE_LIMIT))])] == ["ifri"]


@pytest.mark.slow
def test_any_number_of_entries_can_be_new_or_changed_at_once() -> None:
    with sql_store() as store:
        store.sync([IFRI], START)
        many = tuple(entry("ifri", f"Entry {number}", TAG) for number in range(PAST_THE_LIMIT))
        assert store.apply([update("ifri", many)], founding(*(f"story-{n}" for n in range(len(many))))) == len(many)
        found = store.known(item.keys.identity[0] for item in many)
        edited = tuple(replace(item, id=found[item.keys.identity[0]].id) for item in many)
        store.apply([update("ifri", changed=edited)], founding())
        assert len(store.newest(limit=len(many) + 1, tags=["country:jp"])) == len(many)


def test_a_feed_taken_out_is_not_polled_and_its_entries_stay(store: Store) -> None:
    filled(store)
    store.sync([APPS], START)
    assert [state.feed.id for state in store.states()] == ["apps"]
    assert store.last_seq() == 2


def test_entries_come_back_whole(store: Store) -> None:
    filled(store)
    story = store.get("story-1")
    assert story is not None
    kept, made = story.head, entry("ifri", "One", TAG)
    assert replace(kept, id=0, keys=made.keys) == made
    assert kept.keys.digest == made.keys.digest


def test_known_finds_entries_by_any_identity_key(store: Store) -> None:
    filled(store)
    keys = entry("ifri", "One").keys
    found = store.known([*keys.identity, b"x" * 16])
    assert set(found) == set(keys.identity)
    assert {known.digest for known in found.values()} == {keys.digest}


def test_known_says_what_refresh_needs_of_an_entry(store: Store) -> None:
    filled(store)
    (known,) = set(store.known(entry("ifri", "Two").keys.identity).values())
    assert (known.first_seen, known.date) == (START, START - timedelta(days=1))
    assert known.mark == entry("ifri", "Two").mark


def test_a_key_goes_to_the_entry_that_has_it_now(store: Store) -> None:
    filled(store)
    one, two = entry("ifri", "One"), entry("ifri", "Two")
    known = store.known((*one.keys.identity, *two.keys.identity))
    first, second = (known[item.keys.identity[0]].id for item in (one, two))
    renewed = replace(one.keys, identity=(b"r" * 16, two.keys.identity[1]))
    version = store.version()
    store.apply([replace(update("ifri"), renewed=((first, renewed),))], founding())
    now = {key: old.id for key, old in store.known((*renewed.identity, *one.keys.identity, *two.keys.identity)).items()}
    assert now == dict.fromkeys((*renewed.identity, *one.keys.identity), first) | {two.keys.identity[0]: second}
    assert store.version() == version


KEY = -5
FRENCH = int.from_bytes(b"fr")


def folded(store: Store) -> tuple[Entry, Entry]:
    """Two stored entries of two feeds with one key, and what was found between them."""
    store.sync([IFRI, APPS], START)
    one, other = entry("ifri", "One"), entry("apps", "Two")
    store.apply(
        [update("ifri", (one,)), update("apps", (other,))],
        replace(
            founding(one.mark, other.mark),
            links=(link(one, other),),
            keys={one.mark: {KEY: 0}, other.mark: {KEY: FRENCH}},
        ),
    )
    return one, other


def link(a: Entry, b: Entry, rule: str = "related") -> StoryLink:
    one, other = sorted((a.mark, b.mark))
    return StoryLink(one=one, other=other, rule=rule, score=0.5, evidence="why")


def test_candidates_are_found_by_key_and_come_with_what_folding_compares(store: Store) -> None:
    folded(store)
    holders = store.holders([KEY, 7])
    assert list(holders) == [KEY]
    assert [holder[1] for holder in holders[KEY]] == [0, FRENCH]
    ids = [holder[0] for holder in holders[KEY]]
    candidates = [store.candidates(ids)[id_] for id_ in ids]
    assert [(item.feed_id, item.title, item.date) for item in candidates] == [
        ("ifri", "One", START - timedelta(days=1)),
        ("apps", "Two", START - timedelta(days=1)),
    ]
    assert [(item.mark, item.sketch) for item in candidates] == [
        (made.mark, made.keys.sketch) for made in (entry("ifri", "One"), entry("apps", "Two"))
    ]


def test_kin_are_all_that_links_and_stories_join(store: Store) -> None:
    one, other = folded(store)
    members, links = store.kin([one.mark, "nobody"])
    assert {(member.mark, member.feed_id, member.story_id) for member in members} == {
        (one.mark, "ifri", one.mark),
        (other.mark, "apps", other.mark),
    }
    assert list(links) == [link(one, other)]
    assert store.kin(["nobody"]) == ([], []) or store.kin(["nobody"]) == ((), ())


def test_related_stories_are_given_to_both_sides_newest_first(store: Store) -> None:
    report, press, blog, lone = (entry(feed, title) for feed, title in zip(("ifri", "apps") * 2, "ABCD", strict=True))
    store.sync([IFRI, APPS], START)
    links = [link(report, other, RELATED) for other in (press, blog, replace(lone, mark="never stored"))]
    kept = Clustering(placements=tuple(Placement(story_id=made.mark) for made in (report, press, blog, lone)))
    store.apply(
        [update(made.feed_id, (made,)) for made in (report, press, blog, lone)],
        replace(kept, links=(*links, link(press, lone, "same-text"), link(blog, lone, "person-apart"))),
    )
    stories = [story for made in (report, press, blog, lone) if (story := store.get(made.mark))]
    found = store.related(stories)
    assert {id_: [other.head.title for other in others] for id_, others in found.items()} == {
        report.mark: ["C", "B"],
        press.mark: ["A"],
        blog.mark: ["A"],
    }
    assert store.related(stories[1:2]) == {press.mark: [stories[0]]}
    assert store.related(stories[3:]) == store.related([]) == {}


def test_works_that_have_become_one_story_are_no_longer_related(store: Store) -> None:
    report, press = entry("ifri", "A"), entry("apps", "B")
    store.sync([IFRI, APPS], START)
    founded = Clustering(placements=tuple(Placement(story_id=made.mark) for made in (report, press)))
    store.apply(
        [update("ifri", (report,)), update("apps", (press,))],
        replace(founded, links=(link(report, press, RELATED),)),
    )
    joined = Move(mark=press.mark, first_seen=START, placement=Placement(story_id=report.mark, rule="same-doi"))
    store.rearrange(Clustering(placements=(), moves=(joined,), merges=((press.mark, report.mark),)), START)
    story = store.get(press.mark)
    assert story is not None
    assert (len(story.entries), store.related([story])) == (2, {})


def test_a_changed_entry_keeps_its_keys_and_gets_a_new_sketch(store: Store) -> None:
    one, _ = folded(store)
    (known,) = set(store.known(one.keys.identity).values())
    edited = replace(one, id=known.id, keys=replace(one.keys, sketch=b""))
    store.apply([update("ifri", changed=(edited,))], Clustering(placements=(), keys={one.mark: {9: 0, KEY: 0}}))
    holders = store.holders([KEY, 9])
    assert (len(holders[KEY]), holders[9]) == (2, [(known.id, 0)])
    assert store.candidates([known.id])[known.id].sketch == b""


def test_a_persons_word_gives_way_to_a_persons_word_only(store: Store) -> None:
    one, other = folded(store)

    def say(rule: str) -> str:
        store.apply([update("ifri", (entry("ifri", rule),))], replace(founding(rule), links=(link(one, other, rule),)))
        return store.kin([one.mark])[1][0].rule

    assert [say(rule) for rule in ("same-text", "person-apart", "same-doi", "person")] == [
        "same-text",
        "person-apart",
        "person-apart",
        "person",
    ]


def test_entries_move_between_stories_and_a_story_that_was_gone_is_itself_again(store: Store) -> None:
    one, other = folded(store)
    older = Clustering(
        placements=(),
        moves=(Move(mark=other.mark, first_seen=START, placement=Placement(story_id=one.mark, rule="same-text")),),
        merges=((other.mark, one.mark),),
    )
    store.apply([update("apps", changed=(replace(other, id=2),))], older)
    story = store.get(other.mark)
    assert story is not None
    assert (story.id, [(member.title, member.joined_by) for member in story.entries]) == (
        one.mark,
        [("One", None), ("Two", "same-text")],
    )
    parted = Clustering(
        placements=(), moves=(Move(mark=other.mark, first_seen=START, placement=Placement(story_id=other.mark)),)
    )
    assert store.apply([update("apps", changed=(replace(other, id=2),))], parted) == 1
    stories = [store.get(mark) for mark in (one.mark, other.mark)]
    assert [story and (story.id, [member.title for member in story.entries]) for story in stories] == [
        (one.mark, ["One"]),
        (other.mark, ["Two"]),
    ]


def test_old_keys_are_forgotten_but_for_addresses_and_dois(store: Store) -> None:
    one, _ = folded(store)
    ids = [known.id for known in store.known(one.keys.identity).values()]
    kinds = {8 * number + kind: 0 for number, kind in enumerate(FoldKey, start=1)}
    store.note([replace(one, id=ids[0])], {one.mark: kinds})
    assert store.forget(START) == 0
    assert store.forget(START + timedelta(days=1)) == 5
    assert {key & 7 for key in store.holders([*kinds, KEY])} == {FoldKey.ADDRESS, FoldKey.DOI}


def test_stored_entries_are_given_in_order_of_arrival_with_their_marks(store: Store) -> None:
    one, other = folded(store)
    first, second = store.since(START, after=0, limit=9)
    assert [(entry.mark, entry.title, entry.content) for entry in (first, second)] == [
        (one.mark, "One", one.content),
        (other.mark, "Two", other.content),
    ]
    assert [entry.mark for entry in store.since(START, after=first.id, limit=9)] == [other.mark]
    assert [entry.mark for entry in store.since(START, after=0, limit=1)] == [one.mark]
    assert store.since(START + timedelta(seconds=1), after=0, limit=9) == []


def test_rearranging_drops_links_and_moves_entries(store: Store) -> None:
    one, other = folded(store)
    later = START + timedelta(hours=3)
    assert store.links([one.mark]) == store.links([other.mark]) == [link(one, other)]
    version = store.version()
    store.rearrange(Clustering(placements=()), later, dropped=[link(one, other)])
    assert (store.links([one.mark]), store.version()) == ([], version)
    joined = Placement(story_id=one.mark, rule="same-text")
    move = Move(mark=other.mark, first_seen=START, placement=joined)
    merging = Clustering(placements=(), moves=(move,), merges=((other.mark, one.mark),), links=(link(one, other),))
    store.rearrange(merging, later)
    story = store.get(other.mark)
    assert story is not None
    assert (story.id, story.updated, len(story.entries)) == (one.mark, later, 2)
    assert store.version() != version


def test_a_changed_entry_replaces_words_and_tags_but_not_its_story(store: Store) -> None:
    filled(store)
    version = store.version()
    known = next(iter(store.known(entry("ifri", "One").keys.identity).values()))
    edited = replace(entry("ifri", "One"), id=known.id, summary=SafeHtml("<p>Edited</p>"), changed_at=START)
    store.apply([update("ifri", changed=(edited,))], founding())
    story = store.get("story-1")
    assert story is not None
    assert (story.head.summary, story.tags) == ("<p>Edited</p>", ())
    assert store.version() != version


def test_nothing_new_moves_no_version(store: Store) -> None:
    version = filled(store).version()
    store.apply([update("ifri")], founding())
    assert store.version() == version


def test_a_joining_entry_updates_its_story(store: Store) -> None:
    filled(store)
    later = START + timedelta(hours=2)
    joining = replace(update("apps", (entry("apps", "Cross-post"),)), checked_at=later)
    placement = Placement(story_id="story-1", rule="same-address")
    assert store.apply([joining], Clustering(placements=(placement,))) == 0
    story = store.get("story-1")
    assert story is not None
    assert [(member.feed_id, member.joined_by) for member in story.entries] == [
        ("ifri", None),
        ("apps", "same-address"),
    ]
    assert (story.first_seen, story.updated) == (START, later)
    edited = replace(story.entries[1], keys=entry("apps", "Cross-post").keys, title="Edited")
    store.apply([replace(joining, new=(), changed=(edited,))], founding())
    assert [(member.title, member.joined_by) for member in store.newest(limit=9)[1].also_at] == [
        ("Edited", "same-address")
    ]


def test_the_first_entry_at_home_heads_its_story(store: Store) -> None:
    filled(store)
    joined = Clustering(placements=(Placement(story_id="story-1", rule="same-address"),))
    for title, at_home in (("Own", True), ("Elsewhere", False), ("Own, too", True)):
        store.apply([update("apps", (replace(entry("apps", title), at_home=at_home),))], joined)
    story = store.get("story-1")
    assert story is not None
    assert [member.title for member in story.entries] == ["Own", "Own, too", "One", "Elsewhere"]


def test_a_merge_redirects_the_younger_story(store: Store) -> None:
    filled(store)
    bridge = Clustering(
        placements=(Placement(story_id="story-1", rule="same-address"),), merges=(("story-2", "story-1"),)
    )
    store.apply([update("apps", (entry("apps", "Bridge"),))], bridge)
    story = store.get("story-2")
    assert story is not None
    assert story.id == "story-1"
    assert [member.title for member in story.entries] == ["One", "Two", "Bridge"]
    assert [item.id for item in store.newest(limit=10)] == ["story-1"]


def test_a_merge_by_a_changed_entry_updates_the_story_they_are_now(store: Store) -> None:
    filled(store)
    later = START + timedelta(hours=2)
    known = next(iter(store.known(entry("ifri", "Two").keys.identity).values()))
    edited = replace(entry("ifri", "Two"), id=known.id)
    merging = replace(update("ifri", changed=(edited,)), checked_at=later)
    store.apply([merging], Clustering(placements=(), merges=(("story-2", "story-1"),)))
    (story,) = store.newest(limit=10)
    assert (story.id, story.updated, [member.title for member in story.entries]) == ("story-1", later, ["One", "Two"])


def test_merges_of_merges_redirect_to_where_the_entries_are(store: Store) -> None:
    filled(store)
    store.apply([update("ifri", (entry("ifri", "Three"),))], founding("story-3"))
    bridge = Placement(story_id="story-2", rule="same-address")
    store.apply(
        [update("apps", (entry("apps", "One bridge"),))],
        Clustering(placements=(bridge,), merges=(("story-3", "story-2"),)),
    )
    bridge = Placement(story_id="story-1", rule="same-address")
    store.apply(
        [update("apps", (entry("apps", "Another"),))],
        Clustering(placements=(bridge,), merges=(("story-2", "story-1"),)),
    )
    assert [found and found.id for found in map(store.get, ("story-1", "story-2", "story-3"))] == ["story-1"] * 3
    assert [len(story.entries) for story in store.newest(limit=10)] == [5]


def test_newest_pages_downwards_and_after_pages_upwards(store: Store) -> None:
    filled(store)
    assert [story.seq for story in store.newest(limit=1)] == [2]
    assert [story.seq for story in store.newest(limit=5, before=2)] == [1]
    assert [story.id for story in store.newest(limit=5, tags=["country:jp"])] == ["story-1"]
    assert [story.seq for story in store.after(0, limit=1)] == [1]
    assert [story.seq for story in store.after(1, limit=5)] == [2]


def test_stories_that_come_at_once_are_numbered_by_their_dates(store: Store) -> None:
    store.sync([IFRI, APPS], START)
    dates = {"ifri": (3, 1, 5), "apps": (2, 6, 1)}
    polls = [
        update(
            feed_id,
            tuple(
                replace(entry(feed_id, f"{feed_id} {number}"), date=START - timedelta(days=days))
                for number, days in enumerate(ages)
            ),
        )
        for feed_id, ages in dates.items()
    ]
    placements = tuple(Placement(story_id=f"{item.feed_id}-{n}") for item in polls for n in range(3))
    store.apply(polls, Clustering(placements=placements))
    newest = [story.id for story in store.newest(limit=9)]
    assert newest == ["apps-2", "ifri-1", "apps-0", "ifri-0", "ifri-2", "apps-1"]
    assert [story.head.title for story in store.newest(limit=1)] == ["apps 2"]


def test_newest_narrows_to_a_feed_wherever_its_entry_stands_in_the_story(store: Store) -> None:
    filled(store)
    placement = Placement(story_id="story-1", rule="same-address")
    store.apply([update("apps", (entry("apps", "Cross-post"),))], Clustering(placements=(placement,)))
    assert [story.id for story in store.newest(limit=5, feed_id="apps")] == ["story-1"]
    assert [story.id for story in store.newest(limit=5, feed_id="ifri", before=2)] == ["story-1"]
    assert store.newest(limit=5, feed_id="nobody") == []


def test_stories_are_given_by_number_those_that_are_there(store: Store) -> None:
    filled(store)
    found = store.numbered([2, 1, 99])
    assert {seq: story.id for seq, story in found.items()} == {1: "story-1", 2: "story-2"}
    assert [tag.name for tag in found[1].tags] == ["country:jp"]
    assert store.numbered([]) == {}
    assert store.named([story.id for story in found.values()] + ["nobody"]) == {
        story.id: story for story in found.values()
    }
    assert store.named([]) == {}


def test_an_unknown_story_is_none(store: Store) -> None:
    assert store.get("nothing") is None
    assert store.last_seq() == 0
