"""Delivery status notifications (RFC 3464) and complaints (ARF, RFC 5965): mails made for programs to read.

open_mail > **report, complaint** > reading
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aggregator.model.bounce import BouncedRecipient, BounceKind
from aggregator.steps.bounces.opening import FEEDBACK, STATUS, OpenMail, clean, text_of
from aggregator.steps.bounces.wordings import code_in, is_policy, names_address

MOST_BLOCKS = 1000
"""Recipients of one report that are read."""
_FIELD = re.compile(r"^([A-Za-z][\w-]{0,60})[ \t]*:[ \t]*(.*)$")
_ADDRESS = re.compile(r"[^\s<>,;:\"()\[\]]{1,64}@[^\s<>,;:\"()\[\]]{1,255}")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_NO_COMPLAINT = frozenset(("not-spam", "auth-failure", "dmarc"))
"""Feedback that blames nobody for a mail (RFC 6430, RFC 6591)."""

Fields = Mapping[str, str]


def recipients_of(mail: OpenMail) -> tuple[BouncedRecipient, ...]:
    """What a status report says of each recipient, in its order, the last word on each; empty for another mail."""
    found: dict[str, BouncedRecipient] = {}
    for text in _status_texts(mail):
        for fields in _blocks(text):
            recipient = _recipient(fields)
            if recipient:
                key = recipient.address.lower()
                found.pop(key, None)
                found[key] = recipient
    return tuple(found.values())


def _status_texts(mail: OpenMail) -> list[str]:
    """Those of the notice; when it has none, those of a mail within: somebody passed the notice on as a whole."""
    own = list(mail.own(STATUS))
    return own or [text_of(part.message) for part in mail.parts if part.type == STATUS][:1]


def _blocks(text: str) -> Iterator[Fields]:
    """The groups of fields between blank lines, folded lines joined (RFC 3464 2.1)."""
    fields: dict[str, str] = {}
    last, count = "", 0
    for line in [*text.split("\n"), ""]:
        if not line.strip():
            if fields:
                yield fields
                count += 1
            fields, last = {}, ""
            if count == MOST_BLOCKS:
                return
        elif line[0] in " \t" and last:
            fields[last] += f" {line.strip()}"
        elif found := _FIELD.match(line):
            last = found[1].lower()
            fields.setdefault(last, found[2].strip())


_GIVEN_UP = "4.4.7"
"""Delivery time expired: of class 4, but who reports it as failed has tried for days and gave up (RFC 3463 3.5)."""


def _recipient(fields: Fields) -> BouncedRecipient | None:
    """None for fields that speak of no recipient; `action` may carry a comment (RFC 3464 2.3.3)."""
    action = fields.get("action", "").lower()
    address = _reported(fields)
    if not action or not address:
        return None
    words = clean(fields.get("diagnostic-code", "") or fields.get("status", ""), 500)
    status = code_in(fields.get("status", "")) or code_in(words)
    better = code_in(words)
    if status.endswith(".0.0") and better[:1] == status[:1]:
        status = better  # "5.0.0" beside "550 5.1.1" in the server's own words
    if action.startswith("delayed"):
        return _failed(address, BounceKind.SOFT, status, words, delayed=True)
    if action.startswith(("fail", "error")):  # OpenSMTPD says "error"
        kind = BounceKind.SOFT if status.startswith("4") and status != _GIVEN_UP else BounceKind.HARD
        return _failed(address, kind, status, words)
    return BouncedRecipient(address=address, kind=BounceKind.DELIVERED, status=status, diagnostic=words)


def _failed(address: str, kind: BounceKind, status: str, words: str, *, delayed: bool = False) -> BouncedRecipient:
    return BouncedRecipient(
        address=address,
        kind=kind,
        status=status,
        diagnostic=words,
        policy=is_policy(status, words),
        names_address=kind is BounceKind.HARD and names_address(status, words),
        delayed=delayed,
    )


def _reported(fields: Fields) -> str:
    """The address as it was given to the first server, else the one it failed at; "" when it is of another kind."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        kind, mark, rest = fields.get(name, "").partition(";")
        text = rest if mark else kind
        if mark and kind.strip().lower() not in ("rfc822", "utf-8"):
            continue
        found = _ADDRESS.search(_UNICODE.sub(_character, text))
        if found:
            return found[0].rstrip(".")
    return ""


def _character(escaped: re.Match[str]) -> str:
    """RFC 6533 3: a character of an address in a report that is ASCII."""
    number = int(escaped[1], 16)
    return chr(number) if 0x20 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "?"


# --- complaints -----------------------------------------------------------------------------------


def complaint(mail: OpenMail) -> Fields | None:
    """The fields of a feedback report that blames us for a mail; None for another mail."""
    for text in mail.own(FEEDBACK):
        fields = next(_blocks(text), {})
        kind = fields.get("feedback-type", "abuse").lower()
        if kind.split()[:1] and kind.split()[0] not in _NO_COMPLAINT:
            return fields
    return None


def is_feedback(mail: OpenMail) -> bool:
    """Whether it is a feedback report of any kind."""
    return next(mail.own(FEEDBACK), None) is not None


def addresses_in(text: str) -> list[str]:
    """Every address in a line, in order."""
    return [found.rstrip(".") for found in _ADDRESS.findall(text)]
