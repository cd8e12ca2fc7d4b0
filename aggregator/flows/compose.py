"""Newsletters: due ones in, one stored Issue each out, with a queued Delivery per reader.

    newsletters.due > stories.after > newsletters.told > selection > rendering > newsletters.record

An Issue is made by content, not by clock: it considers every Story that came since the last one, up to the newest
at that moment. Times that were missed while the machine was off are made up for by one Issue, not by several. A Story
that was merged away and split off again comes anew, but an Edition tells it once.

Readers who chose their own day, zone, filter or language share an Edition with those who chose the same; each Edition
stands where it stands. Where a newsletter asks for approval, its own Edition waits as a Draft, which fixes what it may
tell, and the Editions of readers tell nothing that it has not told or left out.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from aggregator.errors import ConflictError, NotFoundError, StoreError, UsageError
from aggregator.faults import fault
from aggregator.mail_ports import NewsletterStore
from aggregator.model.channel import Site
from aggregator.model.edition import Choices, Draft, Edition, Slot
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Correction, Digest, Issue, Newsletter
from aggregator.model.story import Story
from aggregator.ports import Clock, StoryStore
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query
from aggregator.schedule import next_run, parse_schedule, rests
from aggregator.steps.corrections import corrections
from aggregator.steps.rendering import Renderer
from aggregator.steps.selection import digest, matching

PAGE = 500
"""Stories read at a time; of each page only those the query gives are kept."""
PAGES = 4
"""Pages kept from one Edition to the next: most stand at the same place."""
REMEMBERED = timedelta(days=31)
"""For how long readers hear when what an Issue told them was corrected."""
LONGEST_NOTE = 5_000
"""Characters of an editor's note."""

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
    letter_url: Callable[[int, int], str]
    """Where an Issue of a reader's own Edition can be read: (edition id, its number)."""


@dataclass(slots=True)
class _Run:
    """One moment of composing: every Edition that is closed in it considers the Stories up to the same one."""

    ports: ComposePorts
    plan: ComposePlan
    now: datetime
    last_seq: int
    pages: dict[int, Sequence[Story]] = field(default_factory=dict)
    told: dict[str, Story] = field(default_factory=dict)

    def after(self, seq: int) -> Sequence[Story]:
        """A page of Stories above `seq`; what comes while we read is left to the next Issue."""
        if seq not in self.pages:
            if len(self.pages) >= PAGES:
                self.pages.pop(next(iter(self.pages)))
            self.pages[seq] = self.ports.stories.after(seq, limit=PAGE)
        return self.pages[seq]

    def named(self, story_ids: Sequence[str]) -> Mapping[str, Story]:
        """These Stories as they stand now, read once for all Editions that told them."""
        if missing := [story_id for story_id in story_ids if story_id not in self.told]:
            self.told |= self.ports.stories.named(missing)
        return self.told

    def letter(self, slot: Slot) -> Newsletter | None:
        """The newsletter as the readers of this Edition have it; None when feeds.yaml has it no more."""
        newsletter = self.plan.newsletters.get(slot.newsletter_id)
        return slot.edition.choices.applied(newsletter) if newsletter else None


def _run(ports: ComposePorts, plan: ComposePlan) -> _Run:
    return _Run(ports, plan, ports.clock.now(), ports.stories.last_seq())


def compose(
    ports: ComposePorts, plan: ComposePlan, *, should_stop: Callable[[], bool] = lambda: False
) -> tuple[Issue, ...]:
    """Close every slot that is due; an Edition that cannot be closed is logged, stays due, and stops no other.

    `should_stop` is asked between two of them.
    """
    made, run = [], _run(ports, plan)
    for slot in ports.newsletters.due(run.now):
        if should_stop():
            break
        newsletter = run.letter(slot)
        if newsletter is None:
            continue
        try:
            issue = None if _rests(newsletter, slot, run.now) else _close(run, newsletter, slot)
        except Exception as error:  # a template is an admin's program: it may raise anything
            if isinstance(error, StoreError) and not isinstance(error, ConflictError):
                raise
            log.error("compose.failed", newsletter_id=slot.newsletter_id, edition=slot.edition.id, error=str(error))
            continue
        if issue is not None:
            made.append(issue)
    return tuple(made)


