"""Newsletters: due ones in, one stored Issue each out, with a queued Delivery per reader.

    newsletters.due > stories.after > newsletters.told > selection > rendering > newsletters.record

An Issue is made by content, not by clock: it considers every Story that came since the last one, up to the newest
at that moment. Times that were missed while the machine was off are made up for by one Issue, not by several. A Story
that was merged away and split off again comes anew, but a newsletter tells it once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from aggregator.errors import ConflictError, NotFoundError, StoreError
from aggregator.model.channel import Site
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Digest, Issue, Newsletter, Slot
from aggregator.model.story import Story
from aggregator.ports import Clock, NewsletterStore, StoryStore
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from aggregator.schedule import parse_schedule
from aggregator.steps.rendering import Renderer
from aggregator.steps.selection import digest, matching

PAGE = 500
"""Stories read at a time; of each page only those the query gives are kept."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposePorts:
    """What composing needs of the world."""

    newsletters: NewsletterStore
    stories: StoryStore
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposePlan:
    """What feeds.yaml and the templates say of newsletters."""

    newsletters: Mapping[str, Newsletter]
    site: Site
    feeds: Mapping[str, Feed]
    renderer: Renderer


def compose(
    ports: ComposePorts, plan: ComposePlan, *, should_stop: Callable[[], bool] = lambda: False
) -> tuple[Issue, ...]:
    """Close every slot that is due; a newsletter that cannot be closed is logged, stays due, and stops no other.

    `should_stop` is asked between two of them.
    """
    made = []
    for slot in ports.newsletters.due(ports.clock.now()):
        if should_stop():
            break
        newsletter = plan.newsletters.get(slot.newsletter_id)
        if newsletter is None:
            continue
        try:
            issue = _close(ports, plan, newsletter, slot)
        except Exception as error:  # a template is an admin's program: it may raise anything
            if isinstance(error, StoreError) and not isinstance(error, ConflictError):
                raise
            log.error("compose.failed", newsletter_id=slot.newsletter_id, error=str(error))
            continue
        if issue is not None:
            made.append(issue)
    return tuple(made)


def compose_one(ports: ComposePorts, plan: ComposePlan, newsletter_id: str) -> Issue | None:
    """Close one slot, due or not; None when there is nothing to send. Raises NotFoundError, TemplateError."""
    slot = ports.newsletters.slot(newsletter_id)
    return _close(ports, plan, _still_made(plan, slot), slot)


def preview(ports: ComposePorts, plan: ComposePlan, newsletter_id: str) -> Issue:
    """What the next Issue would be if it were closed now; writes nothing. Raises NotFoundError, TemplateError."""
    slot, now = _place(ports, plan, newsletter_id), ports.clock.now()
    newsletter = _still_made(plan, slot)
    selected = _select(ports, newsletter, slot, ports.stories.last_seq(), now)
    return _issue(plan, newsletter, selected, slot, now)


def _place(ports: ComposePorts, plan: ComposePlan, newsletter_id: str) -> Slot:
    """Where it stands, or would if feeds.yaml were followed from now on."""
    try:
        return ports.newsletters.slot(newsletter_id)
    except NotFoundError:
        if newsletter_id not in plan.newsletters:
            raise
        last, now = ports.stories.last_seq(), ports.clock.now()
        return Slot(newsletter_id=newsletter_id, cursor=last, due_at=now, next_number=1)


def _still_made(plan: ComposePlan, slot: Slot) -> Newsletter:
    if slot.newsletter_id not in plan.newsletters:
        raise NotFoundError(f"{slot.newsletter_id!r} is no longer a newsletter of feeds.yaml; its issues are kept")
    return plan.newsletters[slot.newsletter_id]


def _close(ports: ComposePorts, plan: ComposePlan, newsletter: Newsletter, slot: Slot) -> Issue | None:
    now, up_to = ports.clock.now(), ports.stories.last_seq()
    selected = _select(ports, newsletter, slot, up_to, now)
    issue = None
    if selected.stories or newsletter.when_empty == "send":
        issue = _issue(plan, newsletter, selected, slot, now)
    next_due = _next_due(newsletter, now) if slot.due_at <= now else None
    stored = ports.newsletters.record(slot, up_to=up_to, next_due=next_due, issue=issue, domain=newsletter.domain)
    number, stories = (stored.number, len(stored.story_ids)) if stored else (None, 0)
    log.info("compose.closed", newsletter_id=newsletter.id, number=number, stories=stories)
    return stored


def _select(ports: ComposePorts, newsletter: Newsletter, slot: Slot, up_to: int, now: datetime) -> Digest:
    query = parse_query(newsletter.query)
    found = list(_new_stories(ports.stories, query, slot.cursor, up_to, now))
    told = ports.newsletters.told(newsletter.id, [story.id for story in found])
    return digest(newsletter, (story for story in found if story.id not in told))


def _issue(plan: ComposePlan, newsletter: Newsletter, selected: Digest, slot: Slot, now: datetime) -> Issue:
    """The Issue that closing the slot makes, not stored yet."""
    rendering = plan.renderer.render_issue(
        selected, newsletter, site=plan.site, feeds=plan.feeds, number=slot.next_number, created_at=now
    )
    return Issue(
        newsletter_id=newsletter.id,
        number=slot.next_number,
        created_at=now,
        rendering=rendering,
        story_ids=tuple(story.id for story in (*selected.stories, *selected.overflow)),
    )


def _new_stories(stories: StoryStore, query: Query, cursor: int, up_to: int, now: datetime) -> Iterator[Story]:
    """Stories above the cursor that the query gives; what comes while we read is left to the next Issue."""
    while cursor < up_to:
        page = stories.after(cursor, limit=PAGE)
        yield from matching((story for story in page if story.seq <= up_to), query, now)
        if len(page) < PAGE:
            return
        cursor = page[-1].seq


def _next_due(newsletter: Newsletter, now: datetime) -> datetime:
    return parse_schedule(newsletter.schedule).next_after(now, ZoneInfo(newsletter.timezone))
