"""A reader from the form to the first letter and out again, on a running site whose letters are kept as files."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.acceptance.wire import HEAD, Wire, kill

LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Test Wire <wire@wire.example>", when_empty: send}
"""
LONGEST_WAIT = 60
"""Seconds that anything the site does by itself may take, on a busy machine."""


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(tmp_path, HEAD + LETTER)
    process = wire.start("run", "--port", "0")
    try:
        yield wire
    finally:
        kill(process)


def soon(wire: Wire, look: object) -> str:
    """What a look gives, once it gives something."""
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        if found := look():  # type: ignore[operator]
            return str(found)
        time.sleep(0.2)
    raise AssertionError(f"it did not happen in time:\n{wire.output()}")


def base_of(wire: Wire) -> str:
    def look() -> str | None:
        found = re.search(r"url='?(http://[^/']+)", wire.output())
        return found[1] if found else None

    return soon(wire, look)


def mail(wire: Wire, header: str, words: str) -> EmailMessage:
    """The mail with these words in a header, once it has been written."""

    def look() -> str | None:
        for path in sorted((wire.folder / "data" / "outbox").glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=default)
            if words in message.get(header, ""):
                return str(path)
        return None

    message = message_from_bytes(Path(soon(wire, look)).read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def link(message: EmailMessage, page: str) -> str:
    """The path of an address of ours in a mail."""
    part = message.get_body(("plain",))
    assert part is not None
    text = "".join(str(part.get_content()).split())
    found = re.search(rf"http://wire\.example(/{page}/[\w.+-]+?)(?=\W*(?:[A-Z-]|http|$))", text)
    assert found, text
    return found[1]


def ask(base: str, path: str, **form: str) -> str:
    """The page at an address; a form is sent when there is one."""
    request = Request(base + path, data=urlencode(form).encode() if form else None)
    with urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def test_a_reader_subscribes_reads_chooses_leaves_and_is_erased(wire: Wire) -> None:
    base = base_of(wire)
    assert "Look in your mailbox" in ask(base, "/subscribe", email="ana@example.org", newsletter="weekly")
    confirming = mail(wire, "Subject", "Please confirm")
    assert confirming["To"] == "ana@example.org"
    path = link(confirming, "confirm")
    assert "Is this your subscription?" in ask(base, path)
    assert wire.rows("SELECT state FROM subscriptions") == [("pending",)]
    assert "You are subscribed" in ask(base, path, x="y")
    welcome = mail(wire, "Subject", "Welcome")
    assert link(welcome, "unsubscribe")
    wire.run("newsletters", "compose", "weekly")
    letter = mail(wire, "List-Id", "The week")
    assert letter["To"] == "ana@example.org"
    preferences = link(welcome, "preferences")
    assert "Saved." in ask(base, preferences, newsletter="weekly", do="save", frequency="daily", at="06:30")
    assert '"email":"ana@example.org"' in ask(base, f"{preferences}/data")
    leaving = str(letter["List-Unsubscribe"]).partition("http://wire.example")[2].partition(">")[0]
    assert "You are unsubscribed" in ask(base, leaving, **{"List-Unsubscribe": "One-Click"})
    assert wire.rows("SELECT state FROM subscriptions") == [("unsubscribed",)]
    acts = [act for (act,) in wire.rows("SELECT act FROM consents ORDER BY id")]
    assert acts == ["asked", "confirmed", "changed", "unsubscribed"]
    assert "You are erased" in ask(base, f"{preferences}/erase", erase="yes")
    assert wire.rows("SELECT email, name FROM subscribers") == [("", None)]
    assert "ana@example.org" not in wire.output()
