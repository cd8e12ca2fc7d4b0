"""SPF: who may send in a domain's name, as far as it can be judged without a letter (RFC 7208)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aggregator.model.mailfacts import Outcome, Verdict
from aggregator.steps.mailcheck.notebook import Notebook

MOST_LOOK_UPS = 10
"""Terms that ask the DNS, in a record and all it includes (RFC 7208 4.6.4)."""
_ASKING = frozenset({"include", "a", "mx", "ptr", "exists"})
_SILENT = frozenset({"all", "ip4", "ip6"})
_VERSION = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_TERM = re.compile(r"([+?~-]?)([a-z][a-z0-9_.-]*)(?:([:=/])(.*))?", re.IGNORECASE)


@dataclass(slots=True)
class _Walk:
    """What was met on the way through a record and those it leads to."""

    look_ups: int = 0
    faults: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    everybody: bool = False
    """Whether the domain's own record ends by letting in all the world."""


def judge_spf(notebook: Notebook, domain: str) -> Verdict:
    """Whether the record is there, is one, can be read, and asks no more than receivers are ready to."""
    answer = notebook.ask("TXT", domain)
    if answer.fault:
        return _verdict(domain, Outcome.UNKNOWN, answer.fault, "Try again later, or ask another server by --resolver.")
    records = [text for text in answer.values if _VERSION.match(text)]
    if not records:
        cure = f"Publish a TXT record at {domain}: v=spf1, what your mail server's manual says to include, then -all."
        return _verdict(domain, Outcome.FAIL, "there is no record", cure)
    walk = _Walk()
    if len(records) == 1:
        _read(notebook, domain, records[0], walk, depth=0)
    else:
        walk.faults.append(f"there are {len(records)} records, which counts as none (RFC 7208 4.5)")
    return _judged(domain, walk)


def _judged(domain: str, walk: _Walk) -> Verdict:
    if walk.faults:
        return _verdict(
            domain, Outcome.FAIL, walk.faults[0], f"Mend the TXT record of {domain}: one that begins v=spf1."
        )
    if walk.look_ups > MOST_LOOK_UPS:
        cure = "Take out includes that send no mail of yours, or write their addresses as ip4: and ip6:."
        seen = f"it takes more than {MOST_LOOK_UPS} look-ups, which counts as broken (RFC 7208 4.6.4)"
        return _verdict(domain, Outcome.FAIL, seen, cure)
    if walk.everybody:
        return _verdict(domain, Outcome.FAIL, "it lets everybody send in its name", "End it with -all or ~all.")
    if walk.unknown:
        return _verdict(domain, Outcome.UNKNOWN, walk.unknown[0], "Try again later, or look at it by hand.")
    return _verdict(domain, Outcome.PASS, f"one record, {walk.look_ups} of {MOST_LOOK_UPS} look-ups")


def _read(notebook: Notebook, domain: str, record: str, walk: _Walk, *, depth: int) -> None:
    """Count the terms of a record that ask the DNS, and follow those that lead to another (RFC 7208 4.6, 5.2, 6.1)."""
    redirect: str | None = None
    for term in record.split()[1:]:
        found = _TERM.fullmatch(term)
        sign, name, mark, value = found.groups(default="") if found else ("", "", "", "")
        name = name.lower()
        if mark == "=" and not sign:
            redirect = value if name == "redirect" else redirect
        elif name == "all" and not mark:
            walk.everybody = walk.everybody or (depth == 0 and sign in ("", "+"))
            return  # what stands after it is not looked at, redirect= neither
        elif name in _ASKING:
            walk.look_ups += 1
            if name == "include":
                _follow(notebook, value, walk, depth=depth)
        elif name not in _SILENT:
            walk.faults.append(f"{term!r} in the record of {domain} is no term of SPF")
        if walk.faults or walk.look_ups > MOST_LOOK_UPS:
            return
    if redirect is not None:
        walk.look_ups += 1
        _follow(notebook, redirect, walk, depth=depth)


def _follow(notebook: Notebook, domain: str, walk: _Walk, *, depth: int) -> None:
    if "%" in domain:
        walk.unknown.append(f"{domain!r} is another name for each letter; what it leads to was not looked at")
        return
    answer = notebook.ask("TXT", domain)
    records = [text for text in answer.values if _VERSION.match(text)]
    if answer.fault:
        walk.unknown.append(f"{domain}: {answer.fault}")
    elif len(records) != 1:
        what = f"has {len(records)} records" if records else "has no record"
        walk.faults.append(f"{domain or 'a name'}, which it includes, {what}, so all of it counts as broken")
    elif walk.look_ups <= MOST_LOOK_UPS:
        _read(notebook, domain, records[0], walk, depth=depth + 1)


def _verdict(domain: str, outcome: Outcome, seen: str, cure: str = "") -> Verdict:
    return Verdict(check="SPF", subject=domain, outcome=outcome, seen=seen, cure=cure)
