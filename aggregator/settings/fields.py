"""Kinds of values in feeds.yaml: each is read, checked and explained to editors in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from aggregator.errors import QueryError
from aggregator.model.pace import Rate
from aggregator.query.grammar import parse_query
from aggregator.schedule import parse_holiday, parse_quiet, parse_schedule
from aggregator.settings.addresses import read_address
from aggregator.subject import slug

_ISO_3166 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR "
    "GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO "
    "JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR "
    "MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO "
    "RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV "
    "TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
_COUNTRIES = frozenset(_ISO_3166.split())
"""ISO 3166-1 alpha-2, and XK, which everyone uses for Kosovo."""
_ISO_639 = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu "
    "ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na "
    "nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn "
    "so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh "
    "zu".split()
)
"""ISO 639-1; of the many codes of three letters any is taken."""
_MEANT = {"at": "de", "cn": "zh", "cz": "cs", "dk": "da", "gb": "en", "gr": "el", "jp": "ja", "ua": "uk", "us": "en"}
"""Languages that people often write as a country where they are spoken."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_MAILBOX = re.compile(r'(?:"(?P<quoted>[^"<>]*)"|(?P<plain>[^"<>]*))\s*<(?P<address>[^<>]+)>')
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\.?", re.IGNORECASE)


def _line(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("must not be empty")
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    return text


@dataclass(frozen=True)
class Measure:
    """A number with a unit, such as `30m` or `10MB`, within bounds; annotates the type it is read into."""

    least: str
    most: str
    kind: ClassVar[str]
    units: ClassVar[dict[str, int]]
    examples: ClassVar[tuple[str, ...]]

    def number(self, value: Any) -> int:
        pattern = rf"(\d{{1,6}})({'|'.join(self.units)})"
        found = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
        if not found:
            raise ValueError(f"must be a {self.kind} such as {', '.join(self.examples)}, not {value!r}")
        return int(found[1]) * self.units[found[2]]

    def read(self, value: Any) -> Any:
        number = self.number(value)
        if not self.number(self.least) <= number <= self.number(self.most):
            raise ValueError(f"must be between {self.least} and {self.most}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        pattern = f"^[0-9]{{1,6}}({'|'.join(self.units)})$"
        bounds = f"From {self.least} to {self.most}."
        return {"type": "string", "pattern": pattern, "examples": list(self.examples), "$comment": bounds}


class Duration(Measure):
    kind = "duration"
    units: ClassVar = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    examples = ("45s", "30m", "6h", "2d")

    def read(self, value: Any) -> timedelta:
        return timedelta(seconds=super().read(value))


class Size(Measure):
    kind = "size"
    units: ClassVar = {"KB": 1024, "MB": 1024**2, "GB": 1024**3}
    examples = ("512KB", "10MB", "1GB")


class PerTime:
    """So many letters within a span, such as `600/h`; annotates a Rate."""

    units: ClassVar = Duration.units
    examples: ClassVar = ("5/s", "600/h", "20000/d")

    def read(self, value: Any) -> Rate:
        pattern = rf"([1-9][0-9]{{0,8}})/({'|'.join(self.units)})"
        found = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
        if not found:
            raise ValueError(f"must be a rate such as {', '.join(self.examples)}, not {value!r}")
        return Rate(letters=int(found[1]), span=timedelta(seconds=self.units[found[2]]))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[1-9][0-9]{0,8}/[smhd]$", "examples": list(self.examples)}


def _country(text: str) -> str:
    code = text.strip().upper()
    if code not in _COUNTRIES:
        hint = "; did you mean GB?" if code == "UK" else ""
        raise ValueError(f"{text!r} is not a two-letter country code (ISO 3166-1) such as FR{hint}")
    return code


def _language(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", text):
        raise ValueError(f"{text!r} is not a language code such as fr or pt-BR")
    primary, dash, rest = text.partition("-")
    primary = primary.lower()
    if len(primary) == 2 and primary not in _ISO_639:
        hint = f"; did you mean {_MEANT[primary]}?" if primary in _MEANT else " such as fr or pt-BR"
        raise ValueError(f"{text!r} is not a language code (ISO 639-1){hint}")
    return f"{primary}{dash}{rest}"


@cache
def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = get_close_matches(name.title(), available_timezones(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else " such as Europe/Paris"
        raise ValueError(f"{name!r} is not a time zone{hint}") from None
    return name


def _query(text: str) -> str:
    try:
        parse_query(text)
    except QueryError as error:
        told = {"message": error.message, "offset": error.position, "excerpt": error.lines()}
        raise PydanticCustomError("query", "{message}", told) from None
    return text


def _schedule(text: str) -> str:
    return str(parse_schedule(text))


def _quiet(text: str) -> str:
    start, end = parse_quiet(text)
    return f"{start:%H:%M}-{end:%H:%M}"


def _tag(text: str) -> str:
    namespace, colon, name = text.partition(":")
    right = f"{slug(namespace)}:{slug(name)}"
    if colon and right == text and re.fullmatch(r"[a-z][a-z0-9-]*", namespace) and slug(name):
        return text
    hint = f"; did you mean {right}?" if slug(namespace) and slug(name) else ""
    raise ValueError(f"{text!r} is not a tag, written namespace:name as in topic:energy-security{hint}")


def distinct(values: list[Any]) -> list[Any]:
    """The list, if nothing is in it twice."""
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"{value!r} is in it twice")
    return values


def _web_address(text: str) -> str:
    text = text.strip()
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or _CONTROL.search(text) or " " in text:
        raise ValueError("must be an address that starts with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a name or password; give them by headers: {Authorization: env:NAME}")
    return text


def _base_url(text: str) -> str:
    text = _web_address(text)
    if "?" in text or "#" in text:
        raise ValueError("must be the plain address of the site, without ? and #")
    return text.rstrip("/")


def _mailbox(text: str) -> str:
    text = _line(text)
    found = _MAILBOX.fullmatch(text)
    if not found:
        return read_address(text)
    name, address = (found["quoted"] or found["plain"] or "").strip(), read_address(found["address"])
    if not name:
        return address
    plain = re.fullmatch(r"[^()<>\[\]:;@\\,.\"]+", name)  # RFC 5322 3.2.3: specials ask for quotes
    return f"{name} <{address}>" if plain else f'"{name}" <{address}>'.replace("\\", "")


def _domain(text: str) -> str:
    text = text.strip().lower().rstrip(".")
    if not _HOST.fullmatch(text) or "." not in text:
        raise ValueError(f"{text!r} is not a domain such as example.org; write an international one as xn--…")
    return text


def _any_domain(text: str) -> str:
    return text if text == "*" else _domain(text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as 2026-12-01") from None


def _private(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        if "/" in text or not _HOST.fullmatch(text) or not re.search("[a-z]", text, re.IGNORECASE):
            raise ValueError(f"must be a network, an address or a host name: {error}") from None
        return text.lower().rstrip(".")


def _shown(pattern: str, *examples: str) -> Any:
    """What editors check and offer; the reader itself checks by the function beside it, which says more."""
    return Field(examples=list(examples), json_schema_extra={"pattern": pattern})


Line = Annotated[str, AfterValidator(_line), Field(max_length=500)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Country = Annotated[str, AfterValidator(_country), _shown("^[A-Za-z]{2}$", "FR", "JP")]
Language = Annotated[str, AfterValidator(_language), _shown("^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", "fr", "pt-BR")]
TimeZone = Annotated[str, AfterValidator(_zone), _shown("^[A-Za-z]", "Europe/Paris", "UTC")]
QueryText = Annotated[str, AfterValidator(_query), Field(examples=['country:jp OR "Kuril Islands"'])]
ScheduleText = Annotated[
    str, AfterValidator(_schedule), _shown("^each$|[0-9]{1,2}:[0-9]{2}", "mon 07:30", "monthly 1 07:30", "each")
]
QuietText = Annotated[
    str, AfterValidator(_quiet), _shown("^[0-9]{1,2}:[0-9]{2} *- *[0-9]{1,2}:[0-9]{2}$", "22:00-07:00")
]
Holiday = Annotated[
    str, AfterValidator(parse_holiday), _shown("^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$", "12-25", "2026-04-06")
]
TagName = Annotated[str, AfterValidator(_tag), _shown("^[a-z][a-z0-9-]*:[^ ]+$", "topic:energy", "publisher:ifri")]
WebAddress = Annotated[str, AfterValidator(_web_address), _shown("^https?://", "https://www.example.org/rss.xml")]
BaseUrl = Annotated[str, AfterValidator(_base_url), _shown("^https?://[^?#]+$", "https://wire.example.org")]
Address = Annotated[str, AfterValidator(read_address), _shown("@", "desk@example.org")]
Mailbox = Annotated[str, AfterValidator(_mailbox), _shown("@", "Think Tank Wire <wire@example.org>")]
Domain = Annotated[str, AfterValidator(_domain), _shown("^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+$", "bounces.example.org")]
AnyDomain = Annotated[str, AfterValidator(_any_domain), Field(examples=["gmail.com", "*"])]
Day = Annotated[str, AfterValidator(_date), _shown("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-12-01")]
PrivateHost = Annotated[str, AfterValidator(_private), Field(examples=["10.0.0.0/8", "intranet.example.org"])]
Port = Annotated[int, Field(ge=1, le=65535)]
