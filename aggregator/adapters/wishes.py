"""What an answer's headers say about when to come back."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from multidict import MultiMapping

from aggregator.model.poll import ServerWishes

LONGEST_RETRY = timedelta(days=7)
"""A Retry-After beyond this is a mistake of the server's, and is shortened."""
LONGEST_AGE = 365 * 24 * 3600


def read_wishes(headers: MultiMapping[str], now: datetime) -> ServerWishes:
    """Cache-Control max-age, Expires and Retry-After (RFC 9110 10.2.3, RFC 9111 5.2); what is unreadable is absent.

    Dates are read by the server's own clock: they count from its Date header, where it sends one.
    """
    expires, retry = headers.get("Expires"), headers.get("Retry-After", "").strip()
    date = _moment(headers.get("Date")) if expires or retry else None
    skew = now - date if date else timedelta(0)
    return ServerWishes(
        max_age=_max_age(", ".join(headers.getall("Cache-Control", ()))),
        expires=_moment(expires, skew),
        retry_after=_retry_after(retry, now, skew) if retry else None,
    )


def _max_age(value: str) -> int | None:
    directives = dict(_directive(part) for part in reversed(value.lower().split(",")))  # the first of equals counts
    if "no-cache" in directives or "no-store" in directives:
        return 0
    seconds = directives.get("max-age", "")
    return min(int(seconds[:20]), LONGEST_AGE) if seconds.isdecimal() else None


def _directive(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip('" ')


def _retry_after(value: str, now: datetime, skew: timedelta) -> datetime | None:
    """Both forms: seconds and a date."""
    if value.isdecimal():
        return now + min(timedelta(seconds=int(value[:10])), LONGEST_RETRY)
    moment = _moment(value, skew)
    return min(moment, now + LONGEST_RETRY) if moment else None


def _moment(value: str | None, skew: timedelta = timedelta(0)) -> datetime | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC) + skew
    except (ValueError, OverflowError):
        return None
