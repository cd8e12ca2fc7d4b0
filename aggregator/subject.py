"""What a query is asked about: texts folded to words, with the tags, feeds, languages and date beside them.

Texts are folded once, when the first term asks; names of tags are made of the same folded words, so
that `category:"External Publications"` and the tag `category:external-publications` agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from html import unescape

from aggregator.model.feed import Feed
from aggregator.model.parsed import Category, ParsedEntry, SafeHtml
from aggregator.model.story import Story

MAX_SLUG = 64

# --- folding --------------------------------------------------------------------------------------

BREAK = "\x02"
"""Stands between joined texts as a word of its own, so that no phrase reaches across."""
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)} | {0x02: BREAK}
_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i"}
"""Latin letters that Unicode does not take apart, but people write without their stroke or ligature."""
_SPELLINGS = tuple(
    (form, plain) for letter, plain in _LETTERS.items() for form in {letter, letter.upper()} - {"I", "SS"}
)
_INVISIBLE = "\u00ad\u200b-\u200f\u2060\ufeff"
_DROPPED = re.compile(f"[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670{_INVISIBLE}]+")
_SIGNS = "\u00a1-\u00ac\u00ae-\u00bf\u00d7\u00f7\u2010-\u205f\u20a0-\u20cf"
_SIGN = re.compile(f"[{_SIGNS}]")
_NOT_LATIN = re.compile(f"[^\x00-\x7f\u0300-\u036f{_INVISIBLE}{_SIGNS}]")
_WORD = re.compile(r"[\w\x02\u0900-\u0963\u0966-\u0dff]+")
_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u1100-\u11ff\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"  # Korean, Japanese, Chinese
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_BORDER = re.compile(f"(?<=[{_UNSPACED}])(?=[^{_UNSPACED}])|(?<=[^{_UNSPACED}])(?=[{_UNSPACED}])")


def words_of(text: str) -> list[str]:
    """The words of a text, folded: NFKD without accents, case-folded (Unicode 3.13, UAX 15)."""
    if text.isascii():
        return text.encode("ascii").translate(_FOLDED).decode("ascii").split()
    for letter, plain in _SPELLINGS:
        text = text.replace(letter, plain)
    if western := _western(text):
        return western.split()
    text = unicodedata.normalize("NFKD", text)
    if latin := _latin(text):
        return latin.split()
    return _words_of_any_script(text)


def _western(text: str) -> str:
    """The text folded by one table, as most European texts may be; "" when it has a letter that the table has not."""
    try:
        octets, table = text.encode("latin-1"), _FOLDED_LATIN  # four times as fast as the other
    except UnicodeEncodeError:
        try:
            octets, table = text.encode(_WESTERN), _FOLDED
        except UnicodeEncodeError:
            return ""
    octets = octets.translate(table, _SOFT_HYPHEN)
    return "" if _NO_FOLD in octets else octets.decode("ascii")


def _latin(decomposed: str) -> str:
    """The text folded, when it is ASCII, marks and signs; else ""."""
    if _NOT_LATIN.search(decomposed):
        return ""
    return _SIGN.sub(" ", decomposed).encode("ascii", "ignore").decode("ascii").translate(_ASCII)


def _words_of_any_script(decomposed: str) -> list[str]:
    text = unicodedata.normalize("NFC", _DROPPED.sub("", decomposed)).casefold()
    if _HAS_UNSPACED.search(text):
        text = _BORDER.sub(" ", text)
    return _WORD.findall(text.replace("_", " "))


_WESTERN, _SOFT_HYPHEN, _NO_FOLD = "cp1252", b"\xad", b"\0"


def _fold(octet: int) -> bytes:
    """What a letter of `_WESTERN` becomes, as one octet."""
    letter = bytes([octet]).decode(_WESTERN, "replace")
    folded = _latin(unicodedata.normalize("NFKD", letter))
    return b" " if folded.isspace() else folded.encode() if len(folded) == 1 else _NO_FOLD


_FOLDED = b"".join(map(_fold, range(256)))
_FOLDED_LATIN = _FOLDED[:0x80] + _NO_FOLD * 0x20 + _FOLDED[0xA0:]
"""The same of ISO 8859-1, which has controls where the other has letters and signs (Unicode mapping tables)."""


def runs_on(word: str) -> bool:
    """Whether a word is of a script written without spaces (or, as Korean, with particles joined on)."""
    return _HAS_UNSPACED.match(word) is not None


def slug(text: str) -> str:
    """The words of a text as one name, at most `MAX_SLUG` characters; "" when it has no letter or digit."""
    return "-".join(words_of(text.replace(BREAK, " ")))[:MAX_SLUG].rstrip("-")


def tag_name(namespace: str, text: str) -> str:
    """The name a tag of this namespace has for these words."""
    return f"{namespace}:{slug(text)}"


# --- what is searched -----------------------------------------------------------------------------


class Text:
    """A text as a set of words and as one line with a space on each side of every word."""

    def __init__(self, words: list[str]) -> None:
        self.words = frozenset(words)
        self.in_order = words

    @cached_property
    def line(self) -> str:
        return f" {' '.join(self.in_order)} "


class Subject:
    """What a query is asked about; texts are folded when first needed, `tags` may grow between questions."""

    def __init__(
        self,
        *,
        title: str = "",
        text: str | Callable[[], str] = "",
        tags: Iterable[str] = (),
        categories: Iterable[str] = (),
        feeds: Iterable[str] = (),
        languages: Iterable[str] = (),
        authors: Iterable[str] = (),
        date: datetime | None = None,
    ) -> None:
        self._title, self._text = title, text
        self._categories, self._authors = tuple(categories), tuple(authors)
        self.tags = set(tags)
        self.feeds = frozenset(feed.lower() for feed in feeds)
        codes = [language.lower().replace("_", "-") for language in languages]
        self.languages = frozenset((*codes, *(code.partition("-")[0] for code in codes)))
        self.date = date

    @cached_property
    def title(self) -> Text:
        return Text(words_of(self._title))

    @cached_property
    def body(self) -> Text:
        return Text(words_of(self._text if isinstance(self._text, str) else self._text()))

    @cached_property
    def everywhere(self) -> Text:
        return Text([*self.title.in_order, BREAK, *self.body.in_order])

    @cached_property
    def category(self) -> Text:
        return Text(words_of(f" {BREAK} ".join(self._categories)))

    @cached_property
    def author(self) -> Text:
        return Text(words_of(f" {BREAK} ".join(self._authors)))


_INLINE = re.compile(r"</?(?:a|abbr|b|bdi|em|i|mark|s|small|span|strong|u|wbr)(?:\s(?:[^<>\"]+|\"[^\"]*\")*+)?>")
_ELEMENT = re.compile(r"<(?:[^<>\"]+|\"[^\"]*\")*+>")


def plain_text(html: SafeHtml) -> str:
    """The text of sanitised markup, for searching: blocks apart, inline elements joined."""
    text = _ELEMENT.sub(" ", _INLINE.sub("", html)) if "<" in html else html
    return unescape(text) if "&" in text else text


def entry_subject(entry: ParsedEntry, feed: Feed, tags: Iterable[str], date: datetime) -> Subject:
    """An entry of this feed as a query sees it."""
    language = entry.language or feed.language
    return Subject(
        title=entry.title,
        text=lambda: _text_of((entry,)),
        tags=tags,
        categories=map(category_words, entry.categories),
        feeds=(feed.id,),
        languages=(language,) if language else (),
        authors=(person.name for person in entry.authors),
        date=date,
    )


def story_subject(story: Story) -> Subject:
    """A story as a query sees it: the words, tags and feeds of all its entries, the date of its head."""
    entries = story.entries
    return Subject(
        title=f" {BREAK} ".join(entry.title for entry in entries),
        text=lambda: _text_of(entries),
        tags=(tag.name for entry in entries for tag in entry.tags),
        categories=(category_words(category) for entry in entries for category in entry.categories),
        feeds=(entry.feed_id for entry in entries),
        languages=(entry.language for entry in entries if entry.language),
        authors=(person.name for entry in entries for person in entry.authors),
        date=story.head.date,
    )


def category_words(category: Category) -> str:
    """The publisher's words for a category: its label, else its term."""
    return category.label or category.term


def _text_of(entries: Iterable[ParsedEntry]) -> str:
    pieces = dict.fromkeys(html for entry in entries for html in (entry.summary, entry.content) if html)
    return f" {BREAK} ".join(map(plain_text, pieces))
