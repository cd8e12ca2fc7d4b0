"""Our own words, in the languages we write in: what stands around the publishers' texts in mails and pages.

A language is one `Words` of the table below; one we do not have falls back to English. Texts in braces are
filled by the methods. What is the same for every language is in `tongues.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.press.tongues import ENGLISH_TONGUE, Direction, Tongue, tongue_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything an Issue says to its reader, in one language; `language` is its code for `lang` attributes."""

    language: str
    colon: str = ": "
    issue: str
    story: str
    stories: str
    contents: str
    lead: str
    other: str
    untitled: str
    in_language: str
    tags: str
    also_at: str
    in_brief: str
    more: str
    shortened: str
    corrections: str
    corrected: str
    nothing: str
    why: str
    questions: str
    unsubscribe: str
    preferences: str
    view: str

    @property
    def tongue(self) -> Tongue:
        """How the language writes dates and numbers."""
        return tongue_of(self.language) or ENGLISH_TONGUE

    @property
    def direction(self) -> Direction:
        """Which way the language is written."""
        return self.tongue.direction

    def count(self, stories: int) -> str:
        """How many stories."""
        number = self.tongue.number(stories)
        return (self.story if self.tongue.is_one(stories) else self.stories).format(count=number)

    def left_out(self, stories: int, site: str) -> str:
        """How many more there are, and where."""
        return self.more.format(count=self.tongue.number(stories), site=site)

    def in_tongue(self, code: str) -> str:
        """In which language something is to be read; "" when it has no name for that."""
        name = self.tongue.language(code)
        return self.in_language.format(language=name) if name else ""


ENGLISH = Words(
    language="en",
    issue="Issue {number}",
    story="{count} story",
    stories="{count} stories",
    contents="In this issue",
    lead="Editor’s choice",
    other="Other subjects",
    untitled="Untitled",
    in_language="in {language}",
    tags="Tags",
    also_at="Also at",
    in_brief="In brief",
    more="And {count} more on the web, at {site}",
    shortened="Mail programs cut off long mails, so the smaller stories are listed by title only.",
    corrections="Corrections",
    corrected="In issue {number} this was named “{title}”.",
    nothing="Nothing new since the last issue.",
    why="You receive {newsletter} because you subscribed to it at {site}.",
    questions="Questions and corrections",
    unsubscribe="Unsubscribe",
    preferences="Change what you get",
    view="View in browser",
)
FRENCH = Words(
    language="fr",
    colon="\u00a0: ",
    issue="Numéro {number}",
    story="{count} publication",
    stories="{count} publications",
    contents="Dans ce numéro",
    lead="Le choix de la rédaction",
    other="Autres sujets",
    untitled="Sans titre",
    in_language="en {language}",
    tags="Mots-clés",
    also_at="Également chez",
    in_brief="En bref",
    more="Et {count} de plus en ligne, sur {site}",
    shortened="Les messageries coupent les messages trop longs\u00a0: "
    "les publications de moindre écho sont citées par leur titre seul.",
    corrections="Rectificatifs",
    corrected="Le numéro {number} l’annonçait sous le titre «\u00a0{title}\u00a0».",
    nothing="Rien de nouveau depuis le dernier numéro.",
    why="Vous recevez {newsletter} parce que vous y êtes abonné(e) sur {site}.",
    questions="Questions et corrections",
    unsubscribe="Se désabonner",
    preferences="Changer ce que vous recevez",
    view="Voir dans le navigateur",
)
GERMAN = Words(
    language="de",
    issue="Ausgabe {number}",
    story="{count} Beitrag",
    stories="{count} Beiträge",
    contents="In dieser Ausgabe",
    lead="Auswahl der Redaktion",
    other="Weitere Themen",
    untitled="Ohne Titel",
    in_language="auf {language}",
    tags="Schlagwörter",
    also_at="Auch bei",
    in_brief="Kurz notiert",
    more="Und {count} weitere im Netz auf {site}",
    shortened="Mailprogramme schneiden lange Nachrichten ab; kleinere Beiträge sind daher nur mit ihrem Titel genannt.",
    corrections="Berichtigungen",
    corrected="In Ausgabe {number} hieß es „{title}“.",
    nothing="Nichts Neues seit der letzten Ausgabe.",
    why="Sie erhalten {newsletter}, weil Sie den Newsletter auf {site} abonniert haben.",
    questions="Fragen und Korrekturen",
    unsubscribe="Abbestellen",
    preferences="Ändern, was Sie bekommen",
    view="Im Browser ansehen",
)
SPANISH = Words(
    language="es",
    issue="Número {number}",
    story="{count} publicación",
    stories="{count} publicaciones",
    contents="En este número",
    lead="Selección de la redacción",
    other="Otros temas",
    untitled="Sin título",
    in_language="en {language}",
    tags="Etiquetas",
    also_at="También en",
    in_brief="En breve",
    more="Y {count} más en la web, en {site}",
    shortened="Los programas de correo cortan los mensajes largos: "
    "las publicaciones de menor eco figuran solo con su título.",
    corrections="Correcciones",
    corrected="En el número {number} se titulaba «{title}».",
    nothing="Nada nuevo desde el último número.",
    why="Recibe {newsletter} porque se suscribió en {site}.",
    questions="Preguntas y correcciones",
    unsubscribe="Darse de baja",
    preferences="Cambiar lo que recibe",
    view="Ver en el navegador",
)
_TABLE = {words.language: words for words in (ENGLISH, FRENCH, GERMAN, SPANISH)}


def words_for(language: str) -> Words:
    """Our words in a language (`fr`, `fr-CA`, `fr_CA`), or in English."""
    return _TABLE.get(language.lower().replace("_", "-").partition("-")[0], ENGLISH)
