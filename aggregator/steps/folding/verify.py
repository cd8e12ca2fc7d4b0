"""Whether two entries are one publication: rules in order, and the first that speaks decides.

refresh: ... entries.candidates > **judge** > cluster. A judgement depends on the two entries alone, and is the same
whichever of them came first: what a replay brings in another order, it folds alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import permutations

from aggregator.steps.folding.sketch import Sketch
from aggregator.steps.folding.titles import contains, differ_in_figures, likeness, read_title

TEXT_DAYS = timedelta(days=60)
TITLE_DAYS = timedelta(days=14)
TRANSLATION_DAYS = timedelta(days=12)
FEW = 4
"""Shared runs of words that prove nothing."""
MANY = 40
"""Shared runs that prove a text by themselves; a publisher's slogans are shorter."""
SHORT = 60
"""Texts of no more words differ by their figures."""
TRANSLATED_WORDS = 40
"""Shorter texts are not seen to be translations."""
ANCHORS_SHARED = 10
"""The weight of what two texts must share to be seen as translations; a name or a figure weighs 2, a stem 1."""
LONG = 150
"""So many words are no slogan of a publisher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What the rules hear of one entry."""

    feed_id: str
    title: str
    date: datetime
    sketch: Sketch


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a rule found, how sure it is (0 to 1) and the figures it went by."""

    rule: str
    score: float
    evidence: str


def judge(one: Witness, other: Witness) -> Judgement | None:
    """What the two are to each other; None when nothing."""
    pair = Pair(one, other)
    for rule in _RULES:
        if found := rule(pair):
            return found
    return None


class Pair:
    """Two entries, and how near they are; each figure is worked out when first asked for."""

    def __init__(self, one: Witness, other: Witness) -> None:
        self.sketches = self.one, self.other = one.sketch, other.sketch
        self.one_feed = one.feed_id == other.feed_id
        self.apart = abs(one.date - other.date)
        self.titles = read_title(one.title), read_title(other.title)
        self.shorter, self.longer = sorted((self.one.length, self.other.length))

    @cached_property
    def title(self) -> float:
        """How alike the titles are."""
        return likeness(*self.titles)

    @cached_property
    def lead(self) -> tuple[float, int]:
        """How much of the shorter beginning stands in the other, and how many runs that are."""
        return _share(self.one.lead, self.other.lead)

    @cached_property
    def text(self) -> tuple[float, int]:
        """The same of the whole texts, as far as both were sampled."""
        shared = len(self.one.sample & self.other.sample)
        scale = max(self.one.scale, self.other.scale)
        expected = min(len(sketch.sample) >> (scale - sketch.scale) for sketch in self.sketches)
        if shared <= FEW or 4 * shared < expected:  # too little to be worth counting
            return 0.0, shared
        return shared / min(len(_at(sketch.sample, scale)) for sketch in self.sketches), shared

    @cached_property
    def contained(self) -> float:
        """How much of the shorter text stands in the other; nothing when it is but few runs."""
        return max((share for share, shared in (self.text, self.lead) if shared > FEW), default=0.0)

    @cached_property
    def quoted(self) -> float:
        """How much of the shorter text's beginning stands anywhere in the other; for pairs that are named together."""
        ways = ((short, long) for short, long in permutations(self.sketches) if short.length <= long.length)
        shares = (_share(_at(short.lead, long.scale), long.sample) for short, long in ways)
        return max((self.contained, *(share for share, shared in shares if shared >= 2)))

    @property
    def ratio(self) -> float:
        """The shorter length over the longer."""
        return self.shorter / (self.longer or 1)

    @property
    def translated(self) -> bool:
        """Whether they are in two languages."""
        return bool(self.one.language and self.other.language) and self.one.language != self.other.language

    @cached_property
    def anchors(self) -> float:
        """The cosine of what stays in a translation; names and figures count twice."""
        one, other = self.sketches
        shared = 2 * len(one.names & other.names) + 2 * len(one.figures & other.figures) + len(one.stems & other.stems)
        names = len(one.names), len(other.names)
        if "de" in (one.language, other.language):  # which writes all its nouns large
            names = min(names), min(names)
        one_size, other_size = (
            max(24, 2 * count + 2 * len(sketch.figures) + len(sketch.stems))
            for count, sketch in zip(names, self.sketches, strict=True)
        )
        return shared / (one_size * other_size) ** 0.5 if shared >= ANCHORS_SHARED else 0.0

    @property
    def one_work(self) -> bool:
        """Whether two entries of one feed, which lists a work once as a rule, look like two forms of one."""
        titled = self.title >= 0.6 or contains(*self.titles) or self.titles[0].words == self.titles[1].words
        return not differ_in_figures(*self.titles) and (titled or (self.contained >= 0.7 and self.shorter >= LONG))

    @cached_property
    def told_apart(self) -> bool:
        """Whether they say themselves that they are two: other parts, years or figures, or a list of works."""
        if self.one.roundup or self.other.roundup:
            return True
        if differ_in_figures(*self.titles) and (self.one_feed or self.title >= 0.4):
            return True
        return self.longer <= SHORT and bool(
            self.one.figures - self.other.figures and self.other.figures - self.one.figures
        )

    @property
    def figures(self) -> str:
        return f"titles {self.title:.2f}, text {self.contained:.2f}, length {self.ratio:.2f}"


