"""Addresses: the canonical form under which two of them are one publication, and what may be shown or logged.

Pure functions on text. The rules are RFC 3986 section 6 plus what publishers and proxies are seen to add.
"""

import re
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

import idna

MAX_LENGTH = 2048
"""Longer addresses are refused: no publisher needs them and no reader opens them."""

_TRACKERS = re.compile(
    r"(amp;)*(utm_\w+|at_\w+|ns_\w+|pk_\w+|mtm_\w+|matomo_\w+|vero_\w+|hsa_\w+|_hs\w+|mc_[ce]id|fbclid|gclid|dclid|gbraid|wbraid"
    r"|msclkid|yclid|twclid|igshid|igsh|mkt_tok|xtor|wt_mc|wt\.mc\w*|cmpid|s_cid|ito|ref_src|ref_url|trk|trkcampaign|oly_\w+"
    r"|__twitter_impression|guccounter|guce_\w+|ncid|sr_share|ssrc|ocid|smid|smtyp|cmp|ftag|spm)",
    re.IGNORECASE,
)
_PRESENTATION = {("amp", ""), ("amp", "1"), ("outputtype", "amp"), ("print", "1"), ("view", "print")}
_WRAPPED = (
    (re.compile(r"google\.[a-z.]+"), "/url", ("url", "q")),
    (re.compile(r"(l|lm)\.facebook\.com"), "/l.php", ("u",)),
    (re.compile(r"(.*\.)?safelinks\.protection\.outlook\.com"), "/", ("url",)),
    (re.compile(r"linkedin\.com"), "/redir", ("url",)),
    (re.compile(r"out\.reddit\.com"), "/", ("url",)),
    (re.compile(r"youtube\.com"), "/redirect", ("q",)),
)
_FRONT_DOORS = re.compile(r"^((www|amp|m)\.)+(?=[^.]+\.)")
_PLAIN = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_SECRET = re.compile(
    r"(.*(token|passw|secret|session|credential|signature|api_?key).*|(.*[_.-])?(key|auth|sig|pass|pwd|sid|code)\d*)",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?:/[A-Za-z0-9._~%+=&/-]*(?:\?[A-Za-z0-9._~%+=&/-]+)?)?"
)
"""Addresses that every reader takes as they stand, as most are."""
_CANONICAL = re.compile(
    r"https?(://(?!(?:www|amp|m)\.)[a-z0-9-]+(?:\.[a-z0-9-]+)+/(?:[A-Za-z0-9_~-]+/)*"
    r"(?!(?i:amp)/?$|(?i:index)\.)[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*)/?"
)
"""Addresses of which the canonical form is plain to see."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"'<>?#&]+")


@lru_cache(maxsize=4096)  # a document names most of its addresses twice and more; the next one names others
def canonical_url(url: str) -> str | None:
    """The form that two addresses of one publication share, with scheme https; None when it is no http address.

    Dropped: www, m and amp hosts, default ports, fragments (but `#!` routes), tracking parameters, AMP and print
    marks, index pages, a trailing slash. Unwrapped: redirects that carry their target. Idempotent.
    """
    if len(url) > MAX_LENGTH:
        return None
    if plain := _CANONICAL.fullmatch(url):
        return "https" + plain[1]
    form = _form(url)
    while form and (target := _unwrapped(form)):  # each target is shorter than what held it
        form = _form(target)
    return form if form and len(form) <= MAX_LENGTH else None


def _form(url: str) -> str | None:
    try:
        parts = urlsplit(url.strip())
        host, port = _host(parts.hostname or ""), parts.port
        path, query = _path(parts.path), _query(parts.query)
        fragment = _quoted(parts.fragment) if parts.fragment.startswith(("!", "/")) else ""
    except ValueError:  # UnicodeError is one
        return None
    if parts.scheme.lower() not in _DEFAULT_PORTS or not host:
        return None
    netloc = host if port in (None, 80, 443) else f"{host}:{port}"
    return urlunsplit(("https", netloc, path, query, fragment))


def is_site_root(canonical: str) -> bool:
    """Whether a canonical address names a whole site, and so no publication."""
    return canonical.find("/", len("https://")) == len(canonical) - 1


def same_site(one: str, other: str) -> bool:
    """Whether two addresses have one host, or that of one lies under the other's: rss.example.org, www.example.org."""
    hosts = [urlsplit(canonical).hostname or "" for canonical in map(canonical_url, (one, other)) if canonical]
    if len(hosts) < 2:
        return False
    upper, lower = sorted(hosts, key=len)
    return lower == upper or lower.endswith(f".{upper}")


