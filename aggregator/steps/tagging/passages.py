"""An entry cut into what is said in its title, at the beginning of its text, and further on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from aggregator.model.parsed import ParsedEntry, SafeHtml
from aggregator.steps.tagging.lexicon import Beginnings, Hit, Lexicon
from aggregator.subject import BREAK, plain_text, words_of

Sense = TypeVar("Sense")
Passage = Literal["title", "lead", "text"]

MAX_CHARACTERS = 20_000
"""Of a text's beginning: what a publication is about is said there, and a book costs no more than an essay."""
LEAD, ABSTRACT = 30, 60
"""Words of a text that introduce it; a text of so few as an abstract has does nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passages:
    """The words of an entry, and the title and text as they are written."""

    title: str
    text: str
    title_words: list[str]
    text_words: list[str]
    title_spots: list[int]
    """Where phrases may begin."""
    text_spots: list[int]
    whole: bool
    """Whether the text was read to its end."""

    def find(self, lexicon: Lexicon[Sense]) -> Iterator[tuple[Passage, str, Hit[Sense]]]:
        """Every phrase found: where, how it reads when folded, and what it may mean."""
        for hit in lexicon.find(self.title_words, self.title_spots):
            yield "title", _folded(self.title_words, hit), hit
        lead = LEAD if len(self.text_words) > ABSTRACT else ABSTRACT
        for hit in lexicon.find(self.text_words, self.text_spots):
            yield "lead" if hit.at < lead else "text", _folded(self.text_words, hit), hit


def passages_of(entry: ParsedEntry, beginnings: Beginnings) -> Passages:
    """The title, and the summary before the content unless one stands in the other; `beginnings` of all lexicons."""
    content, summary = entry.content, entry.summary
    markup = content if summary in content else summary if content in summary else f"{summary} {BREAK} {content}"
    text = plain_text(SafeHtml(markup[:MAX_CHARACTERS]))
    title_words, text_words = words_of(entry.title), words_of(text)
    return Passages(
        title=entry.title,
        text=text,
        title_words=title_words,
        text_words=text_words,
        title_spots=beginnings.spots(title_words),
        text_spots=beginnings.spots(text_words),
        whole=len(markup) <= MAX_CHARACTERS,
    )


def _folded(words: Sequence[str], hit: Hit[Sense]) -> str:
    return words[hit.at] if hit.length == 1 else " ".join(words[hit.at : hit.at + hit.length])
