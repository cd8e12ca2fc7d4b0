"""`aggregator bounces` as a person and a mail server use it, and a listener that a real client hands mail to."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.settings.loading import load_settings
from aggregator.steps.signing import Signer
from aggregator.wiring import Runtime
from tests.acceptance.wire import HEAD, Wire
from tests.bounce_fakes import settle_all
from tests.bounce_mails import dsn, fields, mail, vacation
from tests.imap_server import ImapServer, Message
from tests.mail_fakes import ACCEPTED, issue_of

LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Test Wire <wire@wire.example>"}
"""
CONSENT = ("--newsletter", "weekly", "--consent-source", "asked by mail, 2026-03-02")
SIGNER = Signer(["a secret that only tests know"])


class Post:
    """A wire whose readers each got a letter."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.wire = Wire(folder, HEAD + LETTER)
        people = folder / "people.csv"
        people.write_text("\n".join(["email", *(f"{name}@reader.example" for name in names)]))
        self.wire.run("subscribers", "import", str(people), *CONSENT)
        self.letters = self._send()

    @contextmanager
    def runtime(self, **environ: str) -> Iterator[Runtime]:
        with Runtime(load_settings(self.wire.config, self.wire.env | environ)) as runtime:
            yield runtime

    def _send(self, result: SendResult = ACCEPTED) -> dict[str, int]:
        """The ids of the letters of an Issue, by name of their reader."""
        now = datetime.now(UTC)
        with self.runtime() as runtime:
            room = runtime.mail
            slot = room.newsletters.slot("weekly")
            issue = issue_of(slot, now - timedelta(minutes=1), f"story {slot.next_number}")
            stored = room.newsletters.record(slot, up_to=slot.cursor, next_due=None, issue=issue, domain="wire.example")
            assert stored is not None
            settle_all(room.deliveries, "weekly", now, result)
            rows = room.deliveries.for_issue(stored.id)
        return {row.subscriber.email.partition("@")[0]: row.id for row in rows}

    def address(self, name: str) -> str:
        return SIGNER.bounce_address(self.letters[name], "wire.example")

    def report(self, name: str, status: str, words: str = "") -> bytes:
        """What a server would send back about the letter of this reader."""
        return dsn(fields("failed", status, f"{name}@reader.example", words=words), to=self.address(name))

    def subscriptions(self) -> dict[str, str]:
        rows = self.wire.rows("SELECT email, state FROM subscriptions JOIN subscribers ON id = subscriber_id")
        return {email.partition("@")[0]: state for email, state in rows}


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path, "ana", "bob")


def pipe(post: Post, raw: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "aggregator", "bounces", "read", "-", *words]
    return subprocess.run(command, env=post.wire.env, cwd=post.wire.folder, input=raw, capture_output=True, timeout=60)


def test_a_mail_from_a_pipe_suppresses_is_listed_and_is_undone(post: Post) -> None:
    done = pipe(post, post.report("ana", "5.1.1", "550 5.1.1 No such user"))
    assert (done.returncode, done.stdout.decode().splitlines()[0]) == (0, "1 hard")
    assert b"Mail stopped: 1 addresses suppressed, 0 readers disabled." in done.stdout
    assert b"ana@" not in done.stderr
    assert post.subscriptions() == {"ana": "disabled", "bob": "confirmed"}
    assert [reason for (reason,) in post.wire.rows("SELECT reason FROM suppressions")] == ["bounce"]

    (row,) = post.wire.json("bounces", "list")
    assert (row["email"], row["kind"], row["status"], row["counts"]) == ("ana@reader.example", "hard", "5.1.1", True)
    assert "550 5.1.1 No such user" in post.wire.run("bounces", "list").stdout
    again = pipe(post, post.report("ana", "5.1.1", "550 5.1.1 No such user"))
    assert again.stdout.decode().splitlines() == ["1 known already"]

    undone = post.wire.run("bounces", "undo", str(row["id"])).stdout
    assert undone == f"ana@reader.example has mail again from the next issue on; bounce {row['id']} does not count.\n"
    assert (post.subscriptions()["ana"], post.wire.rows("SELECT * FROM suppressions")) == ("confirmed", [])
    assert post.wire.json("bounces", "undo", str(row["id"]))["enabled"] is False
    assert "no bounce 99" in post.wire.run("bounces", "undo", "99", code=2).stderr


def test_a_maildir_is_read_and_what_cannot_be_read_is_named(post: Post) -> None:
    folder = post.wire.folder / "bounces"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "1.host").write_bytes(post.report("ana", "5.2.2"))
    (folder / "new" / "2.host").write_bytes(b"")
    (folder / "new" / "3.host").write_bytes(vacation("Auto-Submitted: auto-replied"))
    done = post.wire.run("bounces", "read", str(folder), code=1)
    assert done.stdout.splitlines() == ["1 hard, 1 automatic replies, 1 left", "  new/2.host: it is empty"]
    assert {path.name for path in folder.glob("*/*")} == {"1.host:2,S", "2.host", "3.host:2,S"}
    post.wire.env["AGGREGATOR_BOUNCES_URL"] = f"maildir:{folder}"
    assert post.wire.json("bounces", "read", code=1)["left"] == [["new/2.host", "it is empty"]]


def test_a_folder_on_an_imap_server_is_read(post: Post) -> None:
    box = {1: Message(raw=post.report("ana", "5.2.2")), 2: Message(raw=post.report("bob", "4.4.1"))}
    with ImapServer(folders={"INBOX": box}, password="p@ss word") as imap:
        post.wire.env["AGGREGATOR_BOUNCES_URL"] = f"imap://wire:p%40ss%20word@127.0.0.1:{imap.port}/INBOX?tls=none"
        assert post.wire.run("bounces", "read").stdout == "1 hard, 1 soft\n"
        assert post.wire.run("bounces", "read").stdout == "Nothing to read.\n"
    failed = post.wire.run("bounces", "read", code=1)
    assert "Connection refused" in failed.stderr
    assert "p@ss" not in failed.stderr + failed.stdout


def test_a_mail_to_the_address_in_a_letter_unsubscribes(post: Post) -> None:
    (id_,) = next(iter(post.wire.rows("SELECT id FROM subscribers WHERE email LIKE 'bob@%'")))
    address = SIGNER.unsubscribe_address(id_, "weekly", "wire.example")
    assert pipe(post, mail("From: bob@phone.example", f"To: {address}")).stdout == b"1 unsubscribed\n"
    assert post.subscriptions() == {"ana": "confirmed", "bob": "unsubscribed"}


def test_the_recipient_can_be_named(post: Post) -> None:
    raw = dsn(fields("failed", "5.2.2", "ana@reader.example"), to="undisclosed-recipients:;")
    assert pipe(post, raw).stdout == b"1 of no letter of ours\n"
    assert pipe(post, raw, "--recipient", post.address("ana")).stdout == b"1 hard\n"


def test_there_is_something_to_name(post: Post) -> None:
    assert "AGGREGATOR_BOUNCES_URL" in post.wire.run("bounces", "read", code=2).stderr
    assert "is no Maildir" in post.wire.run("bounces", "read", str(post.wire.folder), code=2).stderr
    assert "No such file" in post.wire.run("bounces", "read", "missing.eml", code=2).stderr
    post.wire.env["AGGREGATOR_BOUNCES_URL"] = "imaps://wire:geheim@host:port"
    wrong = post.wire.run("bounces", "read", "missing.eml", code=2).stderr
    assert "AGGREGATOR_BOUNCES_URL: must be imaps://" in wrong
    assert "geheim" not in wrong


def test_the_listener_stores_before_it_answers_and_refuses_who_is_not_ours(post: Post) -> None:
    with (
        post.runtime(AGGREGATOR_BOUNCES_LISTEN="127.0.0.1:0") as runtime,
        runtime.returns.listening(runtime.settings) as port,
    ):
        assert port
        with smtplib.LMTP("127.0.0.1", port, timeout=20) as sender:
            sender.sendmail("", [post.address("ana").upper()], post.report("ana", "5.1.1"))
            assert post.subscriptions()["ana"] == "disabled"
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                sender.sendmail("", [post.address("bob").replace("b+", "b+9")], post.report("bob", "5.1.1"))
        assert post.subscriptions()["bob"] == "confirmed"


def test_nobody_listens_where_nothing_says_so(post: Post) -> None:
    with post.runtime() as runtime, runtime.returns.listening(runtime.settings) as port:
        assert port is None


def test_a_refusal_while_sending_counts(post: Post) -> None:
    refused = SendResult(state=DeliveryState.REFUSED, reply="550 5.1.1 No such user", code=550)
    letters = post._send(refused)
    with post.runtime() as runtime:
        delivery = runtime.returns._bounces.delivery(letters["ana"])
        assert delivery is not None
        assert runtime.returns.refused(delivery, refused).suppressed == 1
    assert post.subscriptions()["ana"] == "disabled"