def is_whole(url: str) -> bool:
    """Whether every reader takes this address as it stands, whatever its base."""
    return len(url) <= MAX_LENGTH and _WHOLE.fullmatch(url) is not None


def absolute_http(url: str, base: str | None = None) -> str | None:
    """`url` resolved against `base` when that gives an http(s) address without userinfo; else None."""
    if is_whole(url):
        return url
    try:
        whole = urljoin(base or "", url.strip())
        parts = urlsplit(whole)
        if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname or set("@\\") & set(parts.netloc):
            return None
        _ = parts.port
    except ValueError:
        return None
    return whole if len(whole) <= MAX_LENGTH and whole.isprintable() and " " not in whole else None


def dois_in(text: str) -> list[str]:
    """The DOIs that stand in a text, as it writes them, without the punctuation behind them (DOI Handbook 2.2)."""
    return [found.rstrip(".,;)") for found in _DOI.findall(text)] if "10." in text else []


def host_of(url: str) -> str:
    """The host a link leads to, as people are shown it: in ASCII, which cannot imitate another, and without `www.`"""
    host = urlsplit(url).hostname or ""
    try:
        host = _ascii(host)
    except ValueError:
        host = host.encode("ascii", "backslashreplace").decode()
    return host.removeprefix("www.")


def ascii_url(url: str) -> str | None:
    """An http address of any script in the ASCII form that mails can carry (RFC 3987 3.1, RFC 3986 2)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        encoded = _ascii(host)
    except ValueError:
        return None
    netloc = parts.netloc if encoded == host else f"{encoded}:{port}" if port else encoded
    return quote(urlunsplit(parts._replace(netloc=netloc)), safe="!#$%&'()*+,-./:;=?@[]_~")


def without_secrets(url: str) -> str:
    """`url` as it may stand in a log: no fragment, and stars for userinfo and secret-looking parameters."""
    try:
        parts = urlsplit(url)
        netloc = "***@" + parts.netloc.rpartition("@")[2] if "@" in parts.netloc else parts.netloc
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return "(unreadable address)"
    query = parts.query
    if any(_SECRET.fullmatch(name) for name, _ in pairs):
        query = "&".join(
            f"{_shown(name)}={'***' if _SECRET.fullmatch(name) else _shown(value)}" for name, value in pairs
        )
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _shown(text: str) -> str:
    return quote(text, errors="replace")


def _unwrapped(form: str) -> str | None:
    """The target that a redirect address, in its canonical form, carries in plain sight."""
    if "=http" not in form:
        return None
    parts = urlsplit(form)
    for host, path, names in _WRAPPED:
        if host.fullmatch(parts.hostname or "") and parts.path.startswith(path):
            values = dict(parse_qsl(parts.query))
            return next((values[name] for name in names if values.get(name, "").startswith("http")), None)
    return None


def _host(host: str) -> str:
    host = _FRONT_DOORS.sub("", _ascii(host).lower().rstrip("."), count=1)
    return f"[{host}]" if ":" in host else host


def _ascii(host: str) -> str:
    """A host of any script as names are looked up (UTS 46, RFC 5891); raises ValueError, of which idna's errors are."""
    return host if host.isascii() else idna.encode(host, uts46=True).decode()


def _path(path: str) -> str:
    segments: list[str] = []
    for segment in _quoted(path).split("/"):
        if segment == "..":
            segments[-1:] = []
        elif segment not in ("", "."):
            segments.append(segment)
    while segments and segments[-1].lower() in ("amp", "index.html", "index.htm", "index.php", "index.jsp"):
        segments.pop()
    return "/" + "/".join(segments)


def _quoted(text: str) -> str:
    """One spelling for all that are equal (RFC 3986 6.2.2)."""
    if _PLAIN.fullmatch(text):
        return text
    octets = unquote(text, errors="surrogateescape").encode("utf-8", "surrogateescape")
    return quote(octets, safe="!$&'()*+,;=:@/")


def _query(query: str) -> str:
    if not query:
        return ""
    pairs = [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        if not _TRACKERS.fullmatch(name) and (name.lower(), value.lower()) not in _PRESENTATION
    ]
    return urlencode(sorted(pairs), errors="surrogateescape")
