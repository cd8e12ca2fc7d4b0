"""One notice as one mail: the bytes that leave us (RFC 5322, 2045, 3834).

notify: notices.claim > notice > **mail** > mailer.send > notices.settle. It is no mail of a list, and has none of a
list's headers: who never subscribed has nothing to leave.
"""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from aggregator.model.characters import BREAKS
from aggregator.model.newsletter import Rendering


def write_notice(
    rendering: Rendering,
    *,
    sender: str,
    recipient: str,
    message_id: str,
    language: str,
    date: datetime,
    reply_to: str | None = None,
) -> bytes:
    """The whole message, the same at every attempt; raises ValueError for an address that no header can hold."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _mailbox(sender)
    message["To"] = _address(recipient)
    message["Subject"] = BREAKS.sub(" ", rendering.subject)
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no vacation notes in answer
    if reply_to:
        message["Reply-To"] = _mailbox(reply_to)
    message.set_content(rendering.text, cte="quoted-printable")
    message.add_alternative(rendering.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = language  # now: what is there before goes to the first part
    message.set_boundary(f"=_{message_id.strip('<>').partition('@')[0]}")  # in no body: quoted-printable writes no "=_"
    return message.as_bytes()


def _mailbox(text: str) -> Address:
    """Of feeds.yaml, where a name may stand before the address."""
    name, address = parseaddr(text)
    return _address(address, BREAKS.sub(" ", name))


def _address(address: str, name: str = "") -> Address:
    if not address.isascii() or BREAKS.search(address):
        raise ValueError(f"no header can hold the address {address!r}")
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)
