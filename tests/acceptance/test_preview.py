"""`aggregator newsletters preview` and `test`: an issue is looked at before anybody gets it, and nothing is altered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from aggregator.demo.mailbox import Mailbox
from aggregator.steps.signing import Signer
from tests.acceptance.wire import HEAD, Wire
from tests.adapters.fetch_server import FetchServer, answer
from tests.smtp_server import ScriptedSmtp

RSS = b"""<rss version="2.0"><channel><title>Tank</title>
<item><guid>1</guid><title>Grain corridors &amp; their price</title><link>https://tank.example/1</link></item>
<item><guid>2</guid><title>L'&#233;nergie du Nord</title><link>https://tank.example/2</link></item></channel></rss>"""
LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Test Wire <wire@wire.example>"}
"""
UNTOUCHED = "SELECT (SELECT count(*) FROM issues), (SELECT count(*) FROM deliveries), (SELECT cursor FROM editions)"


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """Two stories, one newsletter, one reader, no issue yet; no test of the module alters that."""
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=RSS)}
        document = HEAD + f"feeds:\n  - {{id: tank, name: Tank, url: '{server.url('/tank')}'}}\n" + LETTER
        wire = Wire(tmp_path_factory.mktemp("wire"), document)
        wire.run("poll")
    wire.run("subscribers", "add", "ana@reader.example", "--newsletter", "weekly", "--consent-source", "by hand")
    before = wire.rows(UNTOUCHED)
    assert before == [(0, 0, 0)]
    yield wire
    assert wire.rows(UNTOUCHED) == before


@pytest.fixture
def sending(wire: Wire) -> Iterator[Wire]:
    """The same, with a mail server that the test names in `env`."""
    yield wire
    wire.env.pop("AGGREGATOR_SMTP_URL", None)


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def bodies(message: EmailMessage) -> list[str]:
    return [part.get_content() for part in message.iter_parts()]


def test_a_preview_is_three_files_that_say_the_same(wire: Wire, tmp_path: Path) -> None:
    told = wire.json("newsletters", "preview", "weekly", "--to", str(tmp_path / "new" / "folder"))
    html, text, letter = (Path(file) for file in told["files"])
    assert [file.name for file in (html, text, letter)] == ["weekly.html", "weekly.txt", "weekly.eml"]
    assert told["stories"] == 2
    message = read(letter.read_bytes())
    assert (message["Subject"], message["To"]) == (told["subject"], "wire@wire.example")
    for body in (html.read_text("utf-8"), text.read_text("utf-8"), *bodies(message)):
        assert "L'énergie du Nord" in body.replace("&#39;", "'")
    assert not (wire.folder / "data" / "outbox").exists()


def test_a_preview_names_its_files_its_subject_and_what_comes_next(wire: Wire, tmp_path: Path) -> None:
    lines = wire.run("newsletters", "preview", "weekly", "--to", str(tmp_path)).stdout.splitlines()
    assert lines[:3] == [str(tmp_path / f"weekly.{suffix}") for suffix in ("html", "txt", "eml")]
    assert lines[3].startswith("Subject: The week: ")
    assert "aggregator newsletters test weekly --to" in lines[4]


def test_a_preview_goes_into_a_folder_of_its_own(wire: Wire) -> None:
    told = wire.json("newsletters", "preview", "weekly")
    assert told["files"] == [f"preview/weekly.{suffix}" for suffix in ("html", "txt", "eml")]
    assert all((wire.folder / file).stat().st_size for file in told["files"])


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_a_folder_that_cannot_be_made_is_named(wire: Wire) -> None:
    refused = wire.run("newsletters", "preview", "weekly", "--to", "/proc/nothing", code=2)
    assert refused.stderr.strip().startswith("cannot write to /proc/nothing: ")


def test_a_folder_that_cannot_be_written_to_is_named(wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = wire.run("newsletters", "preview", "weekly", "--to", str(tmp_path / "file" / "folder"), code=2)
    assert f"cannot write to {tmp_path / 'file'}" in refused.stderr.replace("\n", "")


def test_a_test_is_sent_to_one_address_and_marked(sending: Wire, tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        sending.env["AGGREGATOR_SMTP_URL"] = mailbox.url
        for _ in range(2):
            told = sending.json("newsletters", "test", "weekly", "--to", "Desk@Wire.Example")
            assert told == {
                "newsletter": "weekly",
                "to": "Desk@Wire.Example",
                "state": "accepted",
                "answer": "250 Kept",
            }
    first, second = (read(path.read_bytes()) for _, path in mailbox.received)
    assert [recipient for recipient, _ in mailbox.received] == ["Desk@wire.example"] * 2
    assert str(first["Subject"]).startswith("[Test] The week: ")
    assert first["To"] == "Desk@wire.example"
    assert first["Message-ID"] != second["Message-ID"]
    assert all("Grain corridors" in body for body in bodies(first))


def test_the_way_out_of_a_test_is_nobodys(sending: Wire, tmp_path: Path) -> None:
    """The reader it is sent to may well try it."""
    with Mailbox(tmp_path) as mailbox:
        sending.env["AGGREGATOR_SMTP_URL"] = mailbox.url
        sending.run("newsletters", "test", "weekly", "--to", "ana@reader.example")
    message = read(mailbox.received[0][1].read_bytes())
    found = re.fullmatch(r"<http://wire\.example/unsubscribe/(.+)>", str(message["List-Unsubscribe"]))
    assert found
    assert all(found[1] in body for body in bodies(message))
    assert Signer([sending.env["AGGREGATOR_SECRET"]]).read_unsubscribe(found[1]) == (0, "weekly")


def test_without_a_mail_server_a_test_lies_in_the_outbox(wire: Wire) -> None:
    told = wire.json("newsletters", "test", "weekly", "--to", "desk@wire.example")
    (file,) = (wire.folder / "data" / "outbox").iterdir()
    assert told["answer"] == f"kept as {file}: no mail server is named"
    assert read(file.read_bytes())["To"] == "desk@wire.example"
    file.unlink()
    file.parent.rmdir()


@pytest.mark.parametrize(
    ("replies", "state", "words"),
    [
        ({"RCPT": [b"550 5.1.1 No such user\r\n"]}, "refused", "550 5.1.1 No such user"),
        ({"RCPT": [b"450 4.2.0 Greylisted\r\n"]}, "deferred", "450 4.2.0 Greylisted"),
        ({"connect": [b"554 5.7.1 Not you\r\n"] * 9}, "deferred", "554 5.7.1 Not you"),
    ],
)
def test_a_test_that_is_not_taken_fails_with_the_servers_words(
    sending: Wire, replies: dict[str, list[bytes]], state: str, words: str
) -> None:
    with ScriptedSmtp(replies=replies) as server:
        sending.env["AGGREGATOR_SMTP_URL"] = server.plain_url
        told = sending.run("newsletters", "test", "weekly", "--to", "desk@wire.example", code=1)
    assert told.stdout.startswith(f"desk@wire.example: {state}: ")
    assert words in told.stdout
    assert server.taken == []


@pytest.mark.parametrize(
    ("newsletter", "to", "words"),
    [
        ("weekly", "desk@", "'desk@' is not an e-mail address"),
        ("weekly", "desk@wire.example\r\nBcc: x@y.example", "is not an e-mail address"),
        ("weakly", "desk@wire.example", "no newsletter 'weakly'; `aggregator newsletters list` names them"),
    ],
)
def test_what_cannot_be_is_refused_before_a_server_hears_of_it(
    sending: Wire, newsletter: str, to: str, words: str
) -> None:
    with ScriptedSmtp() as server:
        sending.env["AGGREGATOR_SMTP_URL"] = server.plain_url
        assert words in sending.run("newsletters", "test", newsletter, "--to", to, code=2).stderr
    assert server.connections == 0
