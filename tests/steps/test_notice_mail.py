"""A notice as bytes, read back with `email`: no header of a list, nothing that a title can break."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.newsletter import Rendering
from aggregator.steps.notice_mail import write_notice
from tests.fakes import START

RENDERING = Rendering(subject="Bitte bestätigen: Die Woche", html="<p>Ja, ä =_x</p>", text="Ja, ä\n.\n=_confirm.ab\n")


def write(rendering: Rendering = RENDERING, **fields: str) -> bytes:
    given = {
        "sender": "Wire – täglich <wire@example.org>",
        "recipient": "ana@example.org",
        "message_id": "<confirm.ab12@example.org>",
        "language": "de",
    }
    return write_notice(rendering, **(given | fields), date=START)  # type: ignore[arg-type]


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_it_says_who_writes_to_whom_and_that_a_machine_does() -> None:
    message = read(write(reply_to="Desk <desk@example.org>"))
    assert message["From"] == "Wire – täglich <wire@example.org>"
    assert message["To"] == "ana@example.org"
    assert message["Subject"] == RENDERING.subject
    assert message["Message-ID"] == "<confirm.ab12@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Reply-To"] == "Desk <desk@example.org>"
    assert message["Date"].datetime == START
    text, html = message.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == RENDERING.text
    assert html.get_content().rstrip() == RENDERING.html


def test_it_is_no_mail_of_a_list() -> None:
    names = {name.lower() for name in read(write())}
    assert not [name for name in names if name.startswith("list-")]
    assert not {"precedence", "feedback-id"} & names


def test_it_is_the_same_at_every_attempt() -> None:
    assert write() == write()


@given(st.text(min_size=1, max_size=300))
def test_no_subject_breaks_a_header(subject: str) -> None:
    raw = write(Rendering(subject=subject.encode("utf-8", "replace").decode(), html="<p>x</p>", text="x"))
    head = raw.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 998 and b"\n" not in line for line in head.split(b"\r\n"))
    assert sorted(read(raw).keys()) == sorted(read(write()).keys())


@pytest.mark.parametrize("recipient", ["ana@bücher.example", "ana\r\nBcc: x@y"])
def test_an_address_that_no_header_can_hold_is_refused(recipient: str) -> None:
    with pytest.raises(ValueError, match="no header can hold"):
        write(recipient=recipient)
