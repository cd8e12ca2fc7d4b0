"""Bounces in a server's own words: the formats that flufl.bounce knows, then the words alone.

open_mail > **recipients_in, failed_in_words** > reading
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from email.message import Message

from flufl.bounce import all_failures

from aggregator.model.bounce import BouncedRecipient, BounceKind
from aggregator.steps.bounces.opening import OpenMail, clean, text_of
from aggregator.steps.bounces.reports import addresses_in
from aggregator.steps.bounces.wordings import code_in, is_lasting, is_passing, is_policy, names_address

MOST_TEXT = 32 * 1024
"""Characters of one part that the detectors see."""
MOST_LINE = 300
"""Characters of a line that they see: some of their patterns take the square of a line's length."""
LINES_OF_A_REASON = 6
"""The server's words on an address stand on its line and at most so many below."""
_HYPHEN = "_hyphen_"
_IN_DOMAIN = re.compile(r"(?<=@)[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_WORD = r"[^\s@<>()\[\]]{1,64}@[^\s@<>()\[\]]{1,255}"
_MADE_OF = rf"\((?:expanded|generated) from:? *<?({_WORD})>?\)"
_STANDS_FOR = re.compile(rf"[\[(<]*({_WORD})[>\])]*\s{{1,80}}{_MADE_OF}")
_GENERATED = re.compile(_MADE_OF)
_ALONE = re.compile(
    rf"^\W*(?:(?:to|recipient|address|user|failed recipient)\W+)?{_WORD}\W*(?:[:;(-].*)?$", re.IGNORECASE
)
_SYSTEM_NAMES = frozenset("postmaster mailer-daemon abuse root hostmaster noreply no-reply support helpdesk".split())

logging.getLogger("flufl.bounce").addHandler(logging.NullHandler())  # it tells of faults that it raises, too


def recipients_in(mail: OpenMail) -> tuple[BouncedRecipient, ...]:
    """Those whom a format that flufl.bounce knows says to have failed, in the order of their addresses."""
    temporary, permanent = _detected(mail)
    stands_for = {final.lower(): first for final, first in _STANDS_FOR.findall(mail.text)}
    lasting = _ours(permanent, stands_for)
    passing = {key: address for key, address in _ours(temporary, stands_for).items() if key not in lasting}
    several = len(lasting) + len(passing) > 1
    return tuple(
        _recipient(mail, address, BounceKind.HARD if key in lasting else BounceKind.SOFT, several=several)
        for key, address in sorted((lasting | passing).items())
    )


def _detected(mail: OpenMail) -> tuple[Iterable[bytes], Iterable[bytes]]:
    try:
        return all_failures(_for_detectors(mail))
    except Exception:  # a detector that fails on a mail knows no format that it has: its words are left
        return (), ()


def failed_in_words(mail: OpenMail) -> tuple[BouncedRecipient, ...]:
    """Those whom a notice of no known format is about; its words say how hard, and unsure is soft."""
    kind = how_hard(mail)
    named = {address.lower(): address for address in _named(mail)}
    several = len(named) > 1
    return tuple(_recipient(mail, address, kind, several=several) for _, address in sorted(named.items()))


def how_hard(mail: OpenMail) -> BounceKind:
    """Hard only when the words say so: a reader lost for a passing fault is worse than one more letter."""
    return BounceKind.HARD if is_lasting(f"{mail.header('Subject')}\n{mail.text}") else BounceKind.SOFT


def _ours(found: Iterable[bytes], stands_for: dict[str, str]) -> dict[str, str]:
    """By lower case: the addresses as they were mailed to, where the notice says for which one each stands."""
    addresses = (address.decode("ascii", "replace").replace(_HYPHEN, "-").strip("<>").rstrip(".") for address in found)
    mailed = (stands_for.get(address.lower(), address) for address in addresses if "@" in address)
    return {address.lower(): address for address in mailed}


def _recipient(mail: OpenMail, address: str, kind: BounceKind, *, several: bool) -> BouncedRecipient:
    words = _words_on(mail.text, address)
    status = code_in(words)
    if not status and not several:
        words = words or clean(mail.text, 500)
        status = code_in(mail.text)
    whole = words if several else f"{mail.header('Subject')} {clean(mail.text, 4000)}"
    if status[:1] not in ("", "5" if kind is BounceKind.HARD else "4"):
        status = ""  # it speaks of an attempt before, or of another
    return BouncedRecipient(
        address=address,
        kind=kind,
        status=status,
        diagnostic=words[:500],
        policy=is_policy(status, whole),
        names_address=kind is BounceKind.HARD and names_address(status, whole),
        delayed=kind is BounceKind.SOFT and is_passing(whole),
    )


def _words_on(text: str, address: str) -> str:
    """The line that names the address and those below it, up to one that names another; "" when none does."""
    lines = iter(text.split("\n"))
    wanted = address.lower()
    for line in lines:
        if wanted in line.lower():
            below = [line]
            for following in lines:
                others = [found for found in addresses_in(following) if found.lower() != wanted]
                if others or len(below) > LINES_OF_A_REASON:
                    break
                below.append(following)
            return clean(" ".join(below), 500)
    return ""


def _named(mail: OpenMail) -> Iterator[str]:
    """The addresses that a notice speaks of: whom the returned mail went to, else those with a line of their own."""
    ours = {address.lower() for name in ("To", "Delivered-To", "X-Original-To") for address in mail.headers(name)}
    there = [
        address
        for line in mail.text.split("\n")
        for address in addresses_in(line)
        if address.lower() not in ours and address.partition("@")[0].lower() not in _SYSTEM_NAMES
    ]
    mailed = {address.lower() for address in addresses_in(mail.original.get("to", ""))}
    generated = _GENERATED.findall(mail.text)
    wanted = [address for address in there if address.lower() in mailed] or generated
    if wanted:
        yield from wanted
        return
    for line in mail.text.split("\n"):
        if _ALONE.match(line):
            yield from (address for address in addresses_in(line) if address in there)


# --- what the detectors are shown -----------------------------------------------------------------


def _for_detectors(mail: OpenMail) -> Message:
    """A copy of bounded text, decoded, in which no domain has a hyphen: their pattern of an address has none."""
    copy = _copy(mail.message, 20)
    del copy["From"]  # they take the first address in it, and some cannot do without one
    copy["From"] = _lend(next(iter(addresses_in(mail.header("From"))), "<>"))
    return copy


def _copy(message: Message, levels: int) -> Message:
    copy = Message()
    copy.set_default_type(message.get_default_type())
    for name, value in message.items()[:500]:
        if name.lower() != "content-transfer-encoding":
            copy[name] = _lend(clean(str(value)))
    inner = message.get_payload()
    if isinstance(inner, list):
        copy.set_payload([_copy(part, levels - 1) for part in inner[:100] if levels and isinstance(part, Message)])
    else:
        lines = text_of(message)[:MOST_TEXT].split("\n") if message.get_content_maintype() == "text" else []
        copy.set_payload(_lend("\n".join(line[:MOST_LINE] for line in lines)))
    return copy


def _lend(text: str) -> str:
    return _IN_DOMAIN.sub(lambda found: found[0].replace("-", _HYPHEN), text)
