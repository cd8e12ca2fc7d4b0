"""One mail to us, read: who failed, who complains, who wants no more, and who is merely away.

bytes > open_mail > **read_bounce** > bouncing

The order is what keeps readers: what a program wrote for programs counts first (RFC 3464, 5965), then answers of
people and of their programs are put aside, and only then is free text taken for a bounce.
"""

from __future__ import annotations

import re
from dataclasses import replace

from aggregator.model.bounce import BouncedRecipient, BounceKind, BounceReading
from aggregator.steps.bounces.free_text import failed_in_words, how_hard, recipients_in
from aggregator.steps.bounces.opening import DISPOSITION, OpenMail, UnreadableError, clean, open_mail
from aggregator.steps.bounces.reports import addresses_in, complaint, is_feedback, recipients_of
from aggregator.steps.bounces.wordings import code_in, is_away, is_challenge, is_policy, names_address, tells_of_failure

UNSUBSCRIBE_PREFIX = "u+"
"""Begins the local part of the address that a letter's List-Unsubscribe gives to mail programs (RFC 8058, RFC 2369)."""
MOST_ADDRESSES = 50
_SYSTEM = re.compile(
    r"(?:mailer|mail)[-_.]?daemon|mdaemon|post ?master|mail[-_.]delivery|mailadm|microsoftexchange|double-?bounce",
    re.IGNORECASE,
)
_SYSTEM_NAME = re.compile(
    r"mail(?:er)? (?:delivery|administrator|system)|delivery (?:sub)?system|system administrator|jetmail system",
    re.IGNORECASE,
)
_REPLY = re.compile(r"^\s*(?:re|aw|sv|antw|rv|res|odp|vs)(?:\[\d+\])?\s*:", re.IGNORECASE)
_ANSWERING = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Auto-Reply-From",
    "X-Mail-Autoreply",
    "X-AutoReply-From",
)
_CHALLENGING = ("X-TMDA-Fingerprint", "X-AskVersion", "X-Spamarrest", "X-Boxbe")


def read_bounce(raw: bytes, *, envelope_recipient: str | None = None) -> BounceReading:
    """What a mail to us says; never raises, whatever the mail is made of: then it is `unreadable`."""
    sent_to = (envelope_recipient,) if envelope_recipient else ()
    try:
        return _read(open_mail(raw), sent_to)
    except UnreadableError as error:
        return BounceReading(kind=BounceKind.UNREADABLE, sent_to=sent_to, reason=str(error))
    except Exception as error:  # `email` and the detectors are others' code, the mail is anybody's
        why = f"it cannot be read ({type(error).__name__})"
        return BounceReading(kind=BounceKind.UNREADABLE, sent_to=sent_to, reason=why)


def _read(mail: OpenMail, sent_to: tuple[str, ...]) -> BounceReading:
    reading = _judge(mail, _addresses(mail, sent_to))
    return replace(
        reading,
        message_id=mail.header("Message-ID"),
        original_message_id=reading.original_message_id or mail.original.get("message-id", ""),
        returned_from=tuple(dict.fromkeys((*reading.returned_from, *_returned_from(mail)))),
    )


def _judge(mail: OpenMail, sent_to: tuple[str, ...]) -> BounceReading:
    subject = mail.header("Subject")
    if any(address.lower().startswith(UNSUBSCRIBE_PREFIX) for address in sent_to):
        return BounceReading(
            kind=BounceKind.UNSUBSCRIBE, sent_to=sent_to, reason="a mail to an address that unsubscribes"
        )
    if is_feedback(mail):
        return _feedback(mail, sent_to)
    reported = recipients_of(mail)
    if reported:
        return _bounced(reported, sent_to)
    answer = _is_answer(mail, subject)
    if answer and not _from_system(mail):
        return BounceReading(kind=BounceKind.AUTO_REPLY, sent_to=sent_to, reason=f"{answer}: {subject}")
    if _is_reply(mail, subject):
        return BounceReading(kind=BounceKind.OTHER, sent_to=sent_to, reason=f"a reply: {subject}")
    found = recipients_in(mail)
    if found:
        return _bounced(found, sent_to)
    if answer and not tells_of_failure(f"{subject}\n{mail.text}"):
        return BounceReading(kind=BounceKind.AUTO_REPLY, sent_to=sent_to, reason=f"{answer}: {subject}")
    return _in_words(mail, subject, sent_to)


def _in_words(mail: OpenMail, subject: str, sent_to: tuple[str, ...]) -> BounceReading:
    """A mail that no format fits: a bounce when a mail system wrote it, or when a null sender tells of a failure."""
    system, failure = _from_system(mail), tells_of_failure(f"{subject}\n{mail.text}")
    if not (system or (failure and (_null_sender(mail) or tells_of_failure(subject)))):
        return BounceReading(kind=BounceKind.OTHER, sent_to=sent_to, reason=f"no bounce: {subject}")
    named = failed_in_words(mail) if failure else ()
    if named:
        return _bounced(named, sent_to)
    return BounceReading(kind=how_hard(mail), sent_to=sent_to, reason=clean(f"{subject}: {mail.text}", 300))