def _share(one: frozenset[int], other: frozenset[int]) -> tuple[float, int]:
    shared = len(one & other)
    return shared / (min(len(one), len(other)) or 1), shared


def _at(runs: frozenset[int], scale: int) -> frozenset[int]:
    """Those of the runs that a sample of this scale would hold."""
    return frozenset(run for run in runs if not run & ((1 << scale) - 1))


# --- the rules, in order --------------------------------------------------------------------------


def _same_address(pair: Pair) -> Judgement | None:
    if not pair.one.urls & pair.other.urls:
        return None
    if pair.one_feed and not pair.one_work:
        return None
    return Judgement(rule="same-address", score=1.0, evidence="both have this address")


def _same_doi(pair: Pair) -> Judgement | None:
    if not pair.one.dois & pair.other.dois or (pair.one_feed and not pair.one_work):
        return None
    return Judgement(rule="same-doi", score=1.0, evidence="both have this DOI")


def _names_it(pair: Pair) -> Judgement | None:
    """One leads to the other, or gives its DOI: it is the same when it reads so, else it is about it."""
    one, other = pair.sketches
    linked = one.urls & other.outs or one.outs & other.urls
    if not (linked or one.dois & other.cited or one.cited & other.dois) or one.roundup or other.roundup:
        return None
    rule = "links-to" if linked else "cites-doi"
    reads_so = pair.one_work and pair.contained >= 0.7 if pair.one_feed else pair.title >= 0.8 or pair.quoted >= 0.4
    if reads_so and not pair.told_apart:
        return Judgement(rule=rule, score=0.9, evidence=pair.figures)
    if not pair.told_apart and pair.translated and pair.anchors >= 0.12 and pair.ratio >= 0.4:
        return Judgement(rule=f"{rule}-in-translation", score=pair.anchors, evidence=_translation_figures(pair))
    if pair.anchors >= 0.2 or pair.title >= 0.4 or pair.quoted >= 0.15:
        return Judgement(rule="related", score=pair.anchors, evidence=f"one names the other; {pair.figures}")
    return None


def _same_text(pair: Pair) -> Judgement | None:
    share, shared = max(pair.text, pair.lead)
    if share < 0.7 or shared < 6 or pair.ratio < 0.45 or (pair.one_feed and not pair.one_work):
        return None
    return Judgement(rule="same-text", score=0.85, evidence=pair.figures)


def _same_title_and_lead(pair: Pair) -> Judgement | None:
    if pair.title < 0.85 or pair.contained < (0.7 if pair.one_feed else 0.45):
        return None
    return Judgement(rule="same-title-and-lead", score=0.85, evidence=pair.figures)


def _title_part_and_text(pair: Pair) -> Judgement | None:
    if pair.contained < (0.8 if pair.one_feed else 0.6) or not (contains(*pair.titles) or pair.title >= 0.6):
        return None
    return Judgement(rule="title-part-and-text", score=0.8, evidence=pair.figures)


def _lead_reused(pair: Pair) -> Judgement | None:
    share, shared = pair.lead
    if share < 0.8 or shared < MANY or pair.one_feed:
        return None
    return Judgement(rule="lead-reused", score=0.75, evidence=pair.figures)


def _same_title(pair: Pair) -> Judgement | None:
    if pair.shorter >= 8 or pair.apart > TITLE_DAYS or pair.title < 0.95 or pair.one_feed:
        return None
    if min(len(title.heart) for title in pair.titles) < 5:
        return None
    return Judgement(rule="same-title", score=0.7, evidence=pair.figures)


def _translation(pair: Pair) -> Judgement | None:
    if not pair.translated or pair.apart > TRANSLATION_DAYS or pair.shorter < TRANSLATED_WORDS or pair.ratio < 0.5:
        return None
    if pair.anchors < 0.26:
        return None
    return Judgement(rule="translation", score=pair.anchors, evidence=_translation_figures(pair))


def _translation_figures(pair: Pair) -> str:
    languages = " and ".join(sorted((pair.one.language, pair.other.language)))
    return f"{languages}, names and figures {pair.anchors:.2f}, length {pair.ratio:.2f}"


def _worded(pair: Pair) -> Judgement | None:
    if pair.told_apart or pair.apart > TEXT_DAYS:
        return None
    return next((found for rule in _BY_WORDS if (found := rule(pair))), None)


_BY_WORDS = (_same_text, _same_title_and_lead, _title_part_and_text, _lead_reused, _same_title, _translation)
_RULES = (_same_address, _same_doi, _names_it, _worded)
