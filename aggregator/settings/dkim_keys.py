"""The keys that AGGREGATOR_DKIM_KEY names; its faults are told without repeating it where it may be a key itself."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from aggregator.errors import ConfigError, Problem, UsageError, unwritable
from aggregator.model.mailkey import Algorithm, MailKey, mail_key

KEY, SELECTOR = "AGGREGATOR_DKIM_KEY", "AGGREGATOR_DKIM_SELECTOR"
SMALLEST_RSA, SOUND_RSA, LARGEST_RSA = 1024, 2048, 4096
"""Bits: a signer uses 1024 at least and should use 2048; what is larger than 4096 not every receiver checks (RFC 8301
3.2)."""
_MAKE_ONE = "`aggregator mail key --selector NAME` makes one"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LABELS = re.compile(rf"(?=.{{1,120}}$){_LABEL}(\.{_LABEL})*")
_NO_SELECTOR = "is no selector: it takes letters, digits and - inside, like dkim-2026a"
_MATERIAL = re.compile(r"[A-Za-z0-9+/=\s]{40,}")


def read_mail_keys(environ: Mapping[str, str]) -> tuple[MailKey, ...]:
    """The keys of AGGREGATOR_DKIM_KEY under the names of AGGREGATOR_DKIM_SELECTOR, in their order; none when it is
    not set. Raises ConfigError with every problem.
    """
    problems: list[Problem] = []
    sources = _sources(environ)
    names = _listed(environ.get(SELECTOR, "")) or [_stem(source) for source in sources]
    if len(names) != len(sources):
        words = f"names {len(names)}, and {KEY} has {len(sources)}; give as many, in the same order"
        raise ConfigError((_of("environment", words, SELECTOR),))
    keys = [key for source, name in zip(sources, names, strict=True) if (key := _key(source, name, problems))]
    if len({key.selector.lower() for key in keys}) < len(keys):
        problems.append(
            _of("environment", "each key needs a selector of its own, as each has its own record", SELECTOR)
        )
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(keys)


def key_warnings(environ: Mapping[str, str], keys: tuple[MailKey, ...]) -> tuple[str, ...]:
    """What is better changed about keys that are in use, one line each."""
    return (*(_exposed(environ)), *(words for key in keys for words in _weak(key)))


def make_key_file(path: Path, selector: str, algorithm: Algorithm) -> MailKey:
    """A fresh key in a file that only its owner reads; raises UsageError, and never writes over a file."""
    if not _LABELS.fullmatch(selector):
        raise UsageError(f"--selector {selector!r} {_NO_SELECTOR}")
    private: RSAPrivateKey | Ed25519PrivateKey = Ed25519PrivateKey.generate()
    if algorithm == "rsa":
        private = generate_private_key(public_exponent=65537, key_size=SOUND_RSA)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise UsageError(f"{path} is there already, and letters may be signed with it; take another name")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as error:
        raise unwritable(path, error) from error
    return mail_key(selector, private)


# --- reading --------------------------------------------------------------------------------------


def _sources(environ: Mapping[str, str]) -> list[str]:
    """Paths, or one PEM text; where a line of the environment cannot be broken, `\\n` stands for its ends of line."""
    text = environ.get(KEY, "")
    return [text.replace("\\n", "\n")] if _is_pem(text) else _listed(text)


def _key(source: str, selector: str, problems: list[Problem]) -> MailKey | None:
    """One key; what is wrong with it goes to `problems`."""
    if _may_be_a_key(source):
        problems.append(
            _of("environment", "is neither a path nor PEM, which begins with -----BEGIN PRIVATE KEY-----", KEY)
        )
        return None
    place = "environment" if _is_pem(source) else source
    if not selector:
        problems.append(_of(place, f"a key that is no file has no name of its own; set {SELECTOR}", KEY))
        return None
    if not _LABELS.fullmatch(selector):
        problems.append(_of(place, f"{selector!r} {_NO_SELECTOR}; set {SELECTOR}, or rename the file", KEY))
        return None
    try:
        return mail_key(selector, _private(_pem(source)))
    except ValueError as error:
        problems.append(_of(place, str(error), KEY))
    return None


def _pem(source: str) -> bytes:
    if _is_pem(source):
        return source.encode("utf-8", "replace")
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no such file; {_MAKE_ONE}") from None
    except IsADirectoryError:
        raise ValueError("is a folder; name the PEM file in it") from None
    except PermissionError:
        raise ValueError("may not be read by this user; check its permissions and its owner") from None
    except (OSError, ValueError):
        raise ValueError("cannot be read; give the path of a PEM file") from None


def _private(pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    """The one private key in a PEM text; raises ValueError, without a word of it."""
    begun = len(re.findall(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", pem))
    if begun == 0:
        other = "a public key or a certificate" if b"-----BEGIN " in pem else "something else"
        raise ValueError(f"holds {other}, not a private key in PEM; {_MAKE_ONE}")
    if begun > 1:
        raise ValueError(f"holds {begun} private keys; give each a file of its own, with commas between their paths")
    try:
        private = load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("is locked by a password; `openssl pkey -in FILE -out NEW` takes it off") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"is damaged, or no key that is known here; restore it, or {_MAKE_ONE}") from None
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError(f"is of a kind that signs no mail; it must be RSA or Ed25519; {_MAKE_ONE}")
    if isinstance(private, RSAPrivateKey) and private.key_size < SMALLEST_RSA:
        raise ValueError(
            f"has {private.key_size} bits, which receivers refuse (RFC 8301 3.2); {_MAKE_ONE} of {SOUND_RSA}"
        )
    return private


def _exposed(environ: Mapping[str, str]) -> Iterator[str]:
    for source in _sources(environ):
        if not _is_pem(source) and Path(source).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield f"{KEY}: every user of this machine may read {source}; `chmod o= {source}` ends that"


def _weak(key: MailKey) -> Iterator[str]:
    if key.algorithm == "rsa" and key.bits < SOUND_RSA:
        yield f"{KEY}: {key.selector} has {key.bits} bits; a key should have {SOUND_RSA} (RFC 8301 3.2): {_MAKE_ONE}"
    if key.algorithm == "rsa" and key.bits > LARGEST_RSA:
        yield f"{KEY}: {key.selector} has {key.bits} bits, which not every receiver checks (RFC 8301 3.2): {_MAKE_ONE}"


def _is_pem(source: str) -> bool:
    return "-----BEGIN" in source


def _may_be_a_key(source: str) -> bool:
    """Whether it looks like the inside of a PEM text, which no message may show."""
    return not _is_pem(source) and bool("\n" in source or _MATERIAL.fullmatch(source)) and not os.path.isfile(source)


def _stem(source: str) -> str:
    return "" if _is_pem(source) else Path(source).stem


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _of(place: str, message: str, key: str) -> Problem:
    return Problem(file=place, line=0, column=0, key=key, message=message)
