"""What an answer's headers say about when to come back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from aggregator.model import ServerWishes

LONGEST_RETRY = timedelta(days=7)
"""A Retry-After beyond this is a mistake of the server's, and is shortened."""


def read_wishes(headers: Mapping[str, str], now: datetime) -> ServerWishes:
    """Cache-Control max-age, Expires and Retry-After (RFC 9110 10.2.3, RFC 9111 5.2); what is unreadable is absent."""
    retry = headers.get("Retry-After")
    return ServerWishes(
        max_age=_max_age(headers.get("Cache-Control", "")),
        expires=_moment(headers.get("Expires")),
        retry_after=_retry_after(retry, now) if retry else None,
    )


def _max_age(value: str) -> int | None:
    for directive in value.lower().split(","):
        name, _, seconds = directive.strip().partition("=")
        if name in ("no-cache", "no-store"):
            return 0
        if name == "max-age" and (digits := seconds.strip('" ')).isdecimal():
            return min(int(digits[:10]), 365 * 24 * 3600)
    return None


def _retry_after(value: str, now: datetime) -> datetime | None:
    """Both forms: seconds and a date."""
    value = value.strip()
    if value.isdecimal():
        return now + min(timedelta(seconds=int(value[:10])), LONGEST_RETRY)
    moment = _moment(value)
    return min(moment, now + LONGEST_RETRY) if moment else None


def _moment(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
