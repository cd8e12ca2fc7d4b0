"""Many people at once: a CSV file in, subscriptions and a line-numbered report out.

    lines > records > addresses, choices > subscribers.enlist

A person who left stays away, and one whose address is suppressed too, whatever a file says; only they themselves come
back. The file is read as it comes and written in batches, each whole: an import that is cut off is run again, and who
is in already is known.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from aggregator.errors import NotFoundError, UsageError
from aggregator.mail_ports import SubscriberStore
from aggregator.model.consent import Evidence
from aggregator.model.edition import Choices
from aggregator.model.newcomer import KEPT_PROBLEMS, Enlisted, ImportReport, LineProblem, Newcomer
from aggregator.model.newsletter import Newsletter
from aggregator.people_ports import PeoplePlan
from aggregator.ports import Clock, StoryStore
from aggregator.schedule import next_runs
from aggregator.settings.addresses import read_address, read_name, read_source
from aggregator.steps.choosing import read_choices
from aggregator.steps.sheets import restored

BATCH = 1000
"""Lines written in one transaction."""
LONGEST_LINE = 10_000
LONGEST_RECORD = 5
"""Lines that one record may have, as a cell in quotation marks may hold line breaks."""
REMEMBERED = 200_000
"""Addresses that are remembered to name a repeated one with its line: one that is further off is `known`."""
DELIMITERS = ",;\t"
COLUMNS = ("email", "name", "state", "language", "timezone", "schedule", "quiet", "query")
"""Those that are read; others may stand there too."""
NO_MAIL = "gets no mail: the address is suppressed until its reader confirms a subscription"
NOT_TEXT = "is neither UTF-8 nor Windows-1252; save the file as `CSV UTF-8`"
_UNREAD = re.compile(r"[\ud800-\udfff]")
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\x00\x00": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_STAYS = ("", "confirmed")
"""States of the column `state` whose people get the newsletter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPorts:
    """What importing needs of the world."""

    subscribers: SubscriberStore
    stories: StoryStore
    clock: Clock


@dataclass(slots=True)
class _Reading:
    """What has been found in one file."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[LineProblem] = field(default_factory=list)

    def name(self, number: int, reason: str) -> None:
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(LineProblem(number=number, reason=reason))

    def skip(self, number: int, reason: str) -> None:
        self.counts["skipped"] += 1
        self.name(number, reason)

    def take(self, done: Enlisted, numbers: Mapping[str, int]) -> None:
        self.counts.update(added=done.added, known=done.known, unsubscribed=done.unsubscribed)
        self.counts["suppressed"] += len(done.suppressed)
        for email in sorted(done.suppressed, key=numbers.__getitem__):
            self.name(numbers[email], f"{email!r} {NO_MAIL}")

    def report(self) -> ImportReport:
        ordered = tuple(sorted(self.problems, key=lambda problem: problem.number))
        return ImportReport(**self.counts, problems=ordered)


@dataclass(slots=True)
class _Seen:
    """In which line an address stood first, for those of the last lines: half of them are let go at a time."""

    newer: dict[str, int] = field(default_factory=dict)
    older: dict[str, int] = field(default_factory=dict)

    def first(self, address: str, number: int) -> int:
        known = self.newer.get(address) or self.older.get(address)
        if known is not None:
            return known
        if len(self.newer) >= REMEMBERED // 2:
            self.newer, self.older = {}, self.newer
        self.newer[address] = number
        return number


def encoding_of(start: bytes) -> str:
    """The encoding that the first octets of a file name (Unicode 23.8), UTF-8 when they name none."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")


def import_people(
    ports: ImportPorts,
    plan: PeoplePlan,
    lines: Iterable[str],
    *,
    file: str,
    newsletter_id: str,
    source: str,
    dry_run: bool = False,
) -> ImportReport:
    """Subscribe the people of a CSV file, given as an open text file gives its lines, octets that are not of its
    encoding as lone surrogates (PEP 383); raises UsageError, NotFoundError.

    The first line names the columns: `email`, and others of `COLUMNS` if they are there. A line that cannot be read
    costs itself, and so does a quotation mark that is never closed.
    """
    newsletter = plan.newsletters.get(newsletter_id)
    if newsletter is None:
        raise NotFoundError(f"no newsletter {newsletter_id!r}; `aggregator newsletters list` names them")
    evidence, reading = Evidence(source=read_source(source)), _Reading()
    people = _people(iter(lines), file, newsletter, plan, reading)
    while batch := list(islice(people, BATCH)):
        newcomers = [person for _, person in batch]
        if dry_run:
            done = ports.subscribers.foresee(newsletter_id, newcomers)
        else:
            now = ports.clock.now()
            done = ports.subscribers.enlist(
                newsletter,
                newcomers,
                evidence,
                now,
                runs=lambda letter, now=now: next_runs(letter, now),  # type: ignore[misc]
                last_seq=ports.stories.last_seq(),
            )
        reading.take(done, {person.email: number for number, person in batch})
    return reading.report()


