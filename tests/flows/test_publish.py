"""Publishing as a whole, on in-memory ports and a frozen clock."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from aggregator.errors import StoreError
from aggregator.flows import publish as flow
from aggregator.flows.publish import PublishPlan, PublishPorts, build, publish
from aggregator.model.channel import Channel, Publication, Site
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed
from aggregator.model.parsed import Link
from aggregator.model.story import Story
from tests.fakes import START, FrozenClock, MemoryPublications

SITE = Site(title="Wire", base_url="https://wire.example.org")
EVERYTHING = Channel(id="", title="Wire")
JAPAN = Channel(id="japan", title="Japan", query="country:jp", size=2)
JP = Tag(name="country:jp", origin="rule", label="Japan")


def story(seq: int, *tags: Tag, title: str = "A report", age: timedelta = timedelta()) -> Story:
    entry = Entry(
        feed_id="ifri",
        keys=EntryKeys(identity=(), digest=b""),
        first_seen=START,
        changed_at=START,
        date=START - age,
        title=title,
        links=(Link(href=f"https://ifri.example/{seq}"),),
        tags=tags,
    )
    return Story(id=f"story-{seq}", seq=seq, first_seen=START, updated=START, entries=(entry,))


@dataclass
class Shelf:
    """`StoryStore.newest` over a list, remembering what was asked."""

    stories: list[Story] = field(default_factory=list)
    asked: list[tuple[int, int | None, frozenset[str]]] = field(default_factory=list)

    def newest(self, *, limit: int, before: int | None = None, tags: Collection[str] = ()) -> Sequence[Story]:
        self.asked.append((limit, before, frozenset(tags)))
        return [
            item
            for item in sorted(self.stories, key=lambda item: -item.seq)
            if (before is None or item.seq < before) and set(tags) <= {tag.name for tag in item.tags}
        ][:limit]


class House:
    """The flow with everything it needs."""

    def __init__(self, *stories: Story, channels: tuple[Channel, ...] = (EVERYTHING, JAPAN)) -> None:
        self.shelf, self.publications, self.clock = Shelf(list(stories)), MemoryPublications(), FrozenClock()
        self.ports = PublishPorts(stories=self.shelf, publications=self.publications, clock=self.clock)  # type: ignore[arg-type]
        feeds = {"ifri": Feed(id="ifri", url="https://ifri.example/rss", name="Ifri")}
        self.plan = PublishPlan(site=SITE, channels=channels, feeds=feeds)

    def publish(self) -> int:
        return publish(self.ports, self.plan)

    def links(self, path: str) -> list[str]:
        found = self.publications.get(path)
        assert found is not None
        return [item["url"].rpartition("/")[2] for item in json.loads(found.body)["items"]]


def test_every_channel_comes_in_all_its_formats() -> None:
    house = House(story(1), channels=(EVERYTHING, replace(JAPAN, formats=("atom", "json"))))
    assert house.publish() == 5
    assert set(house.publications.etags()) == {
        *("feed.atom", "feed.rss", "feed.json"),
        *("channels/japan.atom", "channels/japan.json"),
    }


def test_a_channel_holds_what_its_query_gives_newest_first_up_to_its_size() -> None:
    house = House(story(1, JP), story(2), story(3, JP), story(4), story(5, JP))
    house.publish()
    assert house.links("channels/japan.json") == ["5", "3"]
    assert house.links("feed.json") == ["5", "4", "3", "2", "1"]


def test_publishing_again_changes_nothing() -> None:
    house = House(story(1, JP))
    house.publish()
    before = house.publications.etags()
    house.clock.advance(days=3)
    assert house.publish() == 0
    assert house.publications.etags() == before


def test_only_the_channels_a_new_story_is_in_change() -> None:
    house = House(story(1, JP))
    house.publish()
    house.shelf.stories.append(story(2))
    assert house.publish() == 3
    assert house.links("channels/japan.json") == ["1"]


def test_a_channel_without_stories_is_an_empty_feed() -> None:
    house = House()
    assert house.publish() == 6
    assert house.links("channels/japan.json") == []


def test_a_channel_taken_out_of_the_plan_is_withdrawn() -> None:
    house = House(story(1))
    house.publish()
    house.plan = replace(house.plan, channels=(EVERYTHING,))
    assert house.publish() == 3
    assert set(house.publications.etags()) == {"feed.atom", "feed.rss", "feed.json"}


def test_a_channel_that_cannot_be_written_stays_as_it_was_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(story(1, JP))
    house.publish()
    before = house.publications.etags()
    house.shelf.stories.append(story(2, JP))
    write = flow.write_channel

    def broken(channel: Channel, *rest: object, **options: object) -> Publication:
        if channel is EVERYTHING:
            raise ZeroDivisionError("in one of its stories")
        return write(channel, *rest, **options)

    monkeypatch.setattr(flow, "write_channel", broken)
    assert house.publish() == 3
    after = house.publications.etags()
    assert {path for path in after if after[path] == before[path]} == {"feed.atom", "feed.rss", "feed.json"}
    assert house.links("channels/japan.json") == ["2", "1"]


def test_a_database_in_trouble_ends_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(publications: Sequence[Publication]) -> int:
        raise StoreError("database: full")

    house = House(story(1, JP))
    monkeypatch.setattr(house.publications, "put", full)
    with pytest.raises(StoreError):
        house.publish()


def test_who_has_to_stop_does_so_between_two_channels_and_drops_nothing() -> None:
    house = House(story(1, JP), channels=(EVERYTHING,))
    house.publish()
    house.plan = replace(house.plan, channels=(JAPAN, replace(JAPAN, id="other")))
    asked = iter([False, True])
    assert publish(house.ports, house.plan, should_stop=lambda: next(asked)) == 3
    assert {path.rpartition(".")[0] for path in house.publications.etags()} == {"feed", "channels/japan"}


def test_since_counts_from_the_clock() -> None:
    recent = replace(JAPAN, query="since:7d", size=50)
    house = House(story(1, age=timedelta(days=6)), story(2, age=timedelta(days=8)), channels=(recent,))
    house.publish()
    assert house.links("channels/japan.json") == ["1"]
    house.clock.advance(days=2)
    assert house.publish() == 3
    assert house.links("channels/japan.json") == []


def test_stories_are_read_once_for_all_formats_and_narrowed_by_tags() -> None:
    house = House(story(1, JP), channels=(JAPAN,))
    house.publish()
    assert house.shelf.asked == [(flow.PAGE, None, frozenset({"country:jp"}))]


def test_reading_goes_on_only_until_the_channel_is_full() -> None:
    stories = [story(seq, title="Energy" if seq % 100 == 0 else "Trade") for seq in range(1, 1001)]
    house = House(*stories, channels=(replace(JAPAN, query="energy", size=3),))
    house.publish()
    assert house.links("channels/japan.json") == ["1000", "900", "800"]
    assert [before for _, before, _ in house.shelf.asked] == [None, 801]


def test_a_query_that_nothing_matches_reads_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "SCANNED", 250)
    house = House(*(story(seq) for seq in range(1, 1001)), channels=(replace(JAPAN, query="nowhere"),))
    house.publish()
    assert [(limit, before) for limit, before, _ in house.shelf.asked] == [(200, None), (50, 801)]


def test_a_search_becomes_a_feed_without_being_stored() -> None:
    house = House()
    search = Channel(id="", title="Search", query="energy")
    found = build(house.plan, search, "json", [story(1, title="Energy")])
    assert [item["title"] for item in json.loads(found.body)["items"]] == ["Energy"]
    assert found.path == "feed.json?q=energy"
    assert house.publications.etags() == {}
