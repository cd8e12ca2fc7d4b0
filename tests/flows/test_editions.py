"""What readers choose, and what waits for a person: each reader gets every Story once, whatever they choose."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import NotFoundError, UsageError
from aggregator.flows.compose import LONGEST_NOTE, compose_one, edit_draft, preview
from aggregator.model.delivery import Subscriber, SubscriptionState
from aggregator.model.edition import Choices
from aggregator.schedule import next_run
from tests.fakes import START
from tests.flows.test_compose import World, world_of
from tests.mail_fakes import DAILY, WEEKLY

MONDAY = datetime(2026, 11, 30, 6, 30, tzinfo=UTC)
"""07:30 in Paris."""
CHOICES = (
    Choices(),
    Choices(timezone="Asia/Tokyo"),
    Choices(schedule="daily 07:30"),
    Choices(schedule="each"),
    Choices(schedule="each", quiet="22:00-07:00"),
    Choices(schedule="monthly 1 09:00", timezone="America/New_York"),
    Choices(language="fr"),
)


def subscribe(world: World, *emails: str) -> None:
    people = [Subscriber(email=email) for email in emails]
    world.store.put(people, "weekly", SubscriptionState.CONFIRMED, "paper form", START)


def choose(world: World, email: str, choices: Choices) -> None:
    person = next(item.subscriber for item in world.store.standing([email], "weekly"))
    letter = choices.applied(world.plan.newsletters["weekly"])
    due_at, last = next_run(letter, world.clock.now()), world.stories.last_seq()
    world.store.choose(person.id, world.plan.newsletters["weekly"], choices, due_at=due_at, last_seq=last)


def letters(world: World, email: str) -> list[str]:
    """The ids of the Stories a reader was told, letter by letter."""
    return [
        story_id
        for issue in world.store.every_issue()
        if any(row.subscriber.email == email for row in world.store.for_issue(issue.id))
        for story_id in issue.story_ids
    ]


def test_each_reader_gets_the_newsletter_at_their_own_time_and_in_their_words() -> None:
    world = world_of(WEEKLY)
    subscribe(world, "ana@example.org", "bob@example.org")
    choose(world, "ana@example.org", Choices(schedule="daily 07:30", timezone="Asia/Tokyo", query="region:asia"))
    world.stories.add("Tokyo", tag="region:asia")
    world.stories.add("Paris")
    world.clock.moment = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
    assert world.compose() == [("weekly", 1, ("story-1",))]
    assert letters(world, "ana@example.org") == ["story-1"]
    assert letters(world, "bob@example.org") == []
    world.clock.moment = MONDAY
    assert world.compose() == [("weekly", 1, ("story-2", "story-1"))]
    assert letters(world, "bob@example.org") == ["story-2", "story-1"]
    theirs, own = (issue.rendering.text.split(" 20")[0] for issue in world.store.every_issue())
    assert (theirs, own) == ("letter 2.1", "1"), "only the newsletter's own are numbered in the archive"


def test_a_reader_with_a_filter_of_their_own_gets_no_empty_letters() -> None:
    world = world_of(replace(WEEKLY, when_empty="send"))
    subscribe(world, "ana@example.org")
    choose(world, "ana@example.org", Choices(query="region:asia"))
    world.stories.add("Paris")
    world.clock.moment = MONDAY
    assert world.compose() == [("weekly", 1, ("story-1",))], "the newsletter's own"
    assert letters(world, "ana@example.org") == []


def test_who_wants_each_story_as_it_comes_is_not_told_every_quarter_that_there_is_none() -> None:
    world = world_of(replace(WEEKLY, when_empty="send"))
    subscribe(world, "ana@example.org")
    choose(world, "ana@example.org", Choices(schedule="each"))
    for _ in range(4):
        world.clock.advance(minutes=15)
        assert world.compose() == []
    world.stories.add("One")
    world.clock.advance(minutes=15)
    assert world.compose() == [("weekly", 1, ("story-1",))]


def test_what_was_missed_is_not_made_up_for_in_quiet_hours_nor_on_a_holiday() -> None:
    world = world_of(replace(DAILY, timezone="UTC", quiet="22:00-07:00", holidays=("12-25",)))
    world.stories.add("One")
    for moment in (datetime(2026, 12, 23, 22, tzinfo=UTC), datetime(2026, 12, 25, 12, tzinfo=UTC)):
        world.clock.moment = moment
        assert world.compose() == []
    world.clock.moment = datetime(2026, 12, 26, 7, tzinfo=UTC)
    assert world.compose() == [("daily", 1, ("story-1",))]


def test_choices_narrow_the_query_and_keep_what_is_not_chosen() -> None:
    both = Choices(query="country:jp", quiet="22:00-07:00").applied(replace(WEEKLY, query="a OR b"))
    assert both.query == "(a OR b) AND (country:jp)"
    assert (both.schedule, both.timezone, both.quiet) == (WEEKLY.schedule, WEEKLY.timezone, "22:00-07:00")
    assert Choices(query="country:jp").applied(WEEKLY).query == "country:jp"
    assert Choices().applied(WEEKLY) == WEEKLY
    assert Choices().key == ""
    assert Choices(timezone="UTC").key != Choices(language="UTC").key


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("stories"), st.integers(1, 4)),
        st.tuples(st.just("hours"), st.integers(-30, 200)),
        st.tuples(st.just("compose"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.sampled_from(["ana", "bob", "eve"]), st.integers(0, len(CHOICES) - 1)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(EVENTS)
def test_every_reader_is_told_every_story_once_whatever_they_choose(events: list[tuple[str, int]]) -> None:
    world = world_of(WEEKLY)
    people = ("ana", "bob", "eve", "mia")
    subscribe(world, *(f"{name}@example.org" for name in people))
    for event, amount in events:
        match event:
            case "stories":
                world.stories.add(*(f"Story {number}" for number in range(amount)))
            case "hours":
                world.clock.advance(hours=amount)
            case "compose":
                world.compose()
            case "restart":
                world.sync(WEEKLY)
            case name:
                choose(world, f"{name}@example.org", CHOICES[amount])
    for _ in range(3):  # so that clocks which went back have caught up, too
        for hours in (65 * 24, 12):  # in no quiet hours, once or the other time
            world.clock.advance(hours=hours)
            world.compose()
    everything = Counter(story.id for story in world.stories.stories)
    for name in people:
        assert Counter(letters(world, f"{name}@example.org")) == everything, name
    own = [story_id for issue in world.store.whole("weekly") for story_id in issue.story_ids]
    assert Counter(own) == everything


QUERIES = ("", "region:asia", "NOT region:asia", "region:asia OR topic:trade")
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("asia"), st.integers(1, 3)),
        st.tuples(st.just("other"), st.integers(1, 3)),
        st.tuples(st.just("query"), st.integers(0, len(QUERIES) - 1)),
        st.tuples(st.just("hours"), st.integers(-60, 100)),
        st.tuples(st.just("compose"), st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(EDITS)
def test_an_edit_of_the_query_tells_nothing_twice_and_loses_nothing_that_it_gives(edits: list[tuple[str, int]]) -> None:
    world, query, considered = world_of(DAILY), "", 0
    expected: list[str] = []

    def compose() -> None:
        nonlocal considered
        before = world.store.slot("daily").cursor
        world.compose()
        considered = world.store.slot("daily").cursor
        for story in world.stories.stories[before:considered]:
            asia = any(tag.name == "region:asia" for tag in story.tags)
            if {"": True, "region:asia": asia, "NOT region:asia": not asia}.get(query, asia):
                expected.append(story.id)

    for event, amount in edits:
        match event:
            case "asia":
                world.stories.add(*["Asia"] * amount, tag="region:asia")
            case "other":
                world.stories.add(*["Other"] * amount)
            case "query":
                query = QUERIES[amount]
                world.sync(replace(DAILY, query=query))
            case "hours":
                world.clock.advance(hours=amount)
            case "compose":
                compose()
    world.clock.advance(days=40)
    compose()
    sent = [story_id for issue in world.store.whole("daily") for story_id in issue.story_ids]
    assert Counter(sent) == Counter(expected)
    assert considered == world.stories.last_seq()


# --- waiting for a person -------------------------------------------------------------------------

APPROVED = replace(WEEKLY, approval=4 * 3600)


@pytest.fixture
def waiting() -> World:
    """A world in which an issue of three Stories waits."""
    world = world_of(APPROVED)
    subscribe(world, "ana@example.org", "bob@example.org")
    choose(world, "bob@example.org", Choices(schedule="daily 09:00"))
    world.stories.add("One", "Two", "Three")
    world.clock.moment = MONDAY
    assert world.compose() == []
    world.stories.add("Four")
    return world


def test_an_issue_waits_for_a_person_and_goes_at_the_deadline(waiting: World) -> None:
    draft = waiting.store.slot("weekly").draft
    assert draft is not None
    assert (draft.up_to, draft.deadline_at) == (3, MONDAY + timedelta(hours=4))
    waiting.clock.advance(hours=3, minutes=59)
    assert waiting.compose() == []
    waiting.clock.advance(minutes=1)
    assert ("weekly", 1, ("story-3", "story-2", "story-1")) in waiting.compose()
    assert waiting.store.slot("weekly").due_at == MONDAY + timedelta(days=7)
    waiting.clock.advance(days=7)
    waiting.compose()
    waiting.clock.advance(hours=4)
    assert ("weekly", 2, ("story-4",)) in waiting.compose()


def test_a_newsletter_may_hold_what_nobody_approved(waiting: World) -> None:
    held = replace(APPROVED, at_deadline="hold")
    waiting.sync(held)
    waiting.clock.advance(days=3)
    assert waiting.compose() == []
    edit_draft(waiting.ports, waiting.plan, "weekly", approve=True)
    assert ("weekly", 1, ("story-3", "story-2", "story-1")) in waiting.compose()


def test_a_person_approves_before_the_deadline(waiting: World) -> None:
    draft = edit_draft(waiting.ports, waiting.plan, "weekly", note=" Good morning ", drop=["story-2"], approve=True)
    assert (draft.note, draft.dropped, draft.approved_at) == ("Good morning", ("story-2",), MONDAY)
    assert preview(waiting.ports, waiting.plan, "weekly").story_ids == ("story-3", "story-1")
    assert waiting.compose() == [("weekly", 1, ("story-3", "story-1"))]
    assert waiting.store.whole("weekly")[0].rendering.text.endswith("(Good morning)")


def test_readers_with_their_own_days_get_only_what_was_approved(waiting: World) -> None:
    waiting.clock.advance(hours=2)
    assert waiting.compose() == []
    assert letters(waiting, "bob@example.org") == []
    edit_draft(waiting.ports, waiting.plan, "weekly", drop=["story-2"], approve=True)
    waiting.compose()
    waiting.clock.advance(days=1)
    waiting.compose()
    assert letters(waiting, "bob@example.org") == ["story-3", "story-1"]
    waiting.clock.advance(days=8)
    waiting.compose()
    waiting.clock.advance(hours=5)
    waiting.compose()
    waiting.clock.advance(days=1)
    waiting.compose()
    assert letters(waiting, "bob@example.org") == ["story-3", "story-1", "story-4"]


def test_readers_with_the_newsletters_own_day_get_what_was_approved_with_it_and_not_a_week_later() -> None:
    world = world_of(APPROVED)
    subscribe(world, "ana@example.org", "bob@example.org", "eve@example.org")
    choose(world, "bob@example.org", Choices(language="fr"))
    choose(world, "eve@example.org", Choices(schedule="monthly 1 09:00"))
    world.stories.add("One", "Two")
    world.clock.moment = MONDAY
    world.compose()
    choose(world, "eve@example.org", Choices())
    assert world.compose() == []
    edit_draft(world.ports, world.plan, "weekly", drop=["story-2"], approve=True)
    world.compose()
    assert [letters(world, f"{name}@example.org") for name in ("ana", "bob", "eve")] == [["story-1"]] * 3


def test_the_last_word_on_a_story_counts(waiting: World) -> None:
    ports, plan = waiting.ports, waiting.plan
    edit_draft(ports, plan, "weekly", pin=["story-1"], drop=["story-2"])
    draft = edit_draft(ports, plan, "weekly", pin=["story-2", "story-3"])
    assert (draft.pinned, draft.dropped) == (("story-1", "story-2", "story-3"), ())
    draft = edit_draft(ports, plan, "weekly", drop=["story-1"])
    assert (draft.pinned, draft.dropped) == (("story-2", "story-3"), ("story-1",))


def test_all_of_an_issue_can_be_dropped(waiting: World) -> None:
    every = ["story-1", "story-2", "story-3"]
    edit_draft(waiting.ports, waiting.plan, "weekly", drop=every, approve=True)
    assert waiting.compose() == []
    assert waiting.store.slot("weekly").draft is None
    waiting.clock.advance(days=1)
    assert waiting.compose() == [], "nor in anybody's own edition"
    waiting.clock.advance(days=6)
    waiting.compose()
    waiting.clock.advance(hours=4)
    assert ("weekly", 1, ("story-4",)) in waiting.compose()


def test_faults_of_an_editor_are_named(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ports, plan = waiting.ports, waiting.plan
    with pytest.raises(NotFoundError, match="no story 'story-4' in the issue that waits"):
        edit_draft(ports, plan, "weekly", pin=["story-4"])
    with pytest.raises(UsageError, match="the note has 5,001 characters"):
        edit_draft(ports, plan, "weekly", note="x" * (LONGEST_NOTE + 1))
    monkeypatch.setattr(waiting.store, "put_draft", lambda slot, draft: False)
    with pytest.raises(UsageError, match="went out or changed meanwhile"):
        edit_draft(ports, plan, "weekly", approve=True)
    monkeypatch.undo()
    edit_draft(ports, plan, "weekly", approve=True)
    waiting.compose()
    with pytest.raises(NotFoundError, match="no issue of 'weekly' waits"):
        edit_draft(ports, plan, "weekly", approve=True)


def test_nothing_waits_when_there_is_nothing() -> None:
    world = world_of(APPROVED)
    world.clock.moment = MONDAY
    assert world.compose() == []
    assert world.store.slot("weekly").draft is None
    assert world.store.slot("weekly").due_at > MONDAY


def test_an_issue_asked_for_waits_too_and_goes_when_approval_is_no_longer_asked() -> None:
    world = world_of(APPROVED)
    world.stories.add("One")
    assert compose_one(world.ports, world.plan, "weekly") is None
    assert compose_one(world.ports, world.plan, "weekly") is None, "it waits"
    world.plan = replace(world.plan, newsletters={"weekly": WEEKLY})
    issue = compose_one(world.ports, world.plan, "weekly")
    assert issue is not None
    assert issue.story_ids == ("story-1",)
