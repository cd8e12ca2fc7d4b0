"""The site that is crashed: a newsletter with readers and Stories, made once and copied for every run.

Two of them: in `due` the issue is still to be made, in `queued` it waits to be sent. Both come about by the product's
own commands; only the time is moved beside it, as no test waits for hours.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.feedserver import FeedServer
from benchmarks.smtp_journal import Fate

CHECKOUT = Path(__file__).resolve().parents[1]
FEEDS, OCTETS = 3, 20_000
"""What is polled for the issue: some sixty Stories."""
DOMAINS = 7
RARE: tuple[Fate, ...] = tuple(fate for fate in get_args(Fate) if fate != "accept")
DOCUMENT = """\
site: {{title: Crash Wire, base_url: "http://wire.example", contact: desk@wire.example}}
polling: {{allow_private: ["127.0.0.1"], every: 24h}}
newsletters:
  - {{id: weekly, title: The week, schedule: "mon 07:30", from: "Wire <wire@wire.example>", max_stories: 8}}
{mail}{feeds}"""


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with feeds.yaml and a database."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "feeds.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "wire.db"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def environment(self, smtp_url: str) -> dict[str, str]:
        """That of a process of this site; `AGGREGATOR_*` of the surroundings count for nothing."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AGGREGATOR_")}
        trusted = {"SSL_CERT_FILE": str(self.certificate)} if self.certificate.exists() else {}
        return (
            kept
            | trusted
            | {
                "AGGREGATOR_CONFIG": str(self.config),
                "AGGREGATOR_DATABASE": f"sqlite:///{self.database}",
                "AGGREGATOR_SECRET": "a secret that only this benchmark knows",
                "AGGREGATOR_SMTP_URL": smtp_url,
                "PYTHONPATH": str(CHECKOUT),
            }
        )

    def copy(self, folder: Path) -> Site:
        shutil.copytree(self.folder, folder)
        return Site(folder)

    def read(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(query).fetchall()

    def let_time_pass(self) -> None:
        """Every letter that waits for its next attempt may have it now."""
        self._write("UPDATE deliveries SET next_attempt_at = ? WHERE next_attempt_at > ?", [_moment()] * 2)

    def bring_due(self) -> None:
        """The hour of the newsletter has come."""
        self._write("UPDATE editions SET next_due_at = ?", [_moment(timedelta(minutes=1))])

    def rest(self) -> None:
        """Have the database in one file, to be copied."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _write(self, statement: str, values: Sequence[str]) -> None:
        with closing(sqlite3.connect(self.database, timeout=60)) as connection, connection:
            connection.execute(statement, values)

    def run(self, *words: str) -> None:
        """A command of the product, which has to succeed."""
        command, environment = [sys.executable, "-m", "aggregator", *words], self.environment("smtp://127.0.0.1:9")
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def _moment(ago: timedelta = timedelta()) -> str:
    """As the database keeps it."""
    return f"{datetime.now(UTC) - ago:%Y-%m-%d %H:%M:%S.%f}"


def readers(count: int, fates: Mapping[Fate, int] | None = None) -> list[str]:
    """Addresses in an order that mixes their fates: so many of each, the rest accepted."""
    named = [fate for fate, number in (fates or {}).items() for _ in range(number)]
    places = {round((at + 0.5) * count / len(named)): fate for at, fate in enumerate(_mixed(named))}
    return [f"r{number:05}.{places.get(number, 'accept')}@r{number % DOMAINS}.example" for number in range(count)]


def _mixed(fates: list[Fate]) -> list[Fate]:
    """Kinds take turns."""
    turns = sorted((fates[:at].count(fate), fate) for at, fate in enumerate(fates))
    return [fate for _, fate in turns]


def found(folder: Path, connections: int) -> Site:
    """A site with a newsletter and Stories that it has not told; nobody reads it yet."""
    site, mail = Site(folder), f"mail: {{connections: {connections}}}\n"
    site.folder.mkdir(parents=True)
    site.log.touch()
    with FeedServer(feeds=FEEDS, size=OCTETS) as server:
        feeds = "".join(f"  - {{id: f{n}, name: F{n}, url: '{url}'}}\n" for n, url in enumerate(server.urls))
        site.config.write_text(DOCUMENT.format(feeds="feeds:\n" + feeds, mail=mail), "utf-8")
        site.run("poll")
    site.rest()
    return site


def with_readers(site: Site, folder: Path, addresses: Sequence[str]) -> Site:
    """A copy of it that has readers, and whose issue is due."""
    due = site.copy(folder)
    people = due.folder / "people.csv"
    people.write_text("\n".join(["email", *addresses, ""]), "utf-8")
    due.run("subscribers", "import", str(people), "--newsletter", "weekly", "--consent-source", "a benchmark")
    due.bring_due()
    due.rest()
    return due


def with_issue(site: Site, folder: Path) -> Site:
    """A copy of that whose issue is made, and waits to be sent."""
    queued = site.copy(folder)
    queued.run("newsletters", "compose", "weekly")
    queued.rest()
    return queued


def certify(site: Site) -> Path:
    """A certificate for localhost with its key, which processes of this site trust."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    site.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*plain))
    return site.certificate