# --- the file -------------------------------------------------------------------------------------


def _people(
    lines: Iterator[str], file: str, newsletter: Newsletter, plan: PeoplePlan, reading: _Reading
) -> Iterator[tuple[int, Newcomer]]:
    """The people of the file in order, each with the number of their line; lines that name none are noted."""
    header = next(lines, "").removeprefix("\ufeff")
    delimiter = max(DELIMITERS, key=header.count)
    columns, width = _columns(header, delimiter, file)
    seen = _Seen()
    for number, record in _records(lines, delimiter, width):
        if not record.strip(f"{delimiter} \r\n"):
            continue
        try:
            text = _text(record, reading)
            person = _read(dict(enumerate(_cells(text, delimiter))), columns, newsletter, plan)
            first = seen.first(person.email.lower(), number)
            if first != number:
                raise ValueError(f"{person.email!r} is in line {first} already")
        except (ValueError, csv.Error) as error:
            reading.skip(number, str(error))
            continue
        yield number, person


def _records(lines: Iterator[str], delimiter: str, width: int) -> Iterator[tuple[int, str]]:
    """Records with the number of their first line. An odd quotation mark joins a line with the next ones only where
    that makes a whole record."""
    ahead: deque[str] = deque()
    number = 2
    while True:
        ahead.extend(islice(lines, 1) if not ahead else ())
        if not ahead:
            return
        record, taken = ahead.popleft(), 1
        if record.count('"') % 2:
            ahead.extend(islice(lines, LONGEST_RECORD - 1 - len(ahead)))
            joined = (record + "".join(islice(ahead, more)) for more in range(1, len(ahead) + 1))
            more = next((more for more, text in enumerate(joined, 1) if _is_whole(text, delimiter, width)), 0)
            record += "".join(ahead.popleft() for _ in range(more))
            taken += more
        yield number, record
        number += taken


def _is_whole(text: str, delimiter: str, width: int) -> bool:
    try:
        return text.count('"') % 2 == 0 and len(_cells(text, delimiter)) == width
    except (ValueError, csv.Error):
        return False


def _text(record: str, reading: _Reading) -> str:
    """A record of octets that are not UTF-8 is read as Windows wrote it for thirty years."""
    if not _UNREAD.search(record):
        return record
    try:
        text = record.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeError:
        raise ValueError(NOT_TEXT) from None
    reading.counts["windows_1252"] += 1
    return text


def _columns(header: str, delimiter: str, file: str) -> tuple[Mapping[str, int], int]:
    """Where each column stands, and how many there are."""
    try:
        names = [name.strip().lower() for name in _cells(header, delimiter)]
    except (ValueError, csv.Error):
        names = []
    if names.count("email") != 1:
        shown = ascii(header.strip()[:80])
        raise UsageError(f"{file}: the first line must name the columns, one of them `email`; it is {shown}")
    return {name: position for position, name in enumerate(names) if name in COLUMNS}, len(names)


def _read(cells: Mapping[int, str], columns: Mapping[str, int], newsletter: Newsletter, plan: PeoplePlan) -> Newcomer:
    given = {name: restored(cells.get(position, "").strip()) for name, position in columns.items()}
    email = given["email"]
    if not email:
        raise ValueError("no address in the column `email`")
    try:
        address = read_address(email)
    except ValueError as error:
        raise ValueError(f"{email[:80]!r} {error}") from error
    if given.get("state", "") not in _STAYS:
        raise ValueError(f"{email!r} is {given['state'][:40]!r} in the column `state`, and not subscribed")
    return Newcomer(
        email=address,
        name=read_name(given.get("name", "")),
        keys=plan.keys(address),
        choices=_choices(given, newsletter),
    )


def _choices(given: Mapping[str, str], newsletter: Newsletter) -> Choices:
    """A zone alone says where somebody is: it counts where the newsletter comes by each reader's clock."""
    chosen = read_choices(given, newsletter)
    for name, fault in chosen.faults.items():
        raise ValueError(f"column `{name}`: {fault}")
    choices = chosen.choices
    alone = not (newsletter.local or choices.schedule or choices.quiet)
    return replace(choices, timezone=None) if alone else choices


def _cells(line: str, delimiter: str) -> list[str]:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"the line is longer than {LONGEST_LINE:,} characters")
    return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
