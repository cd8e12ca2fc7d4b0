"""Words and names as the search index holds them: what the matcher compares, told in tokens.

A token is a folded word as it is. A word of a script without spaces is found anywhere in the line, so each of its
characters is a token, and two such words that meet have a token between them: then a text holds a phrase exactly
when the tokens of one stand side by side in those of the other. Tags, feeds and languages are one token each.
"""

import re
from collections.abc import Iterable, Iterator

from aggregator.model.indexed import Indexed, Stale, StoryWords, place_of
from aggregator.model.story import Story
from aggregator.query.tree import NAME_FIELDS
from aggregator.subject import Subject, Text, runs_on, story_subject

EVERY = "_"
"""The name that every Story has."""
MEETING = "__"
"""Stands where two words of a script without spaces meet."""
MAX_TOKEN = 255
"""Characters of a token; PostgreSQL takes 2,046 octets."""
_PLAIN = re.compile(r"[a-z0-9\x80-\U0010ffff]*")
_SIGN = re.compile(r"[^a-z0-9\x80-\U0010ffff]")
_SCOPES = tuple(dict.fromkeys(NAME_FIELDS.values()))


def indexed(stale: Stale) -> Indexed:
    """What the index shall hold of a Story that changed."""
    return Indexed(seq=stale.seq, turn=stale.turn, words=words_of_story(stale.story) if stale.story else None)


def words_of_story(story: Story) -> StoryWords:
    """A Story's words and names in tokens."""
    subject = story_subject(story)
    return StoryWords(
        place=place_of(story),
        title=_line(subject.title),
        text=_line(subject.body),
        author=_line(subject.author),
        category=_line(subject.category),
        names=" ".join(_names(subject)),
    )


def tokens_of(words: Iterable[str]) -> Iterator[str]:
    """The tokens of folded words, in their order."""
    after_run = False
    for word in words:
        run = runs_on(word)
        if run:
            if after_run:
                yield MEETING
            yield from word
        else:
            yield _escaped(word[:MAX_TOKEN])
        after_run = run


def name_token(scope: str, name: str) -> str:
    """The token of a name among those of its kind; what a name begins with, its token begins with."""
    return _escaped(f"{scope}:{name}"[:MAX_TOKEN])


def _line(text: Text) -> str:
    return " ".join(tokens_of(text.line.split()))


def _names(subject: Subject) -> Iterator[str]:
    yield EVERY
    for scope in _SCOPES:
        names: frozenset[str] = frozenset(getattr(subject, scope))
        for name in sorted(names | set(map(kind_of, names))):
            yield name_token(scope, name)


def kind_of(name: str) -> str:
    """What a name has up to its colon, a name as well: `country:*` is asked for often, and is then one token."""
    return name[: name.find(":") + 1]


def _escaped(text: str) -> str:
    """Letters and digits as they are, any other sign of ASCII as `_` and its number: each by itself."""
    return text if _PLAIN.fullmatch(text) else _SIGN.sub(lambda found: f"_{ord(found[0]):02x}", text)
