"""Which Stories that an earlier Issue told have to be told again, as corrected: titles then and now -> Corrections.

compose: stories told, as they are now > **corrections** > rendering
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from aggregator.model.newsletter import Correction
from aggregator.subject import runs_on, words_of

LEAST_LETTERS = 5
"""A word of fewer letters with one of them changed is taken to be another word: Iran and Iraq, now and not."""

_ALONE = "corrigend(?:um|a)|errat(?:um|a)|rectificatif|fe de erratas|berichtigung|retracted|correction to:?"
_LABELS = (
    f"{_ALONE}|correct(?:ion|ions|ed)(?: notice)?|withdrawn|withdrawal|retraction(?: note| notice)?"
    "|expression of concern|editor'?s note"
    "|correctif|corrige|rectifie|rectification|version corrigee|retracte|retractation|retire"
    "|korrektur(?:en)?|korrigiert|korrigierte (?:fassung|version)|berichtigt|richtigstellung"
    "|zuruckgezogen|zuruckziehung"
    "|correccion|correcciones|corregido|corregida|version corregida|rectificacion|retractado|retractacion|retirado"
)
_MARK = re.compile(
    rf"^(?:(?:{_ALONE})(?= |$)|(?:{_LABELS}) ?(?:[:|\u2013\u2014]|-(?= )|$))"
    rf"|[\[(](?:{_LABELS})[\])]|[:|\u2013\u2014-] ?(?:{_LABELS})$"
)
"""A publisher's label in front of a title, behind it, or in brackets; folded to small letters without accents."""


def corrections(told: Iterable[Correction]) -> tuple[Correction, ...]:
    """Those that their publisher has marked since, or whose title changed in more than spelling; each Story once."""
    due = {item.story.id: item for item in told if not _is_as_told(item)}
    return tuple(due.values())


def _is_as_told(item: Correction) -> bool:
    """Whether nobody has to hear of it: one of its entries still says what was told, also when another heads it now."""
    if not item.old_title or any(entry.title == item.old_title for entry in item.story.entries):
        return True
    return not is_corrected(item.old_title, item.story.head.title)


def is_corrected(old: str, new: str) -> bool:
    """Whether who read the old title has to hear of the new one.

    Case, accents, punctuation, spaces and one slip of the pen (a letter more, less or wrong inside one long word, two
    neighbours swapped in any) tell nothing new; another figure always does. A mark tells it once.
    """
    if is_marked(new) and not is_marked(old):
        return True
    before, after = words_of(old), words_of(new)
    return bool(after) and "".join(before) != "".join(after) and not _one_slip(before, after)


def is_marked(title: str) -> bool:
    """Whether the publisher says in the title that this was corrected or taken back."""
    return _MARK.search(_folded(title)) is not None


def _folded(title: str) -> str:
    """Small letters without accents, punctuation as it stands, one space between words."""
    signs = re.findall(r"\w+|[^\w\s]|\s+", title)
    return " ".join("".join(" ".join(words_of(sign)) or sign[:1] for sign in signs).replace("’", "'").split())


def _one_slip(before: list[str], after: list[str]) -> bool:
    if len(before) != len(after):
        return False
    changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    return len(changed) == 1 and _is_slip(*changed[0])


def _is_slip(one: str, other: str) -> bool:
    """Whether two words differ as a typing error does: never in a figure, nor in a script without spaces."""
    if any(sign.isdigit() for sign in one + other) or runs_on(one) or runs_on(other):
        return False
    start = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        start = min(len(one), len(other))
    if one[start : start + 2] == other[start : start + 2][::-1] and one[start + 2 :] == other[start + 2 :]:
        return len(one) == len(other)
    if start == 0 or max(len(one), len(other)) < LEAST_LETTERS:
        return False
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    if len(longer) == len(shorter):
        return longer[start + 1 :] == shorter[start + 1 :]
    return longer[start + 1 :] == shorter[start:]