def unnamed(reading: BounceReading, address: str) -> BouncedRecipient:
    """What a bounce that names no recipient says of the one whose address it came back to."""
    status = code_in(reading.reason)
    return BouncedRecipient(
        address=address,
        kind=reading.kind,
        status=status,
        diagnostic=reading.reason,
        policy=is_policy(status, reading.reason),
        names_address=reading.kind is BounceKind.HARD and names_address(status, reading.reason),
    )


_WORST_FIRST = (BounceKind.HARD, BounceKind.SOFT, BounceKind.DELIVERED)


def _bounced(recipients: tuple[BouncedRecipient, ...], sent_to: tuple[str, ...]) -> BounceReading:
    worst = min(recipients, key=lambda recipient: _WORST_FIRST.index(recipient.kind))
    reason = f"{worst.status} {worst.diagnostic}".strip() or worst.kind.value
    return BounceReading(kind=worst.kind, recipients=recipients, sent_to=sent_to, reason=reason)


def _feedback(mail: OpenMail, sent_to: tuple[str, ...]) -> BounceReading:
    fields = complaint(mail)
    if fields is None:
        return BounceReading(kind=BounceKind.OTHER, sent_to=sent_to, reason="a feedback report that blames nobody")
    whom = addresses_in(fields.get("original-rcpt-to", "")) or addresses_in(mail.original.get("to", ""))
    kind = clean(fields.get("feedback-type", "abuse"), 40)
    return BounceReading(
        kind=BounceKind.COMPLAINT,
        recipients=tuple(BouncedRecipient(address=address, kind=BounceKind.COMPLAINT) for address in whom[:1]),
        sent_to=sent_to,
        returned_from=tuple(addresses_in(fields.get("original-mail-from", ""))),
        reason=f"a complaint ({kind}) by {clean(fields.get('user-agent', '') or 'a reader', 100)}",
    )


# --- whose mail it is -----------------------------------------------------------------------------


def _addresses(mail: OpenMail, sent_to: tuple[str, ...]) -> tuple[str, ...]:
    """Where this mail went, the envelope's first, each once."""
    headers = ("X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "To", "Cc")
    found = [address for name in headers for value in mail.headers(name) for address in addresses_in(value)]
    return tuple(dict.fromkeys([*sent_to, *found]))[:MOST_ADDRESSES]


def _returned_from(mail: OpenMail) -> tuple[str, ...]:
    """Whom the mail that came back was from, by its envelope."""
    names = ("return-path", "errors-to", "sender")
    return tuple(dict.fromkeys(address for name in names for address in addresses_in(mail.original.get(name, ""))))


def _from_system(mail: OpenMail) -> bool:
    """A mail system wrote it, and no person or their program."""
    sender = mail.header("From")
    locals_ = [address.partition("@")[0].strip('"') for address in addresses_in(sender)]
    return any(map(_SYSTEM.match, locals_)) or bool(_SYSTEM_NAME.search(sender)) or sender.strip().endswith("<>")


def _null_sender(mail: OpenMail) -> bool:
    """RFC 5321 4.5.5: what must not be answered is sent from nobody; answering programs do so, too."""
    return mail.header("Return-Path").strip() in ("<>", "<MAILER-DAEMON>", "MAILER-DAEMON")


def _is_answer(mail: OpenMail, subject: str) -> str:
    """What kind of a program's answer it is; "" for none."""
    submitted = mail.header("Auto-Submitted").lower()
    precedence = f"{mail.header('Precedence')} {mail.header('X-Precedence')} {mail.header('Preference')}".lower()
    if submitted.startswith("auto-replied"):
        return "an automatic reply (RFC 3834)"
    if mail.type == "multipart/report" and mail.parameter("report-type") == "disposition-notification":
        return "a notice about reading (RFC 8098)"
    if next(mail.own(DISPOSITION), None) is not None:
        return "a notice about reading (RFC 8098)"
    if "auto_reply" in precedence or "auto-reply" in precedence or any(map(mail.header, _ANSWERING)):
        return "an automatic reply"
    if is_away(subject):
        return "an automatic reply, by its subject"
    if any(map(mail.header, _CHALLENGING)) or is_challenge(subject) or is_challenge(mail.text[:4000]):
        return "a challenge"
    return ""


def _is_reply(mail: OpenMail, subject: str) -> bool:
    """A person answers; what they quote is no notice."""
    answers = bool(mail.header("In-Reply-To") or mail.header("References"))
    return answers and not _from_system(mail) and (bool(_REPLY.match(subject)) or not tells_of_failure(subject))
