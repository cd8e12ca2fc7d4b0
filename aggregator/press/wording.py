"""Our own words, in the languages we write in: what stands around the publishers' texts in mails and pages.

A language is one `Words` of the table below; one we do not have falls back to English. Texts in braces are
filled by the methods, and a month is spelt as it stands inside a date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything we say to a reader, in one language; `language` is its code for `lang` attributes."""

    language: str
    months: tuple[str, ...]
    day: str = "{day} {month} {year}"
    first_day: str = "1"
    colon: str = ": "
    issue: str
    story: str
    stories: str
    other: str
    untitled: str
    tags: str
    also_at: str
    in_brief: str
    more: str
    shortened: str
    nothing: str
    why: str
    questions: str
    unsubscribe: str
    view: str

    def on(self, day: date) -> str:
        """A date as it stands in running text."""
        number = self.first_day if day.day == 1 else str(day.day)
        return self.day.format(day=number, month=self.months[day.month - 1], year=day.year)

    def count(self, stories: int) -> str:
        """How many stories."""
        return (self.story if stories == 1 else self.stories).format(count=stories)


ENGLISH = Words(
    language="en",
    months=tuple("January February March April May June July August September October November December".split()),
    issue="Issue {number}",
    story="1 story",
    stories="{count} stories",
    other="Other subjects",
    untitled="Untitled",
    tags="Tags",
    also_at="Also at",
    in_brief="In brief",
    more="And {count} more at {site}",
    shortened="Mail programs cut off long mails, so the older stories are listed by title only.",
    nothing="Nothing new since the last issue.",
    why="You receive {newsletter} because you subscribed to it at {site}.",
    questions="Questions and corrections",
    unsubscribe="Unsubscribe",
    view="View in browser",
)
FRENCH = Words(
    language="fr",
    months=tuple("janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()),
    first_day="1er",
    colon="\u00a0: ",
    issue="Numéro {number}",
    story="1 publication",
    stories="{count} publications",
    other="Autres sujets",
    untitled="Sans titre",
    tags="Mots-clés",
    also_at="Également chez",
    in_brief="En bref",
    more="Et {count} de plus sur {site}",
    shortened="Les messageries coupent les messages trop longs\u00a0: "
    "les publications les plus anciennes sont citées par leur titre seul.",
    nothing="Rien de nouveau depuis le dernier numéro.",
    why="Vous recevez {newsletter} parce que vous y êtes abonné(e) sur {site}.",
    questions="Questions et corrections",
    unsubscribe="Se désabonner",
    view="Voir dans le navigateur",
)
GERMAN = Words(
    language="de",
    months=tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()),
    day="{day}. {month} {year}",
    issue="Ausgabe {number}",
    story="1 Beitrag",
    stories="{count} Beiträge",
    other="Weitere Themen",
    untitled="Ohne Titel",
    tags="Schlagwörter",
    also_at="Auch bei",
    in_brief="Kurz notiert",
    more="Und {count} weitere auf {site}",
    shortened="Mailprogramme schneiden lange Nachrichten ab; ältere Beiträge sind daher nur mit ihrem Titel genannt.",
    nothing="Nichts Neues seit der letzten Ausgabe.",
    why="Sie erhalten {newsletter}, weil Sie den Newsletter auf {site} abonniert haben.",
    questions="Fragen und Korrekturen",
    unsubscribe="Abbestellen",
    view="Im Browser ansehen",
)
SPANISH = Words(
    language="es",
    months=tuple("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()),
    day="{day} de {month} de {year}",
    issue="Número {number}",
    story="1 publicación",
    stories="{count} publicaciones",
    other="Otros temas",
    untitled="Sin título",
    tags="Etiquetas",
    also_at="También en",
    in_brief="En breve",
    more="Y {count} más en {site}",
    shortened="Los programas de correo cortan los mensajes largos: "
    "las publicaciones más antiguas figuran solo con su título.",
    nothing="Nada nuevo desde el último número.",
    why="Recibe {newsletter} porque se suscribió en {site}.",
    questions="Preguntas y correcciones",
    unsubscribe="Darse de baja",
    view="Ver en el navegador",
)
_TABLE = {words.language: words for words in (ENGLISH, FRENCH, GERMAN, SPANISH)}


def words_for(language: str) -> Words:
    """Our words in a language (`fr`, `fr-CA`, `fr_CA`), or in English."""
    return _TABLE.get(language.lower().replace("_", "-").partition("-")[0], ENGLISH)
