"""DKIM signatures over the bytes of a letter (RFC 6376; Ed25519 by RFC 8463).

deliver: deliveries.claim > letter > **dkim** > mailer.send > deliveries.settle

Headers are signed `relaxed`, as servers on the way fold them anew; the body `simple`, as quoted-printable reaches the
other side as it was, and hashing it is all that it costs. Nothing here is random, so a letter has one signature.
OpenSSL signs without the interpreter's lock: two threads that sign use two processors.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from aggregator.model.mailkey import MailKey

SIGNED = tuple(
    b"""from to subject date message-id mime-version content-type reply-to list-id list-unsubscribe
    list-unsubscribe-post list-archive list-help list-owner list-post feedback-id auto-submitted precedence""".split()
)
"""Headers that are signed where a letter has them: what readers see (RFC 6376 5.4.1) and what programs act on, since
mail programs offer one-click unsubscribing only where both of its headers are signed (RFC 8058 4)."""
_LINE = 78
_LIST = 72
"""Characters of a list of names or of a signature on one line, so that the whole line is within 78."""
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_SPACES = re.compile(rb"[ \t]+")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSigner:
    """Signs for one domain, with every key it has: a receiver takes the signature it can check (RFC 8463 6)."""

    domain: str
    keys: tuple[MailKey, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("mail is signed with one key at least")
        if not _DOMAIN.fullmatch(self.domain):
            raise ValueError(f"no signature can name the domain {self.domain!r}")

    def sign(self, message: bytes, now: datetime) -> bytes:
        """The DKIM-Signature headers that go on top of this message, each ending with CRLF.

        Its lines end with CRLF. Raises ValueError for a message without one From, or with another end of line in its
        headers, which a server on the way would mend.
        """
        end = message.find(b"\r\n\r\n")
        head = message if end < 0 else message[:end]
        names, lines = _chosen(head)
        tags = _Tags(
            domain=self.domain,
            time=int(now.timestamp()),
            names=_listed(names),
            body_hash=_body_hash(message, len(message) if end < 0 else end + 4),
        )
        return b"".join(_signature(key, tags, lines) for key in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tags:
    """What the signatures of one message have in common."""

    domain: str
    time: int
    names: str
    body_hash: str


def _signature(key: MailKey, tags: _Tags, lines: bytes) -> bytes:
    """One header. It signs itself too, with nothing after its last `b=` (RFC 6376 3.7)."""
    words = (
        "DKIM-Signature: v=1;",
        f"a={key.algorithm}-sha256;",
        "c=relaxed/simple;",
        f"d={tags.domain};",
        f"s={key.selector};",
        f"t={tags.time};",
    )
    unsigned = f"{_folded(words)}\r\n h={tags.names};\r\n bh={tags.body_hash};\r\n b="
    itself = unsigned.replace("\r\n ", " ").replace("DKIM-Signature: ", "dkim-signature:", 1)
    signature = b64encode(_signed(key, lines + itself.encode("ascii"))).decode("ascii")
    rows = "\r\n ".join(signature[start : start + _LIST] for start in range(0, len(signature), _LIST))
    return f"{unsigned}{rows}\r\n".encode("ascii")


def _signed(key: MailKey, octets: bytes) -> bytes:
    if isinstance(key.private, RSAPrivateKey):
        return key.private.sign(octets, PKCS1v15(), SHA256())
    return key.private.sign(sha256(octets).digest())  # RFC 8463 3: the hash is what is signed


def _chosen(head: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Names of what is signed, and that as it is signed; of a header that is there twice the lower one comes first."""
    if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
        raise ValueError("a letter's lines end with CRLF")
    held: dict[bytes, list[bytes]] = {}
    for line in _FOLD.sub(b"", head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        held.setdefault(name.rstrip(b" \t").lower(), []).append(value)
    if len(held.get(b"from", ())) != 1:
        raise ValueError("a letter has one From")
    chosen = [(name, value) for name in SIGNED if name in held for value in reversed(held[name])]
    lines = [b"%b:%b\r\n" % (name, _relaxed(value)) for name, value in chosen]
    return tuple(name for name, _ in chosen), b"".join(lines)


def _relaxed(value: bytes) -> bytes:
    """An unfolded value with its runs of spaces made one, and none at its ends (RFC 6376 3.4.2)."""
    value = value.strip(b" \t")
    return _SPACES.sub(b" ", value) if b"  " in value or b"\t" in value else value


def _body_hash(message: bytes, start: int) -> str:
    """Of the body, its empty lines at the end being none and its last line ended (RFC 6376 3.4.3)."""
    end = len(message)
    while end - start >= 2 and message.endswith(b"\r\n", start, end):
        end -= 2
    digest = sha256(memoryview(message)[start:end])
    digest.update(b"\r\n")
    return b64encode(digest.digest()).decode("ascii")


@lru_cache(maxsize=64)
def _listed(names: tuple[bytes, ...]) -> str:
    """The value of `h=` on lines; nearly all letters of a site have the same.

    `from` stands in it once more than in the letter: who adds another From breaks the signature (RFC 6376 8.15).
    """
    rows = ["from"]
    for name in (name.decode("ascii") for name in names):
        if len(rows[-1]) + len(name) < _LIST:
            rows[-1] += f":{name}"
        else:
            rows.append(f":{name}")
    return "\r\n ".join(rows)


def _folded(words: tuple[str, ...]) -> str:
    """The words with spaces, on lines; one that is longer than a line has it for itself."""
    rows = [words[0]]
    for word in words[1:]:
        if len(rows[-1]) + len(word) < _LINE - 1:
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return "\r\n ".join(rows)
