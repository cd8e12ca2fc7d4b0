"""feedparser, fenced and tuned: the only file that knows it.

It gets a BytesIO only: bytes that happen to be a path or an address would be opened. Its sanitiser and its URL
resolver stay off: `normalise.py` does both after, in one pass. What is changed here once, at import:

- the text of an element comes in one piece and goes through the windows-1252 table only where that changes it; names
  are taken apart and bases joined once; what describes a content, a dict of words, is copied as such; ordinary keys
  are looked up without an exception: the results are equal, in less time;
- the text of an author stays whole for `items.py` to read: the search for an address in it took time that grows
  with the square of its length, cut addresses of the longer new domains, and lent one author the mail of another;
- a guid stays as it is written, for it is a name; resolved, it would change with the address of the feed;
- dates go to `dates.py` that its readers do not know, or read wrongly: clocks of twelve hours, all but whole ISO 8601;
- the caption of a picture (`media:description`) is not the text of the item;
- its handlers of elements that we do not use are gone: some raise when the element stands where they do not expect it.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from copy import deepcopy
from datetime import datetime
from functools import lru_cache
from typing import Any
from xml.sax import SAXParseException
from xml.sax.expatreader import ExpatParser
from xml.sax.xmlreader import AttributesNSImpl

import feedparser
import feedparser.api
import feedparser.datetimes
import feedparser.mixin
from feedparser.mixin import _FeedParserMixin
from feedparser.namespaces import _base, cc, georss, mediarss, psc
from feedparser.util import FeedParserDict

from aggregator.model.poll import Cause
from aggregator.steps.parse.dates import TWELVE_HOURS, read_date
from aggregator.steps.parse.items import moment
from aggregator.steps.parse.limits import NotAFeedError
from aggregator.steps.parse.plain import MAX_EVENTS, PREFIXES, Event, Leaf, PlainItem, begins_item, leaves_of, name_of
from aggregator.urls import is_whole

FAULTS = (ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What feedparser is seen to raise on documents that surprise it."""


def read(body: bytes, *, content_type: str, url: str) -> dict[str, Any]:
    """What feedparser finds in `body`, its plain items as PlainItem; raises NotAFeedError when it gives up."""
    headers = {"content-location": url, "content-type": content_type}
    reading = _READING.set(True)
    try:
        found: dict[str, Any] = feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except FAULTS as error:
        raise NotAFeedError(Cause.PARSE, f"unreadable: {type(error).__name__}: {str(error)[:80]}") from error
    finally:
        _READING.reset(reading)
    return found


_READING = ContextVar("reading", default=False)
"""Whether feedparser reads for `read`, which knows what plain items are, and for nobody else in this process."""


def fault(found: dict[str, Any]) -> str:
    """What is wrong with the document itself; a server's word about its type or encoding is not the document's."""
    error = found.get("bozo_exception") if found.get("bozo") else None
    if error is None or isinstance(error, feedparser.NonXMLContentType | feedparser.CharacterEncodingOverride):
        return ""
    place = f" at line {error.getLineNumber()}" if isinstance(error, SAXParseException) else ""
    return f"not well-formed{place}: {error.getMessage() if place else error}"[:200]


