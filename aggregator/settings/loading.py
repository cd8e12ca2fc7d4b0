"""feeds.yaml and the environment, read and checked as a whole: Settings, or ConfigError with every problem."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aggregator.errors import ConfigError, Problem
from aggregator.model.feed import Feed
from aggregator.settings.checking import Fault, check_document
from aggregator.settings.dkim_keys import key_warnings, read_mail_keys
from aggregator.settings.document import SECTIONS, Document, FeedSection
from aggregator.settings.proxies import PROXIES, parse_proxies
from aggregator.settings.relay import parse_relays
from aggregator.settings.return_mail import BOUNCES_LISTEN, BOUNCES_URL, parse_listen, parse_return_box
from aggregator.settings.taxonomy_files import changed, shipped_taxonomy, unknown_tags
from aggregator.settings.values import Settings
from aggregator.settings.yamltext import YamlText, decode

DEFAULT_DATABASE = "sqlite:///data/aggregator.db"
MIN_SECRET = 16


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read one file and the environment; raises ConfigError with all problems of both."""
    problems: list[Problem] = []
    places = _places(environ, problems)
    try:
        document = _document(path, environ)
    except ConfigError as error:
        raise ConfigError((*error.problems, *problems)) from error.__cause__
    if problems:
        raise ConfigError(tuple(problems))
    site = document.site.value()
    return Settings(
        config_path=str(path),
        **places,
        site=site,
        polling=document.polling.value(),
        mail=document.mail.value(site),
        feeds=tuple(_feed(feed, environ) for feed in document.feeds),
        taxonomy=changed(shipped_taxonomy(), document.taxonomy),
        rules=tuple(rule.value() for rule in document.tags),
        channels=tuple(channel.value() for channel in document.channels),
        newsletters=tuple(letter.value(site) for letter in document.newsletters),
    )


def find_shipped(name: str) -> Path:
    """A file or folder that comes with the package: inside an installed wheel, else beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / name, package.parent / name):
        if place.exists():
            return place
    raise ConfigError((Problem(file=name, line=0, column=0, key="", message=f"is missing beside {package}"),))


def template_files(kind: str, own: str | None) -> dict[str, Path]:
    """The files of `mail` or `web` by name: ours, and those of a person's own folder in their place or beside them."""
    files: dict[str, Path] = {}
    for folder in (find_shipped("templates") / kind, *([Path(own) / kind] if own else [])):
        if folder.is_dir():
            files |= {file.name: file for file in sorted(folder.iterdir())}
    return files


def ensure_secret(data_dir: str | Path) -> str:
    """The key that signs links, kept in the data directory for its owner only; made when there is none yet."""
    path = Path(data_dir) / "secret"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            fresh = path.with_name(f"secret.{secrets.token_hex(4)}")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32))
            try:
                with suppress(FileExistsError):
                    os.link(fresh, path)  # whole or not at all, and never over one that another process made just now
            finally:
                fresh.unlink()
        secret = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        secret = ""
    except OSError as error:
        cure = "AGGREGATOR_DATABASE names the folder for data, which has to be one we may write to"
        raise ConfigError((_of(path, f"cannot be read or made: {error.strerror}; {cure}"),)) from error
    if _is_short(secret):
        raise ConfigError((_of(path, "is damaged; restore it, or delete it: links in letters sent so far will fail"),))
    return secret


# --- the file -------------------------------------------------------------------------------------


def _document(path: Path, environ: Mapping[str, str]) -> Document:
    source = YamlText(_text(path), str(path))
    data = source.data
    if data is None:
        raise ConfigError((_of(path, 'the file is empty; it needs at least site: {title: …, base_url: "https://…"}'),))
    if not isinstance(data, dict):
        raise ConfigError((_of(path, f"must be a mapping with the keys {', '.join(SECTIONS)}"),))
    document, faults = check_document(data)
    faults += _missing_variables(data, environ)
    faults += unknown_tags(document.taxonomy) if document else ()
    if document is None or faults:
        problems = [fault.problem(source) for fault in faults]
        raise ConfigError(tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))))
    return document


