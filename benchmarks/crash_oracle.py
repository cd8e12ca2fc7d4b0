"""What has to be true after a crash: the ledger of the product beside the journal of the mail server.

    judge(site, journal, addresses)

RFC 1047 is why a letter may be in doubt: a sender that dies between the dot and the 250 cannot know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.crash_site import Site
from benchmarks.smtp_journal import Fate, Taken
from benchmarks.smtp_talk import fate_of

ENDS: dict[Fate, frozenset[str]] = {
    "refuse": frozenset({"refused"}),
    "reject": frozenset({"refused"}),
    "defer": frozenset({"deferred"}),
    "cut": frozenset({"accepted", "uncertain"}),  # all of it may have left us before we hear of the cut
    "vanish": frozenset({"uncertain"}),
    "stall": frozenset({"uncertain"}),
}
"""How a letter ends by its address; all others are accepted. Who died over one may have left it in doubt instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How many readers had which fault, and what else is not as promised.

    `lost`: nobody will send to them, and no row says that it is in doubt. `doubled`: the server took more than one
    letter, or took one and will get another. `stuck`: rows that nobody moves. `in_doubt`: listed as uncertain,
    `taken` of which the server has.
    """

    lost: int
    doubled: int
    stuck: int
    in_doubt: int
    taken: int
    faults: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.faults)


def judge(
    site: Site, journal: Sequence[Taken], addresses: Sequence[str], *, most_in_doubt: int, resends: bool = False
) -> Verdict:
    """`most_in_doubt`: beside letters whose address makes them so. `resends`: letters in doubt are sent once more, with
    the Message-ID that they had, and those that the server has twice are what counts as in doubt."""
    states = _states(site)
    if resends:
        journal, again = _once(journal)
    taken = Counter(line.to for line in journal if line.taken)
    by_id = Counter(line.message_id for line in journal if line.taken)
    uncertain = {to for to, state in states.items() if state == "uncertain"}
    by_crash = again if resends else {to for to in uncertain if "uncertain" not in ENDS.get(fate_of(to), ())}
    faults = [*_of_letters(states, journal), *_of_issues(site), *_of_file(site)]
    if len(by_crash) > most_in_doubt:
        faults.append(f"{len(by_crash)} letters in doubt, of at most {most_in_doubt}")
    if states.keys() - set(addresses):
        faults.append("letters to strangers")
    return Verdict(
        lost=sum(_is_lost(states.get(to), taken[to]) for to in addresses),
        doubled=sum(_is_doubled(states.get(to), taken[to]) for to in addresses) + sum(n > 1 for n in by_id.values()),
        stuck=sum(state in ("queued", "sending") for state in states.values()),
        in_doubt=len(by_crash),
        taken=sum(taken[to] > 0 for to in by_crash),
        faults=tuple(faults),
    )


def _once(journal: Sequence[Taken]) -> tuple[Sequence[Taken], set[str]]:
    """The journal without second letters of one Message-ID to one reader, and whose these were."""
    first = {(line.to, line.message_id, line.taken): line for line in journal}
    times = Counter((line.to, line.message_id) for line in journal if line.taken)
    return list(first.values()), {to for (to, _), count in times.items() if count == 2}


def _states(site: Site) -> Mapping[str, str]:
    query = "SELECT s.email, d.state FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id"
    return {str(email): str(state) for email, state in site.read(query)}


def _is_lost(state: str | None, taken: int) -> bool:
    return state is None or (state == "accepted" and taken == 0)


def _is_doubled(state: str | None, taken: int) -> bool:
    return taken > 1 or (taken == 1 and state in ("queued", "deferred", "refused", "cancelled"))


def _of_letters(states: Mapping[str, str], journal: Sequence[Taken]) -> Iterable[str]:
    refused = {line.to for line in journal if line.code >= 500}
    for to, state in states.items():
        if state not in ENDS.get(fate_of(to), frozenset({"accepted"})) | {"uncertain", "queued", "sending"}:
            yield f"{to} is {state}"
        if state == "refused" and to not in refused:
            yield f"{to} is refused, and no server said so"
    if astray := [line.to for line in journal if not line.own]:
        yield f"a letter to somebody else went to {astray[0]}"


def _of_issues(site: Site) -> Iterable[str]:
    """One issue holds every Story, once; the newsletter is not due again."""
    ((issues, stories, told, distinct),) = site.read(
        "SELECT (SELECT count(*) FROM issues), (SELECT count(*) FROM stories),"
        " count(*), count(DISTINCT story_id) FROM issue_stories"
    )
    if issues != 1:
        yield f"{issues} issues instead of one"
    if not stories == told == distinct:
        yield f"{told} stories told, {distinct} of them distinct, of {stories}"
    if site.read("SELECT 1 FROM editions WHERE next_due_at <= CURRENT_TIMESTAMP"):
        yield "the newsletter is due again"


def _of_file(site: Site) -> Iterable[str]:
    if (found := site.read("PRAGMA integrity_check")) != [("ok",)]:
        yield f"the database is damaged: {found[0][0]}"
    if site.read("PRAGMA foreign_key_check"):
        yield "a row names another that is not there"


def issue_text(site: Site) -> tuple[object, ...]:
    """What the issue says, and the day it says it: two of one day have to be equal."""
    rows = site.read("SELECT substr(created_at, 1, 10), subject, html, text FROM issues")
    return rows[0] if rows else ()
