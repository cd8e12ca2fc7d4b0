"""Document -> a sketch of each entry, while what the entries have in common is at hand.

refresh: ... normalise > identity > **sketch** > keys > entries.known ...
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote

from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.steps.folding import anchors
from aggregator.steps.folding.reading import hash64, is_roundup, text_of, words
from aggregator.steps.folding.shingles import LEAD, boilerplate, sampled, shingles
from aggregator.steps.folding.sketch import Sketch
from aggregator.urls import canonical_url, dois_in, is_site_root

MAX_OUTS = 6
MAX_DOIS = 2
"""A text with more DOIs lists what it read."""
_REPEATED = 3
"""So many entries of a document link what is no work, but a page of the publisher."""
_LINKS = 40
_HREF = re.compile(r'<a\b[^<>]*?\bhref="(https?://[^"]+)"')


def sketches(feed: ParsedFeed) -> tuple[Sketch, ...]:
    """One sketch for each entry, in order; what the entries of the document repeat is left out of all."""
    texts = [_Text.of(entry) for entry in feed.entries]
    document = _Document(feed.entries, texts)
    return tuple(document.sketch(entry, text) for entry, text in zip(feed.entries, texts, strict=True))


@dataclass(frozen=True, slots=True)
class _Text:
    """What is read off one entry."""

    said: str
    words: Sequence[str]
    runs: Sequence[int]
    whole: frozenset[int]
    """The runs, each once."""
    own: Sequence[str]
    links: Sequence[str]

    @classmethod
    def of(cls, entry: ParsedEntry) -> _Text:
        text = text_of(entry)
        found = words(text)
        runs = shingles(found)
        return cls(
            said=f"{entry.title}. {text}",
            words=found,
            runs=runs,
            whole=frozenset(runs),
            own=own_addresses(entry),
            links=_links(entry),
        )


class _Document:
    """What the entries of one document have in common, and is no entry's own."""

    def __init__(self, entries: Sequence[ParsedEntry], texts: Sequence[_Text]) -> None:
        self._boilerplate = boilerplate(text.whole for text in texts)
        self._shared = _shared([text.own for text in texts], entries)
        linked = Counter(chain.from_iterable(text.links for text in texts))
        self._usual = {link for link, count in linked.items() if count >= _REPEATED}

    def sketch(self, entry: ParsedEntry, text: _Text) -> Sketch:
        """The sketch of one of the entries."""
        common = self._boilerplate
        runs = [run for run in text.runs if run not in common] if common else text.runs
        scale, sample = sampled(text.whole - common if common else text.whole)
        dois = _dois(entry)
        names, figures = anchors.names_and_figures(text.said)
        return Sketch(
            language=anchors.language_of(text.words, entry.language),
            length=len(text.words),
            scale=scale,
            roundup=is_roundup(entry),
            urls=_hashed(url for url in text.own if url not in self._shared),
            outs=_hashed([out for out in text.links if out not in self._usual and out not in text.own][:MAX_OUTS]),
            dois=_hashed(dois),
            cited=_hashed(_cited(entry) - dois),
            lead=frozenset(runs[:LEAD]),
            sample=sample,
            names=names,
            figures=figures,
            stems=anchors.stems(text.words),
        )


def own_addresses(entry: ParsedEntry) -> list[str]:
    """Canonical addresses of the entry: its link, and its guid where that is one; never a whole site."""
    given = [entry.url, entry.guid if entry.guid and entry.guid.startswith("http") else None]
    forms = [canonical_url(address) for address in given if address]
    return list(dict.fromkeys(form for form in forms if form and not is_site_root(form)))


def _shared(addresses: Sequence[Sequence[str]], entries: Sequence[ParsedEntry]) -> set[str]:
    """Addresses that stand under several titles in one document: pages that list things.

    An entry that stands in it twice, once as it was before an edit, goes by the first title.
    """
    first: dict[tuple[str, str], str] = {}
    titles: defaultdict[str, set[str]] = defaultdict(set)
    for own, entry in zip(addresses, entries, strict=True):
        for address in own:
            titles[address].add(first.setdefault((entry.guid, own[0]), entry.title) if entry.guid else entry.title)
    return {address for address, found in titles.items() if len(found) > 1}


def _links(entry: ParsedEntry) -> list[str]:
    """Canonical addresses that the text and the hreflang links lead to, each once, in order."""
    markup = entry.content + entry.summary
    given = [link.href for link in entry.links if link.rel in ("alternate", "related", "via", "canonical")]
    forms = (canonical_url(address) for address in (*given[:_LINKS], *_HREF.findall(markup)[:_LINKS]))
    return list(dict.fromkeys(form for form in forms if form and not is_site_root(form)))


def _dois(entry: ParsedEntry) -> set[str]:
    """Its own: said to be so, or its address."""
    return {doi.lower() for doi in (entry.doi, *dois_in(unquote(entry.url or ""))[:MAX_DOIS]) if doi}


def _cited(entry: ParsedEntry) -> set[str]:
    """Those its text names, unless they are many."""
    named = {doi.lower() for doi in dois_in(f"{entry.content} {entry.summary}")}
    return named if len(named) <= MAX_DOIS else set()


def _hashed(texts: Iterable[str]) -> frozenset[int]:
    return frozenset(map(hash64, texts))