def _text(path: Path) -> str:
    try:
        return decode(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise ConfigError((_of(path, "there is no such file; name one with --config FILE"),)) from error
    except IsADirectoryError as error:
        raise ConfigError((_of(path, "is a directory, not a file"),)) from error
    except PermissionError as error:
        raise ConfigError((_of(path, "may not be read by this user; check its permissions"),)) from error
    except (OSError, ValueError) as error:
        raise ConfigError((_of(path, f"cannot be read: {error}"),)) from error


def _missing_variables(data: dict[str, Any], environ: Mapping[str, str]) -> list[Fault]:
    feeds = data.get("feeds")
    return [
        Fault(path=("feeds", number, "headers", name), message=f"the environment variable {value[4:]} is not set")
        for number, feed in enumerate(feeds if isinstance(feeds, list) else ())
        if isinstance(feed, dict) and isinstance(feed.get("headers"), dict)
        for name, value in feed["headers"].items()
        if str(value).startswith("env:") and not environ.get(value[4:])
    ]


def _feed(feed: FeedSection, environ: Mapping[str, str]) -> Feed:
    headers = {name: environ[text[4:]] if text.startswith("env:") else text for name, text in feed.headers.items()}
    return feed.value(headers)


# --- the environment ------------------------------------------------------------------------------


def _places(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    """The fields of Settings that come from the environment; what is wrong with them goes to `problems`."""
    database = environ.get("AGGREGATOR_DATABASE") or DEFAULT_DATABASE
    smtp, secrets = environ.get("AGGREGATOR_SMTP_URL") or None, _listed(environ.get("AGGREGATOR_SECRET") or "")
    templates = environ.get("AGGREGATOR_TEMPLATES") or None
    bounces, listen = environ.get(BOUNCES_URL) or None, environ.get(BOUNCES_LISTEN) or None
    proxies = environ.get(PROXIES) or None
    faults = {
        "AGGREGATOR_DATABASE": _database_fault(database),
        "AGGREGATOR_TEMPLATES": _templates_fault(Path(templates)) if templates else None,
        "AGGREGATOR_SMTP_URL": _fault_in(parse_relays, smtp),
        BOUNCES_URL: _fault_in(parse_return_box, bounces),
        BOUNCES_LISTEN: _fault_in(parse_listen, listen),
        PROXIES: _fault_in(parse_proxies, proxies),
        "AGGREGATOR_SECRET": f"needs at least {MIN_SECRET} characters" if any(map(_is_short, secrets)) else None,
    }
    problems += [_of("environment", message, name) for name, message in faults.items() if message]
    data_dir = Path(database.removeprefix("sqlite:///")).parent
    return {"database_url": database, "data_dir": str(data_dir)} | {
        "templates": templates,
        "smtp_url": smtp,
        "bounces_url": bounces,
        "bounces_listen": listen,
        "proxies": parse_proxies(proxies or "") if not faults[PROXIES] else (),
        "secrets": secrets,
        **_signing(environ, problems),
    }


def _signing(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    try:
        keys = read_mail_keys(environ)
    except ConfigError as error:
        problems += error.problems
        return {}
    return {"mail_keys": keys, "key_warnings": key_warnings(environ, keys)}


def _templates_fault(folder: Path) -> str | None:
    found = any((folder / kind).is_dir() for kind in ("mail", "web"))
    return (
        None if found else "must be a folder with mail/ or web/ in it, which hold the templates that differ from ours"
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_short(secret: str) -> bool:
    return len(secret) < MIN_SECRET


def _database_fault(url: str) -> str | None:
    scheme, _, rest = url.partition(":")
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return f"the PostgreSQL store is not part of this version; use {DEFAULT_DATABASE}"
    if scheme != "sqlite" or not rest.startswith("///"):
        return f"must be sqlite:///PATH, such as {DEFAULT_DATABASE}"
    if rest in ("///", "///:memory:") or "?" in rest or rest.endswith("/"):
        return f"must name a file, such as {DEFAULT_DATABASE}"
    return None


def _fault_in(parse: Callable[[str], object], text: str | None) -> str | None:
    try:
        if text:
            parse(text)
    except ConfigError as error:
        return error.problems[0].message
    return None


def _of(file: Path | str, message: str, key: str = "") -> Problem:
    return Problem(file=str(file), line=0, column=0, key=key, message=message)
