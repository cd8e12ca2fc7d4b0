"""What a text is about: topics by the words that say them, in the text's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aggregator.model.taxonomy import LANGUAGES, Taxonomy
from aggregator.steps.tagging.lexicon import Lexicon, compile_lexicon
from aggregator.steps.tagging.passages import Passages
from aggregator.steps.tagging.scoring import Find, Scale

TOPICS = Scale(
    points={"title": 2.0, "lead": 1.5, "text": 0.5}, most={"title": 1, "lead": 2, "text": 2}, least=2.5, share=0.65
)
BRIEF_WORDS = 40
BRIEF = TOPICS._replace(least=2.0)
"""For shorter texts: there a plain word in the title is much of what there is."""
MAX_TOPICS = 3
_WEIGHTS = {"!": 2.0, "?": 0.5}


class Word(NamedTuple):
    """A word that says a topic, and how much."""

    tag: str
    weight: float


Topics = Mapping[str, Lexicon[Word]]
"""The words of topics by language; "" has those of all."""


def compile_topics(taxonomy: Taxonomy) -> Topics:
    """The words of all topics."""
    found = {
        language: [
            (word.rstrip("!?"), Word(f"topic:{topic.id}", _WEIGHTS.get(word[-1], 1.0)))
            for topic in taxonomy.topics
            for word in topic.words.get(language, ())
        ]
        for language in LANGUAGES
    }
    found[""] = [meaning for meanings in found.values() for meaning in meanings]
    return {language: compile_lexicon(meanings) for language, meanings in found.items()}


def scale_for(passages: Passages) -> Scale:
    """How many points a topic needs in this text."""
    return BRIEF if len(passages.text_words) < BRIEF_WORDS else TOPICS


def subjects(passages: Passages, topics: Topics, language: str) -> list[Find]:
    """Every word that says a topic; a text of another language than ours may say it in any of them."""
    lexicon = topics.get(language) or topics[""]
    return [
        Find(word.tag, field, matched, word.weight)
        for field, matched, hit in passages.find(lexicon)
        for word in hit.senses
    ]
