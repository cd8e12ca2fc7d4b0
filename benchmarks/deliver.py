"""What sending costs, beside postfix's `smtp-source`, into the same `smtp-sink`, in one run.

    python -m benchmarks.deliver --recipients 20000

Both send letters of the same size over as many connections, each of which carries many; the ledger is an SQLite file
with synchronous=FULL, as ever. `ratio` is our letters a second over those of smtp-source, which has no ledger and
signs nothing. Needs the package postfix (Debian), of which no service has to run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from aggregator.adapters.mailer import SmtpMailer
from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.cli.output import configure_logging
from aggregator.flows.delivering.deliver import deliver
from aggregator.flows.delivering.keeping_pace import PaceKeeper
from aggregator.flows.delivering.lettering import DeliverPlan
from aggregator.flows.delivering.noting import DeliverPorts
from aggregator.model.channel import Site
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber, SubscriptionState
from aggregator.model.mailkey import mail_key
from aggregator.model.newsletter import UNSUBSCRIBE_PLACEHOLDER, Issue, Newsletter, Rendering
from aggregator.model.sending import Claim, Exchanged, Settlement
from aggregator.steps.dkim import DkimSigner
from aggregator.steps.signing import Signer
from benchmarks.cost import measured
from benchmarks.memory import PeakMemory

WEEKLY = Newsletter(
    id="weekly", title="The week", schedule="mon 07:30", timezone="UTC", sender="Wire <wire@wire.example>"
)
SITE = Site(title="Wire", base_url="https://wire.example", contact="desk@wire.example")
BATCH = 10_000


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class TimedStore(SqlDeliveryStore):
    """The ledger, with the seconds that its exchanges took."""

    seconds = 0.0

    def exchange(self, settled: Sequence[Settlement], now: datetime, claim: Claim | None = None) -> Exchanged:
        begun = time.perf_counter()
        try:
            return super().exchange(settled, now, claim)
        finally:
            self.seconds += time.perf_counter() - begun


# --- what is sent ---------------------------------------------------------------------------------


def rendering(octets: int) -> Rendering:
    """An issue whose letters have about so many octets on the wire."""
    line = "<tr><td>A sentence about energy policy and trade in Asia, which is about as long as this.</td></tr>\n"
    footer = f'<p><a href="{UNSUBSCRIBE_PLACEHOLDER}">Unsubscribe</a></p>\n'
    html = line * (9 * octets // 10 // len(line)) + footer
    text = "A sentence about energy.\n" * (octets // 12 // 25) + f"Unsubscribe: {UNSUBSCRIBE_PLACEHOLDER}\n"
    return Rendering(subject="The week: energy, trade", html=html, text=text)


def plan(signed: bool) -> DeliverPlan:
    """As a site has it: signed ways out, and DKIM with RSA-2048 where asked for."""
    signer = Signer(["only for this benchmark"])
    key = mail_key("bench", generate_private_key(public_exponent=65537, key_size=2048)) if signed else None
    return DeliverPlan(
        newsletters={"weekly": WEEKLY},
        site=SITE,
        unsubscribe_url=lambda reader, letter: (
            f"{SITE.base_url}/unsubscribe/{signer.unsubscribe_token(reader, letter)}"
        ),
        preferences_url=lambda reader: f"{SITE.base_url}/preferences/{signer.preferences_token(reader)}",
        return_path=lambda delivery_id: signer.bounce_address(delivery_id, "bounces.wire.example"),
        signers={WEEKLY.domain: DkimSigner(domain=WEEKLY.domain, keys=(key,))} if key else {},
    )


def queue(database: Database, recipients: int, octets: int) -> Issue:
    """An issue with a letter queued for each of so many readers."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    migrate(database)
    newsletters, subscribers = SqlNewsletterStore(database), SqlSubscriberStore(database)
    newsletters.sync([WEEKLY], lambda letter: (now, now), 0)
    for start in range(0, recipients, BATCH):
        numbers = range(start, min(start + BATCH, recipients))
        people = [Subscriber(email=f"reader{n}@host{n % 500}.example", name=f"Reader {n}") for n in numbers]
        subscribers.put(people, "weekly", SubscriptionState.CONFIRMED, "form", now)
    slot = newsletters.slot("weekly")
    issue = Issue(
        newsletter_id="weekly",
        edition_id=slot.edition.id,
        number=1,
        created_at=now,
        rendering=rendering(octets),
        story_ids=("story",),
        titles=("Story",),
    )
    stored = newsletters.record(slot, up_to=1, next_due=None, issue=issue, domain=WEEKLY.domain)
    if stored is None:
        raise SystemExit("benchmarks.deliver: the issue could not be recorded")
    return stored


# --- measured processes ---------------------------------------------------------------------------


def ours(file: Path, url: str, connections: int, *, signed: bool) -> dict[str, float]:
    """One run of the flow, over the queue in this file."""
    database = open_database(f"sqlite:///{file}")
    store = TimedStore(database)
    ports = DeliverPorts(
        deliveries=store,
        newsletters=SqlNewsletterStore(database),
        mailer=SmtpMailer(url, connections=connections, local_hostname="bench.example"),
        clock=SystemClock(),
    )
    given = plan(signed)

    def work() -> dict[str, int]:
        report = deliver(ports, given, pacing=PaceKeeper(given.limits, "bench"))
        return {name: count for name, count in asdict(report).items() if isinstance(count, int)}

    cost = measured(work)
    database.close()
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "ledger_s": store.seconds, "accepted": cost.said["accepted"]}


