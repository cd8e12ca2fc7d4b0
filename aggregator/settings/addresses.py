"""What an e-mail address is, for feeds.yaml, for the command line and for imported files alike."""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

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


def _scripts(label: str) -> set[str]:
    return {unicodedata.name(character, "").partition(" ")[0] for character in label}
