"""What an e-mail address is, and what is said beside it: for feeds.yaml, commands, forms and imported files alike."""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from aggregator.errors import UsageError
from aggregator.model.characters import BREAKS

LONGEST_NAME = 200
"""Characters of a person's name that are kept."""
_LOOKING_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK"})


def read_address(text: str) -> str:
    """The address as mail servers know it: ASCII, the domain in small letters; raises ValueError with the reason.

    The part before the @ begins with a letter, a digit or `_`: what begins otherwise is a formula, an option or a
    template far more often than a person. A domain of letters of several alphabets that look alike imitates another
    (UTS 39 5.2).
    """
    try:
        found = validate_email(
            text.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None
    if not re.match(r"\w", found.local_part):
        raise ValueError("is not an e-mail address: it must begin with a letter or a digit")
    for label in found.domain.split("."):
        if len(_scripts(label) & _LOOKING_ALIKE) > 1:
            raise ValueError(f"is not an e-mail address: {label!r} mixes letters that look alike")
    return found.ascii_email or found.normalized


def read_name(text: str) -> str | None:
    """A person's name on one line, None for none."""
    return BREAKS.sub(" ", text).strip()[:LONGEST_NAME] or None


def read_source(text: str) -> str:
    """Where a person's consent comes from, on one line that says something; raises UsageError."""
    line = BREAKS.sub(" ", text).strip()
    if not line:
        raise UsageError("the source of their consent is blank: say where and when these people agreed")
    return line


def _scripts(label: str) -> set[str]:
    return {unicodedata.name(character, "").partition(" ")[0] for character in label}