def per_recipient(octets: int, *, signed: bool) -> float:
    """Milliseconds that a letter takes to be made, after the first of its issue."""
    given, count = plan(signed), 2_000
    issue = Issue(
        id=1, newsletter_id="weekly", edition_id=1, number=1, created_at=datetime.now(UTC), rendering=rendering(octets),
        story_ids=(),
    )  # fmt: skip
    delivery = Delivery(
        id=1, issue_id=1, newsletter_id="weekly", edition_id=1, issue_number=1, state=DeliveryState.SENDING,
        subscriber=Subscriber(id=1, email="reader@host.example", name="Reader"), message_id="<weekly-1.1@wire.example>",
    )  # fmt: skip
    printing = given.print_run(issue)
    begun = time.perf_counter()
    for number in range(count):
        printing.letter(replace(delivery, id=number)).whole()
    return 1000 * (time.perf_counter() - begun) / count


def run_ours(
    folder: Path, url: str, recipients: int, octets: int, connections: int, *, signed: bool
) -> dict[str, float]:
    """The flow in a process of its own, and its peak memory."""
    file = folder / f"{recipients}-{signed}.db"
    database = open_database(f"sqlite:///{file}")
    queue(database, recipients, octets)
    database.close()
    command = [sys.executable, "-m", "benchmarks.deliver", "--ours", str(file), url, str(connections), str(int(signed))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with PeakMemory(process.pid) as peak:
        output, _ = process.communicate(timeout=3600)
    if process.returncode:
        raise SystemExit(f"benchmarks.deliver: our process ended with {process.returncode}")
    said: dict[str, float] = json.loads(output.splitlines()[-1])
    if said["accepted"] != recipients:
        raise SystemExit(f"benchmarks.deliver: {said['accepted']} of {recipients} letters were accepted")
    file.unlink()
    return said | {"peak_mb": round(peak.megabytes, 1)}


# --- postfix's tools ------------------------------------------------------------------------------


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit(f"benchmarks.deliver: there is no {name}; `apt-get install postfix` brings it")
    return found


@contextmanager
def sink() -> Iterator[int]:
    """A smtp-sink on the loopback, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    process = subprocess.Popen([tool("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        process.kill()
        process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("benchmarks.deliver: smtp-sink does not listen")


def run_source(port: int, letters: int, octets: int, connections: int) -> float:
    """Letters a second of smtp-source."""
    command = [tool("smtp-source"), "-d", "-s", str(connections), "-l", str(octets), "-m", str(letters)]
    begun = time.perf_counter()
    subprocess.run([*command, f"127.0.0.1:{port}"], check=True, timeout=3600)
    return letters / (time.perf_counter() - begun)


# --- the run --------------------------------------------------------------------------------------


def run(recipients: int, octets: int, connections: int, memory: Sequence[int]) -> dict[str, object]:
    results: dict[str, object] = {"recipients": recipients, "octets": octets, "connections": connections}
    results["per_recipient_ms"] = {
        "unsigned": round(per_recipient(octets, signed=False), 4),
        "signed": round(per_recipient(octets, signed=True), 3),
    }
    with sink() as port, tempfile.TemporaryDirectory() as temporary:
        folder, url = Path(temporary), f"smtp://127.0.0.1:{port}?tls=none"
        for name, signed in (("unsigned", False), ("signed", True)):
            before = run_source(port, recipients, octets, connections)
            mine = run_ours(folder, url, recipients, octets, connections, signed=signed)
            results[name] = _compared(mine, (before + run_source(port, recipients, octets, connections)) / 2)
        results["peak_mb"] = {
            str(count): run_ours(folder, url, count, octets, connections, signed=False)["peak_mb"] for count in memory
        }
    return results


def _compared(mine: dict[str, float], source_per_s: float) -> dict[str, object]:
    letters = mine["accepted"]
    return {
        "letters_per_s": round(letters / mine["wall_s"]),
        "smtp_source_per_s": round(source_per_s),
        "ratio": round(letters / mine["wall_s"] / source_per_s, 2),
        "cpu_ms_per_letter": round(1000 * mine["cpu_s"] / letters, 3),
        "ledger_ms_per_letter": round(1000 * mine["ledger_s"] / letters, 3),
        "peak_mb": mine["peak_mb"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--octets", type=int, default=65_000, help="of a letter")
    parser.add_argument("--connections", type=int, default=100, help="of ours, and of smtp-source")
    parser.add_argument("--memory", default="1000,100000", help="recipients of the runs that are measured for memory")
    parser.add_argument("--ours", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        configure_logging()  # a line per letter, as ever
        file, url, connections, signed = options.ours
        print(json.dumps(ours(Path(file), url, int(connections), signed=signed == "1")))
        return
    memory = [int(count) for count in re.findall(r"\d+", options.memory)]
    print(json.dumps(run(options.recipients, options.octets, options.connections, memory), indent=2))


if __name__ == "__main__":
    main()
