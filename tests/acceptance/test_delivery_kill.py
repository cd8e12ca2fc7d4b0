"""kill -9 in the middle of a send, wherever that is: nobody gets two letters, nobody none, and doubt is named.

The truth is the server's journal, which is on disk before the server answers.
"""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber, SubscriptionState
from tests.mail_fakes import WEEKLY, issue_of
from tests.smtp_server import SILENCE, ScriptedSmtp

READERS = 6
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Ledger:
    """The database of a sender, as its processes and the test see it."""

    file: Path

    def queue(self) -> None:
        now = datetime.now(UTC) - timedelta(minutes=1)
        database = open_database(f"sqlite:///{self.file}")
        migrate(database)
        newsletters = SqlNewsletterStore(database)
        newsletters.sync([WEEKLY], lambda newsletter: (now, now), 0)
        people = [Subscriber(email=f"reader{number}@reader.example") for number in range(READERS)]
        SqlSubscriberStore(database).put(people, "weekly", SubscriptionState.CONFIRMED, "form", now)
        slot = newsletters.slot("weekly")
        newsletters.record(slot, up_to=0, next_due=None, issue=issue_of(slot, now, "story-1"), domain="example.org")
        database.close()

    def rows(self) -> dict[str, Delivery]:
        database = open_database(f"sqlite:///{self.file}")
        rows = SqlDeliveryStore(database).for_issue(1)
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        database.close()
        return {row.subscriber.email: row for row in rows}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "wire.db")
    ledger.queue()
    return ledger


def start(ledger: Ledger, server: ScriptedSmtp, step: str = "-") -> subprocess.Popen[bytes]:
    module = "tests.acceptance.sending_process"
    return subprocess.Popen([sys.executable, "-m", module, str(ledger.file), server.plain_url, step], cwd=CHECKOUT)


def check(ledger: Ledger, journal: Path, *, in_doubt: int) -> None:
    """The oracles, after a kill and a second run that went well."""
    taken = Counter(journal.read_text().split())
    rows = ledger.rows()
    states = Counter(row.state for row in rows.values())
    assert len(rows) == READERS
    assert max(taken.values()) == 1, "somebody got two letters"
    assert states[DeliveryState.UNCERTAIN] == in_doubt
    assert states[DeliveryState.ACCEPTED] + in_doubt == READERS, "somebody was lost"
    for email, row in rows.items():
        if row.state is DeliveryState.ACCEPTED:
            assert taken[email] == 1
        else:
            assert row.reply is not None
            assert "the server's answer" in row.reply


@pytest.mark.parametrize("nth", [1, 4])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "body", "dot"])
def test_killed_while_the_server_is_spoken_to(ledger: Ledger, tmp_path: Path, step: str, nth: int) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        victim: list[subprocess.Popen[bytes]] = []

        def kill(at: str, number: int) -> None:
            if (at, number) == (step, nth):
                victim[0].kill()
                victim[0].wait(10)

        server.on_step = kill
        victim.append(start(ledger, server))
        victim[0].wait(30)
        assert victim[0].returncode == -9
        assert [row.state for row in ledger.rows().values()].count(DeliveryState.SENDING) == 1
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=1)


@pytest.mark.parametrize("step", ["connect", "EHLO"])
def test_killed_before_a_letter_is_spoken_of(ledger: Ledger, tmp_path: Path, step: str) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp({step: [SILENCE]}, journal=journal) as server:
        victim = []
        server.on_step = lambda at, number: victim[0].kill() if (at, number) == (step, 1) else None
        victim.append(start(ledger, server))
        assert victim[0].wait(30) == -9
        assert {row.state for row in ledger.rows().values()} == {DeliveryState.QUEUED}
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=0)


@pytest.mark.parametrize(
    ("step", "in_doubt"), [("before claim", 0), ("after claim", 1), ("before settle", 1), ("after settle", 0)]
)
def test_killed_around_its_own_marks(ledger: Ledger, tmp_path: Path, step: str, in_doubt: int) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        assert start(ledger, server, step).wait(30) == -9
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=in_doubt)


def test_killed_again_and_again(ledger: Ledger, tmp_path: Path) -> None:
    """Each time in its second letter; the rows in doubt add up, and still nobody gets two."""
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        for _ in range(2):
            seen: list[str] = []
            victim: list[subprocess.Popen[bytes]] = []

            def kill(
                at: str, number: int, seen: list[str] = seen, victim: list[subprocess.Popen[bytes]] = victim
            ) -> None:
                seen += [at]
                if at == "dot" and seen.count("dot") == 2:
                    victim[0].kill()
                    victim[0].wait(10)

            server.on_step = kill
            victim.append(start(ledger, server))
            assert victim[0].wait(30) == -9
        server.on_step = lambda at, number: None
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=2)
