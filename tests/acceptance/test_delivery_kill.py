"""kill -9 in the middle of a send, wherever that is: nobody gets two letters, nobody none, and doubt is named.

The truth is the server's journal, which is on disk before the server answers.
"""

import os
import re
import signal
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
from aggregator.faults import VARIABLE
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber, SubscriptionState
from tests.mail_fakes import WEEKLY, issue_of
from tests.smtp_server import SILENCE, ScriptedSmtp

READERS = 6
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Ledger:
    """The database of a sender, as its processes and the test see it."""

    file: Path
    readers: int = READERS

    def queue(self) -> None:
        now = datetime.now(UTC) - timedelta(minutes=1)
        database = open_database(f"sqlite:///{self.file}")
        migrate(database)
        newsletters = SqlNewsletterStore(database)
        newsletters.sync([WEEKLY], lambda newsletter: (now, now), 0)
        people = [Subscriber(email=f"reader{number}@reader.example") for number in range(self.readers)]
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


def start(ledger: Ledger, server: ScriptedSmtp, *words: str, fault: str = "") -> subprocess.Popen[bytes]:
    """A sender on this ledger, with more words for its command line; `fault` is where it breaks."""
    command = [sys.executable, "-m", "tests.acceptance.sending_process", str(ledger.file), server.plain_url, *words]
    return subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, VARIABLE: fault})


def check(ledger: Ledger, journal: Path, *, in_doubt: int | None) -> Counter[DeliveryState]:
    """The oracles, after a kill and a second run that went well."""
    taken = Counter(journal.read_text().split())
    rows = ledger.rows()
    states = Counter(row.state for row in rows.values())
    assert len(rows) == ledger.readers
    assert max(taken.values()) == 1, "somebody got two letters"
    assert in_doubt is None or states[DeliveryState.UNCERTAIN] == in_doubt
    assert states[DeliveryState.ACCEPTED] + states[DeliveryState.UNCERTAIN] == ledger.readers, "somebody was lost"
    for email, row in rows.items():
        if row.state is DeliveryState.ACCEPTED:
            assert taken[email] == 1
        else:
            assert row.reply is not None
            assert "the server's answer" in row.reply
    return states


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


POINTS = {
    "send.claimed:3": 1,  # with the answer to the second letter, which stood in the same transaction
    "send.committed:3": 1,
    "send.connected:1": 0,
    "send.ehlo:1": 0,
    "send.mail:3": 1,
    "send.rcpt:3": 1,
    "send.data:3": 1,
    "send.body:3": 1,
    "send.dot:3": 1,
    "send.answered:3": 1,
    "send.mark:3": 1,
    "send.marked:3": 1,
    "send.marked:6": 0,
    "send.quit:1": 0,
    "send.closed:1": 0,
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_point_of_its_own(ledger: Ledger, tmp_path: Path, point: str) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal, pipelining=True) as server:
        assert start(ledger, server, fault=f"{point}=kill").wait(30) == -9
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=POINTS[point])


@pytest.mark.parametrize("point", ["send.claimed:3", "send.mark:3", "send.committed:3", "send.marked:3"])
def test_a_disk_that_is_full_for_a_moment_costs_nothing(ledger: Ledger, tmp_path: Path, point: str) -> None:
    """What was claimed meanwhile, and by whom nobody knows, goes in the next run."""
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        assert start(ledger, server, fault=f"{point}=enospc").wait(30) == 0
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=0)


def test_a_letter_in_doubt_is_sent_again_where_the_newsletter_asks_for_it(ledger: Ledger, tmp_path: Path) -> None:
    """Under its own Message-ID, so that a reader's program may show it once; who had it, has it twice."""
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        assert start(ledger, server, "1", "resend", fault="send.dot:3=kill").wait(30) == -9
        assert start(ledger, server, "1", "resend").wait(30) == 0
        names = [re.findall(rb"Message-ID: (\S+)", message) for _, message in server.taken]
    taken = Counter(journal.read_text().split())
    assert {row.state for row in ledger.rows().values()} == {DeliveryState.ACCEPTED}
    assert len({name for found in names for name in found}) == READERS
    assert len(taken) == READERS


# --- several at once ------------------------------------------------------------------------------


def many(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "many.db", readers=60)
    ledger.queue()
    return ledger


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_side_by_side_send_each_letter_once(tmp_path: Path, workers: int) -> None:
    ledger, journal = many(tmp_path), tmp_path / "journal"
    with ScriptedSmtp(journal=journal, pipelining=True) as server:
        processes = [start(ledger, server, "3") for _ in range(workers)]
        assert [process.wait(60) for process in processes] == [0] * workers
    check(ledger, journal, in_doubt=0)
    assert [path.name for path in tmp_path.glob("*.sender-*")] == []


def test_one_of_several_is_killed_and_the_others_name_what_it_had(tmp_path: Path) -> None:
    ledger, journal = many(tmp_path), tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        victim = start(ledger, server, "4", fault="send.dot=kill")
        others = [start(ledger, server, "2") for _ in range(2)]
        assert victim.wait(60) == -9
        assert [process.wait(60) for process in others] == [0, 0]
        assert start(ledger, server).wait(30) == 0
    assert 1 <= check(ledger, journal, in_doubt=None)[DeliveryState.UNCERTAIN] <= 4


def test_one_that_is_stopped_keeps_its_letter_and_ends_it_when_it_wakes(ledger: Ledger, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        sleeper = start(ledger, server, fault="send.dot:2=stop")
        _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert start(ledger, server).wait(30) == 0
        assert Counter(row.state for row in ledger.rows().values()) == {
            DeliveryState.ACCEPTED: READERS - 1,
            DeliveryState.SENDING: 1,
        }
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.wait(30) == 0
    check(ledger, journal, in_doubt=0)


def test_one_that_is_stopped_and_then_killed_leaves_its_letter_in_doubt(ledger: Ledger, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with ScriptedSmtp(journal=journal) as server:
        sleeper = start(ledger, server, fault="send.answered:2=stop")
        os.waitpid(sleeper.pid, os.WUNTRACED)
        assert start(ledger, server).wait(30) == 0
        sleeper.kill()
        assert sleeper.wait(30) == -9
        assert start(ledger, server).wait(30) == 0
    check(ledger, journal, in_doubt=1)


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
