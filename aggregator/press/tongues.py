"""What every language has: how it writes dates and numbers, which way it runs, its names for languages and countries.

All of it is of the CLDR, by Babel. English is that of the world (`en-001`: the day first) unless it names a country.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language as the CLDR knows it; `code` is for `lang` attributes (BCP 47)."""

    code: str
    locale: Locale

    @property
    def family(self) -> str:
        """The language without its country: `fr` of `fr-CA`."""
        return str(self.locale.language)

    @property
    def direction(self) -> Direction:
        """Which way it is written."""
        return "rtl" if self.locale.text_direction == "rtl" else "ltr"

    def on(self, day: date) -> str:
        """A date as it stands in running text."""
        text = format_date(day, "long", self.locale)
        return f"1er{text[1:]}" if self.family == "fr" and day.day == 1 else text  # which the CLDR leaves out

    def number(self, number: int) -> str:
        """A whole number, with the signs that part its thousands."""
        return format_decimal(number, locale=self.locale)

    def is_one(self, number: int) -> bool:
        """Whether a noun beside the number stands in the singular."""
        return self.locale.plural_form(number) == "one"

    def language(self, code: str) -> str:
        """The name of a language, whatever its country or script; "" when it has none for it."""
        return self.locale.languages.get(code.replace("_", "-").partition("-")[0].lower()) or ""

    def country(self, code: str) -> str:
        """The name of a country by its two letters (ISO 3166-1); "" when it has none for it."""
        return self.locale.territories.get(code.upper()) or ""


@lru_cache(maxsize=128)
def tongue_of(language: str) -> Tongue | None:
    """The language of a code (`fr`, `fr-CA`, `fr_CA`); None when the CLDR does not know it."""
    code = language.replace("_", "-")
    if code.lower().startswith("und"):
        return None
    try:
        return Tongue(code, Locale.parse("en-001" if code.lower() == "en" else code, sep="-"))
    except (ValueError, UnknownLocaleError, TypeError):
        family = code.partition("-")[0]
        return tongue_of(family) if family != code else None


ENGLISH_TONGUE = Tongue("en", Locale("en", "001"))
