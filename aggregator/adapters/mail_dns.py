"""What the DNS says of our mail, and what the mail server shows to who connects.

check-mail: **relay** > judge > **names.answers** > judge
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.txtbase import TXTBase

from aggregator.errors import UsageError
from aggregator.model.mailfacts import Answer, Question, RelayFacts
from aggregator.settings.relay import Relay

LONGEST_LOOK_UP = 10.0
"""Seconds for one question, asked again over TCP where an answer is long."""
LONGEST_GREETING = 20.0
"""Seconds for each word of a mail server."""
AT_ONCE = 8
"""Questions that are on the way at a time."""
MOST_RECORDS = 100
DNS_PORT = 53
_BRACKETS = re.compile(r"\[([^]]+)\](?::(\d{1,5}))?")
_PORT = re.compile(r"([^:]+):(\d{1,5})")


class DnsNames:
    """`mail_ports.MailNames` by dnspython: the system's name servers, or one that is named."""

    def __init__(self, server: str | None = None) -> None:
        """`server`: an address, with a port if it is not 53; raises UsageError."""
        try:
            self._resolver = dns.resolver.Resolver(configure=server is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise UsageError("this machine names no name server; give one by --resolver ADDRESS") from error
        if server is not None:
            address, self._resolver.port = _server(server)
            self._resolver.nameservers = [address]
        self._resolver.lifetime = LONGEST_LOOK_UP

    def answers(self, questions: Collection[Question]) -> Mapping[Question, Answer]:
        """Of each question; never raises for what the DNS does."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail-dns") as pool:
            return dict(zip(questions, pool.map(self._answer, questions), strict=True))

    def _answer(self, question: Question) -> Answer:
        try:
            found = self._resolver.resolve(question.name, question.type, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return Answer()
        except dns.resolver.LifetimeTimeout:
            return Answer(fault="the name server did not answer in time")
        except (dns.exception.DNSException, ValueError) as error:  # a record may lead to what is no name
            return Answer(fault=f"the name server gave no answer ({type(error).__name__})")
        return Answer(values=tuple(_text(record) for record in list(found)[:MOST_RECORDS]))


def _text(record: object) -> str:
    """A record as one line; the strings of a TXT record are one value (RFC 7208 3.3, RFC 6376 3.6.2.2)."""
    if isinstance(record, TXTBase):
        return b"".join(record.strings).decode("utf-8", "replace")
    return str(record)


def _server(text: str) -> tuple[str, int]:
    """`9.9.9.9`, `9.9.9.9:53`, `2620:fe::fe` or `[2620:fe::fe]:53`."""
    found = _BRACKETS.fullmatch(text) or _PORT.fullmatch(text)
    address, port = (found[1], int(found[2] or DNS_PORT)) if found else (text, DNS_PORT)
    try:
        if not 0 < port < 2**16:
            raise ValueError(port)
        return str(ip_address(address)), port
    except ValueError:
        raise UsageError(f"--resolver {text!r} is no address; give one such as 9.9.9.9 or [2620:fe::fe]:53") from None


# --- the mail server ------------------------------------------------------------------------------


def look_at_relay(relay: Relay, *, tls_context: ssl.SSLContext | None = None) -> RelayFacts:
    """Connect, hear its name, try TLS with certificates checked, and leave; no login, no letter."""
    context = tls_context or ssl.create_default_context()
    facts = RelayFacts(place=f"{relay.host}:{relay.port}", tls=relay.tls, logs_in=relay.username is not None)
    try:
        client = _connected(relay, context)
    except ssl.SSLError as error:
        return replace(facts, tls_fault=f"no TLS with it: {_words(error)}")
    except (OSError, smtplib.SMTPException) as error:
        return replace(facts, fault=f"it takes no connection: {_words(error)}")
    try:
        return _heard(facts, client, context)
    except (OSError, smtplib.SMTPException) as error:
        return replace(facts, fault=f"it broke the conversation off: {_words(error)}")
    finally:
        client.close()


def _connected(relay: Relay, context: ssl.SSLContext) -> smtplib.SMTP:
    if relay.tls == "implicit":
        return smtplib.SMTP_SSL(relay.host, relay.port, timeout=LONGEST_GREETING, context=context)
    return smtplib.SMTP(relay.host, relay.port, timeout=LONGEST_GREETING)


def _heard(facts: RelayFacts, client: smtplib.SMTP, context: ssl.SSLContext) -> RelayFacts:
    client.ehlo_or_helo_if_needed()
    name = (client.ehlo_resp or client.helo_resp or b"").decode("ascii", "replace").split()
    address = str(client.sock.getpeername()[0]) if client.sock else None
    offered = client.has_extn("starttls")
    return replace(
        facts,
        address=address,
        name=name[0] if name else None,
        offers_starttls=offered,
        tls_fault=_tls_fault(client, context) if offered and facts.tls == "starttls" else None,
    )


def _tls_fault(client: smtplib.SMTP, context: ssl.SSLContext) -> str | None:
    try:
        client.starttls(context=context)
    except (OSError, smtplib.SMTPException) as error:
        return f"STARTTLS is offered and fails: {_words(error)}"
    with suppress(OSError, smtplib.SMTPException):
        client.quit()
    return None


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return _line(f"{error.smtp_code} {said}")
    return _line(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _line(text: str) -> str:
    """On one line, without the controls that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:200]
