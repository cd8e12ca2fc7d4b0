"""Tags of stored entries under other rules: what is renewed, and what is left as it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.model.channel import TagRule
from aggregator.model.entry import Entry, EntryKeys, Tag
from aggregator.model.feed import Feed, FeedOptions
from aggregator.model.taxonomy import Taxonomy
from aggregator.steps.tagging.renewing import renewed, version_of
from aggregator.steps.tagging.tagger import Tagger, compile_tagger, tag_entry
from tests.fakes import START, parsed
from tests.flows.newsroom import taxonomy

FEED = Feed(id="ifri", url="https://ifri.example/rss", name="Ifri", language="en")
FEEDS = {"ifri": FEED}
BY_HAND = Tag(name="topic:pick", origin="person")


def stored(title: str, rules: Tagger, *more: Tag, **fields: object) -> Entry:
    """An entry with the tags that a poll gave it, and some more."""
    item = parsed(title, **fields)
    entry = Entry(
        **{name: getattr(item, name) for name in item.__dataclass_fields__},
        feed_id="ifri",
        keys=EntryKeys(identity=(), digest=b""),
        first_seen=START,
        changed_at=START,
        date=START,
    )
    return replace(entry, tags=(*tag_entry(entry, FEED, rules, START), *more))


def tagger(*rules: tuple[str, str], words: Taxonomy | None = None) -> Tagger:
    return compile_tagger(words or Taxonomy(), [TagRule(tag=tag, when=when) for tag, when in rules])


def names(tags: tuple[Tag, ...]) -> list[str]:
    return [tag.name for tag in tags]


def test_the_rules_that_gave_the_tags_give_them_again() -> None:
    rules = tagger(("topic:rail", "rail"), ("type:old", "topic:rail until:30d"))
    entry = stored("The rail plan", rules, published=START - timedelta(days=40))
    assert names(entry.tags) == ["publisher:ifri", "topic:rail", "type:old"]
    assert renewed(entry, FEEDS, rules) is entry.tags


@pytest.mark.parametrize("published", [START - timedelta(days=1), None])
def test_a_rule_that_names_an_age_sees_an_entry_as_on_the_day_it_came(published: object) -> None:
    rules = tagger(("type:fresh", "since:7d"))
    entry = stored("The rail plan", rules, published=published)
    assert names(renewed(entry, FEEDS, rules)) == ["publisher:ifri", "type:fresh"]


def test_what_other_rules_give_takes_the_place_of_what_they_gave() -> None:
    entry = stored("The rail plan", tagger(("topic:rail", "rail")))
    assert names(renewed(entry, FEEDS, tagger(("topic:plan", "plan")))) == ["publisher:ifri", "topic:plan"]


def test_a_person_has_the_last_word() -> None:
    entry = stored("The rail plan", tagger(), BY_HAND)
    assert renewed(entry, FEEDS, tagger()) is entry.tags
    assert renewed(entry, FEEDS, tagger(("topic:rail", "rail")))[-1] == BY_HAND


def test_an_entry_of_a_feed_that_is_gone_keeps_its_tags() -> None:
    entry = stored("The rail plan", tagger(("topic:rail", "rail")))
    assert renewed(entry, {}, tagger()) is entry.tags


def test_another_version_alone_is_no_other_tag() -> None:
    entry = stored("The rail plan", tagger(words=taxonomy("1", rail="rail")))
    assert "topic:rail" in names(entry.tags)
    assert renewed(entry, FEEDS, tagger(words=taxonomy("2", rail="rail"))) is entry.tags


def test_another_reason_is_another_tag() -> None:
    entry = stored("The rail plan", tagger(("topic:rail", "rail")))
    again = renewed(entry, FEEDS, tagger(("topic:rail", "rail OR tram")))
    assert (names(again), again[-1].rule) == (names(entry.tags), "rail OR tram")


def test_a_feeds_own_tags_follow_the_feed() -> None:
    entry = stored("The rail plan", tagger())
    feed = replace(FEED, options=FeedOptions(tags=("topic:transport", "publisher:ifri")))
    assert names(renewed(entry, {"ifri": feed}, tagger())) == ["topic:transport", "publisher:ifri"]


RULE = TagRule(tag="topic:rail", when="rail")
GIVEN = {"taxonomy": "1", "language": "en", "program": "2"}


def test_the_version_is_another_when_what_gives_tags_is() -> None:
    feeds = [FEED, replace(FEED, id="apps")]
    version = version_of(feeds, [RULE], **GIVEN)
    assert version_of(reversed(feeds), [RULE], **GIVEN) == version
    unrelated = replace(FEED, url="https://ifri.example/new", options=FeedOptions(every=timedelta(hours=6)))
    assert version_of([unrelated, feeds[1]], [RULE], **GIVEN) == version
    others = [
        version_of(feeds[:1], [RULE], **GIVEN),
        version_of([replace(FEED, country="FR"), feeds[1]], [RULE], **GIVEN),
        version_of([replace(FEED, options=FeedOptions(tags=("topic:x",))), feeds[1]], [RULE], **GIVEN),
        version_of(feeds, [], **GIVEN),
        version_of(feeds, [replace(RULE, label="Rail")], **GIVEN),
        version_of(feeds, [replace(RULE, when="\udcff")], **GIVEN),
        *(version_of(feeds, [RULE], **(GIVEN | {name: "other"})) for name in GIVEN),
    ]
    assert len({version, *others}) == 1 + len(others)
