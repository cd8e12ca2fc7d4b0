"""The sentences that stand beside the buttons by which a person agrees or leaves, as they are kept for evidence.

A sentence is never altered: another one gets another version.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "1"
LANGUAGE = "en"
"""The language of the pages, and so of these sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWords:
    """What is said before each button; `{newsletter}` and `{site}` are filled in."""

    ask: str
    confirm: str
    change: str
    leave: str
    take_up: str


WORDS = ConsentWords(
    ask="Send me the newsletters ticked here by e-mail, until I say stop. A mail to this address asks me to confirm.",
    confirm="Yes, send {newsletter} of {site} to my address, until I say stop.",
    change="Send me {newsletter} as chosen here.",
    leave="Stop sending me {newsletter}.",
    take_up="Send me {newsletter} again, until I say stop.",
)


def source_of(page: str) -> str:
    """How evidence names where a sentence was read."""
    return f"{page}, wording {VERSION}"
