"""Who gets what: one person added, a file imported.

    lines > addresses > subscribers.put

A person who left stays away, whatever a file says; only they themselves come back.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from aggregator.errors import UsageError
from aggregator.model.characters import BREAKS
from aggregator.model.delivery import ImportReport, LineProblem, Subscriber, Subscription, SubscriptionState
from aggregator.ports import Clock, NewsletterStore, SubscriberStore
from aggregator.settings.addresses import read_address

BATCH = 1000
"""Subscriptions written in one transaction; an import that is cut off may be run again."""
LONGEST_LINE = 10_000
LONGEST_NAME = 200
DELIMITERS = ",;\t"
NOT_UTF_8 = "is not UTF-8; save the file as `CSV UTF-8`"
_UNREAD = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribePorts:
    """What subscribing needs of the world."""

    subscribers: SubscriberStore
    newsletters: NewsletterStore
    clock: Clock


def add_one(
    ports: SubscribePorts, *, email: str, name: str | None, newsletter_id: str, source: str
) -> Subscription | None:
    """Subscribe a person who agreed, as `source` can show; the subscription that stands already, if one does: it is
    left as it is. Raises UsageError."""
    ports.newsletters.slot(newsletter_id)
    try:
        person = _person(email, name or "")
    except ValueError as error:
        raise UsageError(f"{email!r} {error}") from error
    standing = ports.subscribers.standing([person.email], newsletter_id)
    _put(ports, [person], newsletter_id, _evidence(source))
    return next(iter(standing), None)


def import_csv(
    ports: SubscribePorts, lines: Iterable[str], *, file: str, newsletter_id: str, source: str, dry_run: bool = False
) -> ImportReport:
    """Subscribe the people of a CSV file, given as an open text file gives its lines, octets that are not of its
    encoding as lone surrogates (PEP 383); raises UsageError.

    The first line names the columns: `email`, and `name` if there is one. Each line is read alone, so that a
    quotation mark which is never closed costs one line and not the rest of the file. `dry_run` asks for no newsletter:
    it may be one to come.
    """
    if not dry_run:
        ports.newsletters.slot(newsletter_id)
    source, problems = _evidence(source), list[LineProblem]()
    people = _people(iter(lines), file, problems)
    added = known = unsubscribed = 0
    while batch := list(islice(people, BATCH)):
        standing = ports.subscribers.standing([person.email for person in batch], newsletter_id)
        left = sum(item.state is SubscriptionState.UNSUBSCRIBED for item in standing)
        new = len(batch) - len(standing) if dry_run else _put(ports, batch, newsletter_id, source)[0]
        added, known, unsubscribed = added + new, known + len(batch) - new - left, unsubscribed + left
    return ImportReport(added=added, known=known, unsubscribed=unsubscribed, problems=tuple(problems))


def _evidence(source: str) -> str:
    """One line that says something; raises UsageError."""
    line = BREAKS.sub(" ", source).strip()
    if not line:
        raise UsageError("the source of their consent is blank: say where and when these people agreed")
    return line


def _put(ports: SubscribePorts, people: list[Subscriber], newsletter_id: str, source: str) -> tuple[int, int]:
    return ports.subscribers.put(people, newsletter_id, SubscriptionState.CONFIRMED, source, ports.clock.now())


def _person(email: str, name: str) -> Subscriber:
    """Raises ValueError."""
    return Subscriber(email=read_address(email), name=BREAKS.sub(" ", name).strip()[:LONGEST_NAME] or None)


# --- the file -------------------------------------------------------------------------------------


def _people(lines: Iterator[str], file: str, problems: list[LineProblem]) -> Iterator[Subscriber]:
    """The people of the file in order; lines that name none go to `problems`."""
    header = next(lines, "").removeprefix("\ufeff")
    delimiter = max(DELIMITERS, key=header.count)
    columns = _columns(header, delimiter, file)
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        if not line.strip(f"{delimiter} \r\n"):
            continue
        try:
            person = _read(line, delimiter, columns)
            first = seen.setdefault(person.email.lower(), number)
            if first != number:
                raise ValueError(f"{person.email!r} is in line {first} already")
            yield person
        except (ValueError, csv.Error) as error:
            problems.append(LineProblem(number=number, reason=str(error)))


def _columns(header: str, delimiter: str, file: str) -> Mapping[str, int]:
    if _UNREAD.search(header):
        raise UsageError(f"{file}: {NOT_UTF_8}")
    try:
        names = [name.strip().lower() for name in _cells(header, delimiter)]
    except (ValueError, csv.Error):
        names = []
    if names.count("email") != 1:
        first = f"the first line must name the columns, one of them `email`; it is {header.strip()[:80]!r}"
        raise UsageError(f"{file}: {first}")
    return {name: position for position, name in enumerate(names) if name in ("email", "name")}


def _read(line: str, delimiter: str, columns: Mapping[str, int]) -> Subscriber:
    if _UNREAD.search(line):
        raise ValueError(NOT_UTF_8)
    cells = dict(enumerate(_cells(line, delimiter)))
    email = cells.get(columns["email"], "").strip()
    if not email:
        raise ValueError("no address in the column `email`")
    try:
        return _person(email, cells.get(columns.get("name", -1), ""))
    except ValueError as error:
        raise ValueError(f"{email[:80]!r} {error}") from error


def _cells(line: str, delimiter: str) -> list[str]:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"the line is longer than {LONGEST_LINE:,} characters")
    return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