class BufferedExpat(ExpatParser):
    """The standard reader of XML, with neighbouring pieces of text joined and names taken apart once.

    An item's events are held back until it ends. A plain one is then kept as it is; of any other they are told to
    feedparser, which so reads the document as it would have.
    """

    _parser: Any
    _cont_handler: Any

    def reset(self) -> None:
        super().reset()
        self._parser.buffer_text = True
        self._parser.buffer_size = 64 * 1024
        self._item, self._sets_plain_apart = "", _READING.get()
        self._held: list[Event] = []

    def start_element_ns(self, name: str, attrs: Mapping[str, str]) -> None:
        if attrs:
            super().start_element_ns(name, attrs)
        elif self._sets_plain_apart and begins_item(name) and _may_be_plain(self._cont_handler):
            self._item = name
            self._listen(self._hold_start, self._hold_end, self._held.append, self._hold_no_longer)
        else:
            self._cont_handler.startElementNS(name_of(name), None, NO_ATTRIBUTES)

    def end_element_ns(self, name: str) -> None:
        self._cont_handler.endElementNS(name_of(name), None)

    def _listen(self, *handlers: Callable[..., None]) -> None:
        expat = self._parser
        expat.StartElementHandler, expat.EndElementHandler = handlers[:2]
        expat.CharacterDataHandler, expat.StartNamespaceDeclHandler = handlers[2:]

    def _hold_start(self, name: str, attrs: Mapping[str, str]) -> None:
        if len(self._held) < MAX_EVENTS:
            self._held.append((name, attrs))
        else:
            self._release()
            self.start_element_ns(name, attrs)

    def _hold_end(self, name: str) -> None:
        if name != self._item:
            self._held.append(None)
        elif (leaves := leaves_of(self._held)) is not None:
            self._held.clear()
            self._listen_again()
            _keep(self._cont_handler, leaves)
        else:
            self._release()
            self.end_element_ns(name)

    def _hold_no_longer(self, prefix: str | None, uri: str) -> None:
        """A namespace is declared within the item."""
        self._release()
        self.start_namespace_decl(prefix, uri)

    def _listen_again(self) -> None:
        handlers = self.start_element_ns, self.end_element_ns, self._cont_handler.characters, self.start_namespace_decl
        self._listen(*handlers)

    def _release(self) -> None:
        """Tell feedparser all that was held back."""
        held, self._held = self._held, []
        self._listen_again()
        self._cont_handler.startElementNS(name_of(self._item), None, NO_ATTRIBUTES)
        open_elements: list[str] = []
        for event in held:
            if isinstance(event, str):
                self._cont_handler.characters(event)
            elif event is None:
                self.end_element_ns(open_elements.pop())
            else:
                open_elements.append(event[0])
                self.start_element_ns(*event)


_BUSY = ("inentry", "insource", "incontent", "inauthor", "incontributor", "inpublisher", "svgOK", "contentparams")
_PLAIN_VERSIONS = ("rss20", "atom10")


def _may_be_plain(state: Any) -> bool:
    """Whether feedparser is in no state that an item could be read differently in."""
    base = state.baseuri
    return bool(
        state.infeed
        and state.version in _PLAIN_VERSIONS
        and not any(getattr(state, name) for name in _BUSY)
        and all(state.namespacemap.get(prefix, prefix) == prefix for prefix in PREFIXES)
        and feedparser.mixin.make_safe_absolute_uri(base, base) == base
    )


def _keep(state: Any, leaves: Sequence[Leaf]) -> None:
    """Have feedparser find a plain item read, and be in the state that leaves it in."""
    is_atom = state.version.startswith("atom")
    state.entries.append(PlainItem(leaves=leaves, language=state.lang, base=state.baseuri, is_atom=is_atom))
    titled = any(leaf.rule.kind == "title" and leaf.text.strip() for leaf in leaves)
    state.title_depth = state.depth + 2 if titled else -1
    state.inimage = state.intextinput = state.hasContent = 0


def create_parser() -> BufferedExpat:
    """What `xml.sax.make_parser` asks the modules for that it is given by name."""
    return BufferedExpat()


def as_read(text: str) -> str:
    """A text as feedparser gives it: without space around it, and UTF-8 that was taken for Latin-1 read again."""
    text = text.strip()
    if text.isascii():
        return text
    with suppress(UnicodeError):
        text = text.encode("iso-8859-1").decode()
    return UnmappedText(text).translate(feedparser.mixin._cp1252).strip()


def looks_like_html(text: str) -> bool:
    """Whether feedparser takes a text, that is not said to be either, for markup."""
    return ("<" in text or "&" in text) and bool(_FeedParserMixin.looks_like_html(text))


def resolved(address: str, base: str) -> str:
    """An address as feedparser resolves it."""
    return address if is_whole(address) else str(feedparser.mixin._urljoin(base, address))