def compose_one(ports: ComposePorts, plan: ComposePlan, newsletter_id: str) -> Issue | None:
    """Close its own Edition's slot, due or not; None when there is nothing to send, or a Draft waits for a person.
    Raises NotFoundError, TemplateError."""
    slot = ports.newsletters.slot(newsletter_id)
    return _close(_run(ports, plan), _still_made(plan, slot), slot)


def preview(ports: ComposePorts, plan: ComposePlan, newsletter_id: str) -> Issue:
    """What the next Issue would be if it were closed now; writes nothing. Raises NotFoundError, TemplateError."""
    slot, run = _place(ports, plan, newsletter_id), _run(ports, plan)
    newsletter = _still_made(plan, slot)
    selected = _select(run, newsletter, slot, _up_to(run, newsletter, slot, slot))
    return _issue(run, newsletter, selected, slot, _corrections(run, slot))


def _place(ports: ComposePorts, plan: ComposePlan, newsletter_id: str) -> Slot:
    """Where it stands, or would if feeds.yaml were followed from now on."""
    try:
        return ports.newsletters.slot(newsletter_id)
    except NotFoundError:
        if newsletter_id not in plan.newsletters:
            raise
        last, now = ports.stories.last_seq(), ports.clock.now()
        edition = Edition(id=0, newsletter_id=newsletter_id, choices=Choices())
        return Slot(edition=edition, cursor=last, due_at=now, next_number=1)


def _still_made(plan: ComposePlan, slot: Slot) -> Newsletter:
    if slot.newsletter_id not in plan.newsletters:
        raise NotFoundError(f"{slot.newsletter_id!r} is no longer a newsletter of feeds.yaml; its issues are kept")
    return plan.newsletters[slot.newsletter_id]


def _close(run: _Run, newsletter: Newsletter, slot: Slot) -> Issue | None:
    store = run.ports.newsletters
    own = slot if slot.edition.is_own or not newsletter.approval else store.slot(newsletter.id)
    up_to = _up_to(run, newsletter, slot, own)
    if _waits(run, newsletter, slot, own):
        return None
    fault("digest.slot")
    selected, issue, corrected = _select(run, newsletter, slot, up_to), None, tuple[Correction, ...]()
    fault("digest.chosen")
    if selected.stories or _comes_empty(newsletter):
        if newsletter.approval and slot.edition.is_own and slot.draft is None:
            _begin_draft(run, newsletter, slot)
            return None
        corrected = _corrections(run, slot)
        issue = _issue(run, newsletter, selected, slot, corrected)
        fault("digest.rendered")
    stored = store.record(
        slot,
        up_to=up_to,
        next_due=next_run(newsletter, run.now) if slot.due_at <= run.now else None,
        issue=issue,
        domain=newsletter.domain,
        retold={item.story.id: item.story.head.title for item in corrected},
    )
    fault("digest.closed")
    number, stories = (stored.number, len(stored.story_ids)) if stored else (None, 0)
    log.info("compose.closed", newsletter_id=newsletter.id, edition=slot.edition.id, number=number, stories=stories)
    return stored


def _up_to(run: _Run, newsletter: Newsletter, slot: Slot, own: Slot) -> int:
    """Up to which Story its next Issue may tell; `own` is the Slot of the newsletter's own Edition."""
    if slot.draft is not None:
        return slot.draft.up_to
    if newsletter.approval and not slot.edition.is_own:  # what no editor has seen yet is told to nobody
        return max(slot.cursor, own.cursor)
    return max(slot.cursor, run.last_seq)


def _waits(run: _Run, newsletter: Newsletter, slot: Slot, own: Slot) -> bool:
    """Whether a Draft still waits for a person; readers' own Editions wait for it, to tell what comes of it."""
    if not newsletter.approval:
        return False
    if not slot.edition.is_own:
        return own.draft is not None
    if slot.draft is None or slot.draft.approved_at is not None:
        return False
    return newsletter.at_deadline == "hold" or run.now < slot.draft.deadline_at


def _rests(newsletter: Newsletter, slot: Slot, now: datetime) -> bool:
    """Whether what is late, as the machine was off, is not made now either; a person's word goes before that."""
    return not (slot.draft and slot.draft.approved_at) and rests(newsletter, now)


def _comes_empty(newsletter: Newsletter) -> bool:
    """Whether an Issue says that there is nothing new; never one that comes as soon as there is something."""
    return newsletter.when_empty == "send" and not parse_schedule(newsletter.schedule).is_each


