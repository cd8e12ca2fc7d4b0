"""What is known of the DNS, and what has yet to be asked: judging again and again, with more answers each time, asks
exactly what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.model.mailfacts import Answer, Question, RecordType

NOT_ASKED = Answer(fault="not asked yet")


class Notebook:
    """Answers at hand; `missing` grows with what is looked for and not there."""

    def __init__(self, known: Mapping[Question, Answer]) -> None:
        self._known = known
        self.missing: set[Question] = set()

    def ask(self, type: RecordType, name: str) -> Answer:
        """What the DNS says, as far as it was asked."""
        question = Question(type=type, name=name.lower().rstrip("."))
        if question not in self._known:
            self.missing.add(question)
            return NOT_ASKED
        return self._known[question]


def tags_of(record: str) -> dict[str, str]:
    """The tags of a DKIM or DMARC record, names in small letters (RFC 6376 3.2)."""
    tags: dict[str, str] = {}
    for item in record.split(";"):
        name, _, value = item.partition("=")
        tags.setdefault(name.strip().lower(), value.strip())
    return tags
