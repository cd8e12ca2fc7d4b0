"""Issues by content, not by clock: every Story once, none lost, whatever happened to the machine."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import NotFoundError, StoreError, TemplateError
from aggregator.flows import compose as flow
from aggregator.flows.compose import ComposePlan, ComposePorts, compose, compose_one, preview
from aggregator.model.channel import Site
from aggregator.model.delivery import DeliveryState, Subscriber, SubscriptionState
from aggregator.model.entry import Entry, Tag
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Correction, Digest, Newsletter, Rendering
from aggregator.model.story import Story
from aggregator.schedule import next_runs
from tests.fakes import START, FrozenClock, reading
from tests.fakes import parsed as parsed_entry
from tests.mail_fakes import DAILY, SITE, WEEKLY, MemoryMailStore

MONDAY = datetime(2026, 11, 30, 6, 30, tzinfo=UTC)
"""07:30 in Paris."""


@dataclass
class ListedStories:
    """Stories by `seq`, added as a poll would; only what composing reads."""

    stories: list[Story] = field(default_factory=list)
    on_page: list[int] = field(default_factory=list)

    def add(self, *titles: str, tag: str | None = None) -> None:
        for title in titles:
            seq = len(self.stories) + 1
            self.stories.append(_story(seq, title, tag))

    def after(self, seq: int, *, limit: int) -> Sequence[Story]:
        found = [story for story in self.stories if story.seq > seq][:limit]
        if self.on_page:  # Stories that come while we read
            self.add(*(f"late {number}" for number in range(self.on_page.pop())))
        return found

    def last_seq(self) -> int:
        return len(self.stories)

    def named(self, story_ids: Collection[str]) -> Mapping[str, Story]:
        return {story.id: story for story in self.stories if story.id in story_ids}

    def retitle(self, place: int, title: str) -> None:
        story = self.stories[place]
        self.stories[place] = replace(story, entries=(replace(story.entries[0], title=title),))


def _story(seq: int, title: str, tag: str | None) -> Story:
    item = parsed_entry(title)
    entry = Entry(
        **{name: getattr(item, name) for name in item.__dataclass_fields__},
        id=seq,
        feed_id="ifri",
        keys=reading("ifri", item).keys[0],
        first_seen=START,
        changed_at=START,
        date=START,
        tags=(Tag(name=tag, origin="rule"),) if tag else (),
    )
    return Story(id=f"story-{seq}", seq=seq, first_seen=START, updated=START, entries=(entry,))


@dataclass
class PlainRenderer:
    """Lists titles; breaks for the newsletters it is told to."""

    broken: dict[str, Exception] = field(default_factory=dict)

    def render_issue(
        self,
        digest: Digest,
        newsletter: Newsletter,
        *,
        site: Site,
        feeds: Mapping[str, Feed],
        number: int | None,
        created_at: datetime,
        note: str = "",
        corrections: Sequence[Correction] = (),
        browser_url: str = "",
    ) -> Rendering:
        if newsletter.id in self.broken:
            raise self.broken[newsletter.id]
        text = (
            f"{number or browser_url} {created_at:%Y-%m-%d}: {', '.join(story.head.title for story in digest.stories)}"
        )
        text += f" ({note})" if note else ""
        for item in corrections:
            text += f"; {item.old_title} of {item.issue_number} is now {item.story.head.title}"
        return Rendering(subject=newsletter.title, html=text, text=text)


@dataclass
class World:
    """Everything a test turns at."""

    stories: ListedStories
    store: MemoryMailStore
    clock: FrozenClock
    renderer: PlainRenderer
    ports: ComposePorts
    plan: ComposePlan

    def sync(self, *newsletters: Newsletter) -> None:
        now = self.clock.now()
        self.store.sync(newsletters, lambda letter: next_runs(letter, now), self.stories.last_seq())
        self.plan = replace(self.plan, newsletters={letter.id: letter for letter in newsletters})

    def compose(self) -> list[tuple[str, int, tuple[str, ...]]]:
        return [(issue.newsletter_id, issue.number, issue.story_ids) for issue in compose(self.ports, self.plan)]


def letter_url(edition_id: int, number: int) -> str:
    return f"letter {edition_id}.{number}"


def world_of(*newsletters: Newsletter) -> World:
    stories, store, clock, renderer = ListedStories(), MemoryMailStore(), FrozenClock(), PlainRenderer()
    world = World(
        stories=stories,
        store=store,
        clock=clock,
        renderer=renderer,
        ports=ComposePorts(newsletters=store, stories=stories, clock=clock),
        plan=ComposePlan(newsletters={}, site=SITE, feeds={}, renderer=renderer, letter_url=letter_url),
    )
    world.sync(*newsletters)
    return world


@pytest.fixture
def world() -> World:
    return world_of(WEEKLY, DAILY)


def test_nothing_is_made_before_its_time(world: World) -> None:
    world.stories.add("One")
    assert world.compose() == []
    world.clock.moment = datetime(2026, 11, 25, 6, 29, 59, tzinfo=UTC)
    assert world.compose() == []
    world.clock.advance(seconds=1)
    assert world.compose() == [("daily", 1, ("story-1",))]
    assert world.compose() == []


def test_an_issue_holds_what_came_since_the_last_one(world: World) -> None:
    world.stories.add("One", "Two")
    world.clock.moment = MONDAY
    assert world.compose() == [("daily", 1, ("story-2", "story-1")), ("weekly", 1, ("story-2", "story-1"))]
    world.stories.add("Three")
    world.clock.advance(days=1)
    assert world.compose() == [("daily", 2, ("story-3",))]
    world.stories.add("Four")
    world.clock.advance(days=6)
    assert world.compose() == [("daily", 3, ("story-4",)), ("weekly", 2, ("story-4", "story-3"))]


def test_stories_before_the_first_day_are_not_sent(world: World) -> None:
    world.stories.add("Old")
    new = replace(WEEKLY, id="new")
    world.sync(WEEKLY, DAILY, new)
    world.stories.add("Young")
    world.clock.moment = MONDAY
    assert ("new", 1, ("story-2",)) in world.compose()


def test_what_comes_while_we_read_goes_to_the_next_issue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PAGE", 2)
    world.sync(DAILY)
    world.stories.add("One", "Two", "Three")
    world.stories.on_page = [0, 2]
    world.clock.moment = MONDAY
    assert world.compose() == [("daily", 1, ("story-3", "story-2", "story-1"))]
    world.clock.advance(days=1)
    assert world.compose() == [("daily", 2, ("story-5", "story-4"))]


def test_the_query_chooses_and_what_it_leaves_never_comes_back(world: World) -> None:
    asia = replace(DAILY, query="region:asia")
    world.sync(asia)
    world.stories.add("Tokyo", tag="region:asia")
    world.stories.add("Paris")
    world.clock.moment = MONDAY
    assert world.compose() == [("daily", 1, ("story-1",))]
    world.sync(replace(asia, query=""))
    world.clock.advance(days=1)
    assert world.compose() == []


def test_a_story_that_comes_anew_is_not_told_twice_and_blocks_nothing(world: World) -> None:
    """Merged into another and split off again, a Story has its old id and a new place."""
    world.sync(WEEKLY, DAILY)
    world.stories.add("One", "Two")
    world.clock.moment = MONDAY
    world.compose()
    world.stories.stories.append(replace(world.stories.stories[0], seq=3))
    world.clock.advance(days=1)
    assert world.compose() == []
    assert world.store.slot("daily").cursor == 3
    world.stories.add("Four")
    world.clock.advance(days=1)
    assert world.compose() == [("daily", 2, ("story-4",))]
    assert preview(world.ports, world.plan, "weekly").story_ids == ("story-4",)


def test_what_was_corrected_since_is_told_once_with_the_next_issue(world: World) -> None:
    world.sync(DAILY)
    world.stories.add("Gas storage in Poland", "Trade")
    world.clock.moment = MONDAY
    world.compose()
    world.stories.retitle(0, "Correction: Gas storage in Poland")
    world.clock.advance(days=1)
    assert world.compose() == [], "it waits for an issue that has something new"
    for title, told in (
        ("Three", "; Gas storage in Poland of 1 is now Correction: Gas storage in Poland"),
        ("Four", ""),
    ):
        world.stories.add(title)
        world.clock.advance(days=1)
        assert preview(world.ports, world.plan, "daily").rendering.text.endswith(f": {title}{told}")
        world.compose()
        assert world.store.whole("daily")[0].rendering.text.endswith(f": {title}{told}")
    world.clock.advance(days=40)
    world.stories.retitle(1, "Trade and war")
    world.stories.add("Five")
    world.compose()
    assert world.store.whole("daily")[0].rendering.text.endswith(": Five"), "nobody remembers"


def test_a_row_refused_by_the_tables_stops_its_own_newsletter_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = world.store.told
    monkeypatch.setattr(
        world.store, "told", lambda edition, ids: set() if edition.newsletter_id == "daily" else told(edition, ids)
    )
    world.stories.add("One")
    world.clock.moment = MONDAY
    world.compose()
    world.stories.stories.append(replace(world.stories.stories[0], seq=2))
    world.stories.add("Three")
    world.clock.advance(days=7)
    assert world.compose() == [("weekly", 2, ("story-3",))]
    assert [slot.newsletter_id for slot in world.store.due(world.clock.now())] == ["daily"]


def test_stories_past_the_limit_are_in_the_issue_too(world: World) -> None:
    world.sync(replace(DAILY, max_stories=1))
    world.stories.add("One", "Two", "Three")
    world.clock.moment = MONDAY
    ((_, _, story_ids),) = world.compose()
    assert sorted(story_ids) == ["story-1", "story-2", "story-3"]
    assert world.store.issue("daily", 1).rendering.text == "1 2026-11-30: Three"


def test_an_empty_issue_is_skipped_or_sent_as_configured() -> None:
    world = world_of(DAILY, replace(WEEKLY, when_empty="send"))
    world.clock.moment = MONDAY
    assert world.compose() == [("weekly", 1, ())]
    assert world.store.slot("daily").due_at == MONDAY + timedelta(days=1)
    assert world.store.slot("daily").next_number == 1


def test_a_skipped_empty_issue_asks_nothing_of_its_template(world: World) -> None:
    world.renderer.broken["daily"] = TemplateError("broken")
    world.clock.moment = MONDAY
    assert world.compose() == []
    assert world.store.due(MONDAY) == []


@pytest.mark.parametrize("error", [TemplateError("broken"), ZeroDivisionError("in a template"), ValueError("x")])
def test_a_broken_template_stays_due_and_disturbs_no_other(world: World, error: Exception) -> None:
    world.stories.add("One")
    world.renderer.broken["daily"] = error
    world.clock.moment = MONDAY
    before = world.store.slot("daily")
    assert world.compose() == [("weekly", 1, ("story-1",))]
    assert world.store.slot("daily") == before
    world.renderer.broken.clear()
    assert world.compose() == [("daily", 1, ("story-1",))]


def test_a_database_in_trouble_ends_the_round(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise StoreError("database: full")

    monkeypatch.setattr(world.store, "record", full)
    world.stories.add("One")
    world.clock.moment = MONDAY
    with pytest.raises(StoreError):
        world.compose()


def test_who_has_to_stop_does_so_between_two_newsletters(world: World) -> None:
    world.stories.add("One")
    world.clock.moment = MONDAY
    asked = iter([False, True])
    (issue,) = compose(world.ports, world.plan, should_stop=lambda: next(asked))
    assert issue.newsletter_id == "daily"
    assert world.compose() == [("weekly", 1, ("story-1",))]


def test_days_the_machine_was_off_are_made_up_for_by_one_issue(world: World) -> None:
    world.stories.add("One")
    world.clock.moment = MONDAY
    world.compose()
    world.stories.add("Two", "Three")
    world.clock.advance(days=3, hours=5)
    assert world.compose() == [("daily", 2, ("story-3", "story-2"))]
    assert world.store.slot("daily").due_at == MONDAY + timedelta(days=4)


def test_an_hour_back_makes_no_second_issue(world: World) -> None:
    world.stories.add("One")
    world.clock.moment = MONDAY
    assert len(world.compose()) == 2
    world.stories.add("Two")
    world.clock.advance(hours=-1)
    world.sync(WEEKLY, DAILY)  # a restart
    world.clock.advance(hours=1)
    assert world.compose() == []


def test_years_ahead_and_back_again_leave_a_newsletter_that_goes_out(world: World) -> None:
    world.stories.add("One")
    world.clock.moment = MONDAY + timedelta(days=3650)
    assert len(world.compose()) == 2
    world.clock.moment = MONDAY + timedelta(hours=1)
    world.sync(WEEKLY, DAILY)
    world.stories.add("Two")
    world.clock.advance(days=1)
    assert world.compose() == [("daily", 2, ("story-2",))]


def test_readers_of_the_moment_get_the_issue(world: World) -> None:
    world.store.put(
        [Subscriber(email="ana@example.org"), Subscriber(email="bob@example.org")],
        "daily",
        SubscriptionState.CONFIRMED,
        "form",
        START,
    )
    world.stories.add("One")
    world.clock.moment = MONDAY
    world.compose()
    rows = world.store.for_issue(world.store.issue("daily", 1).id)
    assert [(row.subscriber.email, row.state) for row in rows] == [
        ("ana@example.org", DeliveryState.QUEUED),
        ("bob@example.org", DeliveryState.QUEUED),
    ]
    assert all(row.message_id.endswith("@example.org>") for row in rows)


def test_a_newsletter_on_its_way_out_of_the_configuration_is_left_alone(world: World) -> None:
    world.stories.add("One")
    world.clock.moment = MONDAY
    world.plan = replace(world.plan, newsletters={"weekly": WEEKLY})
    assert world.compose() == [("weekly", 1, ("story-1",))]


# --- one, by name ---------------------------------------------------------------------------------


def test_one_newsletter_is_closed_early_and_its_next_time_stays(world: World) -> None:
    world.stories.add("One")
    due_at = world.store.slot("weekly").due_at
    issue = compose_one(world.ports, world.plan, "weekly")
    assert issue is not None
    assert (issue.number, issue.story_ids, issue.created_at) == (1, ("story-1",), START)
    assert world.store.slot("weekly").due_at == due_at
    assert compose_one(world.ports, world.plan, "weekly") is None
    world.stories.add("Two")
    world.clock.moment = MONDAY
    due = compose_one(world.ports, world.plan, "weekly")
    assert due is not None
    assert due.story_ids == ("story-2",)
    assert world.store.slot("weekly").due_at == MONDAY + timedelta(days=7)


def test_two_at_once_make_one_issue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.stories.add("One")
    stale = world.store.slot("weekly")
    assert compose_one(world.ports, world.plan, "weekly") is not None
    monkeypatch.setattr(world.store, "slot", lambda newsletter_id: stale)
    assert compose_one(world.ports, world.plan, "weekly") is None
    assert len(world.store.issues("weekly")) == 1


def test_a_preview_is_what_would_be_sent_and_writes_nothing(world: World) -> None:
    world.stories.add("One")
    before = world.store.slot("weekly")
    issue = preview(world.ports, world.plan, "weekly")
    assert issue.rendering.text == "1 2026-11-24: One"
    assert (world.store.slot("weekly"), world.store.issues("weekly")) == (before, [])
    stored = compose_one(world.ports, world.plan, "weekly")
    assert stored == replace(issue, id=1)
    assert preview(world.ports, world.plan, "weekly").rendering.text == "2 2026-11-24: "


def test_a_newsletter_to_come_is_previewed_as_it_would_begin(world: World) -> None:
    world.stories.add("Old")
    new = replace(WEEKLY, id="new")
    plan = replace(world.plan, newsletters={**world.plan.newsletters, "new": new})
    issue = preview(world.ports, plan, "new")
    assert (issue.number, issue.story_ids) == (1, ())
    with pytest.raises(NotFoundError):
        world.store.slot("new")


@pytest.mark.parametrize("call", [compose_one, preview])
def test_only_newsletters_of_feeds_yaml_are_made(world: World, call: object) -> None:
    with pytest.raises(NotFoundError, match="no newsletter 'montly'"):
        call(world.ports, world.plan, "montly")
    rest = replace(world.plan, newsletters={"daily": world.plan.newsletters["daily"]})
    with pytest.raises(NotFoundError, match=r"'weekly' is no longer a newsletter of feeds\.yaml"):
        call(world.ports, rest, "weekly")


# --- whatever happens -----------------------------------------------------------------------------

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("stories"), st.integers(1, 5)),
        st.tuples(st.just("hours"), st.integers(1, 100)),
        st.tuples(st.just("compose"), st.just(0)),
        st.tuples(st.just("now"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("break"), st.just(0)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=100)
@given(EVENTS)
def test_every_story_is_in_exactly_one_issue(events: list[tuple[str, int]]) -> None:
    world = world_of(DAILY)
    for event, amount in events:
        match event:
            case "stories":
                world.stories.add(*(f"Story {number}" for number in range(amount)))
            case "hours":
                world.clock.advance(hours=amount)
            case "compose":
                world.compose()
            case "now":
                compose_one(world.ports, replace(world.plan, renderer=PlainRenderer()), "daily")
            case "restart":
                world.sync(DAILY)
            case "break":
                world.renderer.broken = {} if world.renderer.broken else {"daily": TemplateError("broken")}
    world.renderer.broken.clear()
    world.clock.advance(days=2)
    world.compose()
    issues = world.store.whole("daily")
    sent = [story_id for issue in issues for story_id in issue.story_ids]
    assert sorted(sent) == sorted(story.id for story in world.stories.stories)
    assert [issue.number for issue in issues] == list(range(len(issues), 0, -1))


ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Apia")


@pytest.mark.parametrize("zone", ZONES)
def test_two_years_of_days_have_an_issue_each(zone: str) -> None:
    """Also across changes of the clock, at an hour that some days do not have (F16)."""
    world = world_of(replace(DAILY, schedule="daily 02:30", timezone=zone, when_empty="send"))
    days = []
    for _ in range(2 * 365 * 8):
        world.clock.advance(hours=3)
        days += [issue.created_at for issue in compose(world.ports, world.plan)]
    local = [moment.astimezone(ZoneInfo(zone)).date() for moment in days]
    assert len(local) == len(set(local)) in (730, 731)