def _begin_draft(run: _Run, newsletter: Newsletter, slot: Slot) -> None:
    deadline = run.now + timedelta(seconds=newsletter.approval or 0)
    up_to = max(slot.cursor, run.last_seq)
    draft = Draft(edition_id=slot.edition.id, up_to=up_to, made_at=run.now, deadline_at=deadline)
    if run.ports.newsletters.put_draft(slot, draft):
        log.warning(
            "compose.draft", newsletter_id=newsletter.id, number=slot.next_number, deadline=deadline.isoformat()
        )


def _select(run: _Run, newsletter: Newsletter, slot: Slot, up_to: int) -> Digest:
    found = list(_new_stories(run, parse_query(newsletter.query), slot.cursor, up_to))
    told = run.ports.newsletters.told(slot.edition, [story.id for story in found])
    pinned, dropped = (slot.draft.pinned, slot.draft.dropped) if slot.draft else ((), ())
    return digest(newsletter, (story for story in found if story.id not in told), pinned=pinned, dropped=dropped)


def _corrections(run: _Run, slot: Slot) -> tuple[Correction, ...]:
    """What its last Issues told otherwise than it stands now."""
    told = run.ports.newsletters.told_since(slot.edition.id, run.now - REMEMBERED)
    stories = run.named([item.story_id for item in told])
    return corrections(
        Correction(story=stories[item.story_id], issue_number=item.issue_number, old_title=item.title)
        for item in told
        if item.story_id in stories
    )


def _issue(run: _Run, newsletter: Newsletter, selected: Digest, slot: Slot, corrected: tuple[Correction, ...]) -> Issue:
    """The Issue that closing the slot makes, not stored yet."""
    own = slot.edition.is_own
    rendering = run.plan.renderer.render_issue(
        selected,
        newsletter,
        site=run.plan.site,
        feeds=run.plan.feeds,
        number=slot.next_number if own else None,
        browser_url="" if own else run.plan.letter_url(slot.edition.id, slot.next_number),
        created_at=run.now,
        note=slot.draft.note if slot.draft else "",
        corrections=corrected,
    )
    stories = (*selected.stories, *selected.overflow)
    return Issue(
        newsletter_id=newsletter.id,
        edition_id=slot.edition.id,
        number=slot.next_number,
        created_at=run.now,
        rendering=rendering,
        story_ids=tuple(story.id for story in stories),
        titles=tuple(story.head.title for story in stories),
    )


def _new_stories(run: _Run, query: Query, cursor: int, up_to: int) -> Iterator[Story]:
    """Stories above the cursor that the query gives."""
    while cursor < up_to:
        page = run.after(cursor)
        yield from matching((story for story in page if story.seq <= up_to), query, run.now)
        if len(page) < PAGE:
            return
        cursor = page[-1].seq


# --- a person's word on a Draft -------------------------------------------------------------------


def edit_draft(
    ports: ComposePorts,
    plan: ComposePlan,
    newsletter_id: str,
    *,
    note: str | None = None,
    pin: Collection[str] = (),
    drop: Collection[str] = (),
    approve: bool = False,
) -> Draft:
    """Change what waits for a person; with `approve` it goes at the next tick. Raises NotFoundError, UsageError."""
    slot, run = ports.newsletters.slot(newsletter_id), _run(ports, plan)
    newsletter, draft = _still_made(plan, slot), slot.draft
    if draft is None:
        raise NotFoundError(f"no issue of {newsletter_id!r} waits for approval; its next is due {slot.due_at:%Y-%m-%d}")
    if note is not None and len(note) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(note):,} characters; at most {LONGEST_NOTE:,} fit an issue")
    drawn = {story.id for story in _new_stories(run, parse_query(newsletter.query), slot.cursor, draft.up_to)}
    for story_id in (*pin, *drop):
        if story_id not in drawn:
            raise NotFoundError(
                f"no story {story_id!r} in the issue that waits; `aggregator newsletters draft` lists them"
            )
    changed = replace(
        draft,
        note=draft.note if note is None else note.strip(),
        pinned=tuple(dict.fromkeys((*(id_ for id_ in draft.pinned if id_ not in drop), *pin))),
        dropped=tuple(dict.fromkeys((*(id_ for id_ in draft.dropped if id_ not in pin), *drop))),
        approved_at=run.now if approve else draft.approved_at,
    )
    if not ports.newsletters.put_draft(slot, changed):
        raise UsageError(f"the issue of {newsletter_id!r} went out or changed meanwhile: look at it again")
    return changed
