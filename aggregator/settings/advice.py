"""What a sound configuration still has to change before readers get anything: advice, not faults."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import ip_address
from urllib.parse import urlsplit

from aggregator.query.grammar import parse_query
from aggregator.query.matching import names_asked_for
from aggregator.settings.values import Settings

_NOWHERE = ("localhost", "example", "test", "invalid", "local", "internal", "example.com", "example.net", "example.org")
"""Names that lead nowhere on the internet (RFC 2606, 6761, 6762), or only inside one network."""


def advice(settings: Settings) -> tuple[str, ...]:
    """One line for each thing to change, with its cure."""
    return (*_site(settings), *_mail(settings), *_queries(settings))


def _site(settings: Settings) -> Iterator[str]:
    address = urlsplit(settings.site.base_url)
    if _leads_nowhere(address.hostname or ""):
        yield f"site.base_url: {settings.site.base_url} leads no reader here; write the site's public address"
    elif settings.newsletters and address.scheme != "https":
        yield "site.base_url: unsubscribing by one click needs an address with https:// (RFC 8058 3.1)"


def _mail(settings: Settings) -> Iterator[str]:
    for letter in settings.newsletters:
        if _leads_nowhere(letter.domain):
            yield f"newsletter {letter.id}: from: {letter.address} is nobody's address; write one of your own domain"
    if settings.newsletters and not settings.smtp_url:
        yield "AGGREGATOR_SMTP_URL: no mail server is named; letters are kept as files in outbox/ and none is sent"
    yield from settings.key_warnings


def _queries(settings: Settings) -> Iterator[str]:
    """Queries that ask for feeds which are not there."""
    ids = [feed.id for feed in settings.feeds]
    for place, query in _asked(settings):
        for name in sorted(names_asked_for(parse_query(query), "feed").difference(ids)):
            near = get_close_matches(name, ids, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "`aggregator feeds list` names them all"
            yield f"{place}: its query asks for feed:{name}, which is no feed here; {hint}"


def _asked(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from ((f"channel {channel.id}", channel.query) for channel in settings.channels)
    yield from ((f"newsletter {letter.id}", letter.query) for letter in settings.newsletters)
    yield from ((f"tag {rule.tag}", rule.when) for rule in settings.rules)


def _leads_nowhere(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return any(f".{host}".endswith(f".{name}") for name in _NOWHERE)