def read_moment(text: str) -> datetime | None:
    """The date that feedparser reads."""
    return moment(feedparser.datetimes._parse_date(text))


class UnmappedText(str):
    """A text that goes through feedparser's windows-1252 table only when one of its characters stands there.

    `str.translate` raises and catches a LookupError for each character that a table lacks: of most texts, for all.
    """

    __slots__ = ()

    def translate(self, table: Any) -> str:
        spaced = self.replace("\n", " ").replace("\t", " ").replace("\xa0", " ")  # seen faster than by the expression
        return str(self) if spaced.isprintable() or not _MAPPED.search(self) else super().translate(table)


_MAPPED = re.compile(f"[{''.join(map(chr, feedparser.mixin._cp1252))}]")


NO_ATTRIBUTES = AttributesNSImpl({}, {})


SPECIAL = {*FeedParserDict.keymap, "category", "enclosures", "license", "updated", "updated_parsed"}
"""Keys that a FeedParserDict looks up under another name, or makes up."""
_get, _contains = FeedParserDict.get, FeedParserDict.__contains__


def _quick_get(self: Any, key: str, default: Any = None) -> Any:
    return _get(self, key, default) if key in SPECIAL else dict.get(self, key, default)


def _quick_contains(self: Any, key: str) -> bool:
    return bool(_contains(self, key)) if key in SPECIAL else dict.__contains__(self, key)


def _copied(self: Any, memo: dict[int, Any]) -> Any:
    """A copy all the way down; of words alone, the first step is the last."""
    if any(isinstance(value, dict | list) for value in self.values()):
        return FeedParserDict({key: deepcopy(value, memo) for key, value in self.items()})
    return FeedParserDict(self)


def _sync_author_detail(self: Any, key: str = "author") -> None:
    context = self._get_context()
    people, text = dict.get(context, f"{key}s"), dict.get(context, key)
    if not self.inauthor and isinstance(people, list) and not people[-1] and text:
        people[-1]["name"] = text


def _other_date(text: str) -> tuple[int, ...] | None:
    moment = read_date(text)
    return moment.utctimetuple() if moment else None


def _twelve_hour_date(text: str) -> tuple[int, ...] | None:
    return _other_date(text) if TWELVE_HOURS.search(text) else None


def _start_media_description(self: Any, attributes: dict[str, str]) -> None:
    self.push("media_description", 1)


def _end_media_description(self: Any) -> None:
    self.pop("media_description")


def _forget_handlers(namespace: type, *elements: str) -> None:
    """Of these elements, or of all that the namespace knows."""
    for name in tuple(vars(namespace)):
        _, moment, element = name.split("_", 2) if name.startswith(("_start_", "_end_")) else ("", "", "")
        if moment and (not elements or element in elements):
            delattr(namespace, name)


for _namespace in (cc.Namespace, georss.Namespace, psc.Namespace):
    _forget_handlers(_namespace)
_forget_handlers(_base.Namespace, "width", "height")
_forget_handlers(mediarss.Namespace, "media_player")
feedparser.api.PREFERRED_XML_PARSERS = [__name__]
feedparser.mixin.make_safe_absolute_uri = lru_cache(maxsize=256)(feedparser.mixin.make_safe_absolute_uri)
feedparser.datetimes._date_handlers.remove(feedparser.datetimes._parse_date_iso8601)
feedparser.datetimes._date_handlers.insert(0, _twelve_hour_date)
feedparser.datetimes._date_handlers.append(_other_date)
FeedParserDict.get, FeedParserDict.__contains__ = _quick_get, _quick_contains
FeedParserDict.__deepcopy__ = _copied
_FeedParserMixin.decode_entities = staticmethod(lambda element, text: UnmappedText(text))
_FeedParserMixin.can_be_relative_uri = _FeedParserMixin.can_be_relative_uri - {"id"}
_FeedParserMixin._sync_author_detail = _sync_author_detail
_FeedParserMixin._start_media_description = _start_media_description
_FeedParserMixin._end_media_description = _end_media_description
