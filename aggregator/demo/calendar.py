"""The sample feeds always look fresh: their dates move with today, by whole weeks, so that Mondays stay Mondays."""

import re
from datetime import date, timedelta
from email.utils import format_datetime, parsedate_to_datetime

EDITION = date(2026, 11, 25)
"""The day the sample feeds were written; all their dates lie before it."""

_RFC_3339 = re.compile(r"\b\d{4}-\d{2}-\d{2}(?=T\d{2}:\d{2}:\d{2})")
_RFC_5322 = re.compile(r"\b[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}")


def as_of(today: date, document: bytes) -> bytes:
    """The document with its dates moved so that the edition is at most six days old."""
    shift = timedelta(weeks=(today - EDITION).days // 7)
    text = document.decode("latin-1")  # one character per octet, whatever the document's own encoding
    text = _RFC_3339.sub(lambda found: (date.fromisoformat(found[0]) + shift).isoformat(), text)
    text = _RFC_5322.sub(lambda found: format_datetime(parsedate_to_datetime(found[0]) + shift), text)
    return text.encode("latin-1")
