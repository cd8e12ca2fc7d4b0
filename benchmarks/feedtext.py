"""Synthetic feeds for benchmarks: half RSS 2.0, half Atom, with the length and the accents of think tanks' own."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape
from random import Random

_STEMS = """
    accord alliance analysis Arctic assessment Asia balance border briefing budget capacity carbon climate coalition
    council debt defence deterrence development dialogue economy election emissions energy Europe export finance
    forum framework future governance growth Gulf industry inflation institute investment labour market migration
    ministry monetary nuclear partnership peace policy power reform region report research resilience sanctions
    security society strategy summit supply tariff technology trade transition treaty union water workshop accès
    activité année après café conférence coopération défense démocratie économie élections énergie équilibre étude
    Européenne gouvernance intérêt modèle négociation où présidence réforme région sécurité société stratégie
    Abrüstung Außenpolitik Bündnis Europäische Führung Gespräche für Größe Länder Märkte Öffentlichkeit Prüfung
    Rüstung Schlüssel Streitkräfte über Verträge Wähler zurück acción América análisis años cooperación crisis
    decisión diálogo España evolución después información inversión límite niñez opinión política región relación
    según también último and the of in for with on after between towards against within la le de der die und des el
    los una por
""".split()
_ENDINGS = ("", "", "s", "al", "ing", "ité", "ung", "ción", "ism", "eur", "ität", "és", "ières", "ñas")
_BEGINNINGS = (
    "",
    "",
    "",
    "re",
    "dis",
    "inter",
    "pré",
    "über",
    "contra",
    "euro",
    "mis",
    "vor",
    "sub",
    "dé",
    "trans",
    "co",
)
_WORDS = [begin + stem + end for begin in _BEGINNINGS for stem in _STEMS for end in _ENDINGS]
"""Tens of thousands, so that feeds compress about as badly as real ones."""
_SECTIONS = ("Security", "Économie", "Klima", "América Latina", "Asia", "Énergie")
_BESIDE_THE_TEXT = 1000
"""Octets of an entry that are not its content: the summary, the links, the marks, the half paragraph too many."""


class FeedText:
    """Writes feeds of about `size` octets, the same ones for the same seed and moment."""

    def __init__(self, *, size: int, seed: int, now: datetime) -> None:
        self._size, self._now, self._seed = size, now.astimezone(UTC).replace(microsecond=0), seed

    def feed(self, number: int, *, fresh: int = 0) -> bytes:
        """Feed `number` with `fresh` entries newer than its usual ones."""
        random = Random(f"{self._seed} {number}")
        count = random.randint(20, 30)
        write, frame = (_rss, _RSS) if number % 2 == 0 else (_atom, _ATOM)
        length = max(300, self._size // 25 - _BESIDE_THE_TEXT)
        entries = [write(self._entry(random, number, index, length)) for index in range(count)]
        entries = [write(self._entry(random, number, -index, length)) for index in range(1, fresh + 1)] + entries
        updated = self._now.isoformat()
        return frame.format(number=number, updated=updated, entries="".join(entries)).encode()

    def _entry(self, random: Random, number: int, index: int, length: int) -> dict[str, str]:
        wanted = length * random.uniform(0.5, 1.5)
        text: list[str] = []
        while wanted > 0:
            text.append(_paragraph(random))
            wanted -= len(text[-1].encode())
        moment = self._now - timedelta(hours=30 + 7 * index, minutes=number % 60)
        return {
            "title": escape(" ".join(random.choices(_WORDS, k=9))),
            "link": f"https://tank-{number}.example/papers/{index + 1000}",
            "id": f"tag:tank-{number}.example,2026:{index + 1000}",
            "author": f"{random.choice(_WORDS).title()} {random.choice(_WORDS).title()}",
            "section": random.choice(_SECTIONS),
            "summary": " ".join(random.choices(_WORDS, k=14)),
            "content": "".join(text),
            "escaped": escape("".join(text)),
            "rfc822": format_datetime(moment, usegmt=True),
            "iso": moment.isoformat(),
        }


def _paragraph(random: Random) -> str:
    words = " ".join(random.choices(_WORDS, k=random.randint(12, 32)))
    link = f'<a href="/topics/{random.randint(1, 400)}">{random.choice(_WORDS)}</a>'
    return f"<p>{words.capitalize()} {link}, <em>{random.choice(_WORDS)}</em>.</p>\n"


def _rss(entry: dict[str, str]) -> str:
    return (
        '<item><title>{title}</title><link>{link}</link><guid isPermaLink="false">{id}</guid>'
        "<pubDate>{rfc822}</pubDate><dc:creator>{author}</dc:creator><category>{section}</category><description>{summary}</description>"
        "<content:encoded><![CDATA[{content}]]></content:encoded></item>\n"
    ).format_map(entry)


def _atom(entry: dict[str, str]) -> str:
    return (
        '<entry><title>{title}</title><link rel="alternate" href="{link}"/><id>{id}</id><published>{iso}</published>'
        '<updated>{iso}</updated><author><name>{author}</name></author><category term="{section}"/>'
        '<summary type="html">{summary}</summary><content type="html">{escaped}</content></entry>\n'
    ).format_map(entry)


_RSS = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Tank {number}</title><link>https://tank-{number}.example/</link>
<description>Études et débats</description><language>en</language>
{entries}</channel></rss>
"""
_ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Tank {number}</title><updated>{updated}</updated>
<id>tag:tank-{number}.example,2026:feed</id><link href="https://tank-{number}.example/"/>
{entries}</feed>
"""
