"""Entry -> sketch and the keys by which it is looked up, while its document is at hand.

refresh: ... normalise > identity > **sketch** > entries.known ...
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from urllib.parse import unquote

from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.steps.folding import anchors
from aggregator.steps.folding.reading import is_roundup, text_of, words
from aggregator.steps.folding.shingles import LEAD, WordHashes, boilerplate, sampled, shingles
from aggregator.steps.folding.sketch import Sketch
from aggregator.urls import canonical_url, is_site_root

MAX_OUTS = 6
MAX_DOIS = 2
"""A text with more DOIs lists what it read."""
_REPEATED = 3
_HREF = re.compile(r'<a\b[^<>]*?\bhref="(https?://[^"]+)"')
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"'<>&?#]+", re.IGNORECASE)


def sketches(feed: ParsedFeed) -> tuple[Sketch, ...]:
    """One sketch for each entry, in order; what the entries of the document repeat is left out of all."""
    entries = feed.entries
    texts = [text_of(entry) for entry in entries]
    cut = [words(text) for text in texts]
    hashes = WordHashes()
    runs = [shingles(found, hashes) for found in cut]
    common = boilerplate(runs)
    own = [own_addresses(entry) for entry in entries]
    links = [_links(entry) for entry in entries]
    shared = _shared(own, entries)
    usual = {
        link for link, count in Counter(link for found in links for link in set(found)).items() if count >= _REPEATED
    }
    return tuple(
        _sketch(
            entry,
            text,
            found,
            runs=[run for run in said if run not in common] if common else said,
            urls=[url for url in urls if url not in shared],
            outs=[out for out in outs if out not in usual and out not in urls],
        )
        for entry, text, found, said, urls, outs in zip(entries, texts, cut, runs, own, links, strict=True)
    )


def _sketch(
    entry: ParsedEntry,
    text: str,
    found: Sequence[str],
    *,
    runs: Sequence[int],
    urls: Sequence[str],
    outs: Sequence[str],
) -> Sketch:
    dois = _dois(entry)
    scale, sample = sampled(runs)
    said = f"{entry.title}. {text}"
    return Sketch(
        language=anchors.language_of(found, entry.language),
        length=len(found),
        scale=scale,
        roundup=is_roundup(entry),
        urls=frozenset(map(_hash64, urls)),
        outs=frozenset(map(_hash64, outs[:MAX_OUTS])),
        dois=frozenset(map(_hash64, dois)),
        cited=frozenset(map(_hash64, _cited(entry) - dois)),
        lead=frozenset(runs[:LEAD]),
        sample=sample,
        names=anchors.names(said),
        figures=anchors.figures(said),
        stems=anchors.stems(found),
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
    given = [*(link.href for link in entry.links if link.rel in ("alternate", "related", "via", "canonical"))]
    forms = (canonical_url(address) for address in (*given, *_HREF.findall(markup)[:40]))
    return list(dict.fromkeys(form for form in forms if form and not is_site_root(form)))


def _dois(entry: ParsedEntry) -> set[str]:
    """Its own: said to be so, or its address."""
    return {doi.lower() for doi in (entry.doi, *_DOI.findall(unquote(entry.url or ""))) if doi}


def _cited(entry: ParsedEntry) -> set[str]:
    """Those its text names, unless they are many."""
    named = {found.lower().rstrip(".,;)") for found in _DOI.findall(f"{entry.content} {entry.summary}")}
    return named if len(named) <= MAX_DOIS else set()


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
