"""A folder on a real IMAP server, over real sockets and real TLS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aggregator.adapters.imap_box import ImapBox
from aggregator.adapters.mail_pipe import MOST_OCTETS
from aggregator.errors import BoxError
from aggregator.model.bounce import BoxedMail
from aggregator.settings.return_mail import ImapFolder
from tests.imap_server import ImapServer, Message
from tests.smtp_server import client_context, server_context

SEEN, FLAGGED = r"\Seen", r"\Flagged"


def server(**options: object) -> ImapServer:
    folders = {
        "INBOX": {3: Message(raw=b"first\r\n"), 5: Message(raw=b"seen", flags={SEEN}), 9: Message(raw=b"second\r\n")},
        'Mail "in"': {1: Message(raw=b"x" * 2 * MOST_OCTETS)},
    }
    return ImapServer(folders=folders, **options)  # type: ignore[arg-type]


def box_of(imap: ImapServer, **fields: object) -> ImapBox:
    folder = ImapFolder(host="127.0.0.1", port=imap.port, tls="none", username=imap.user, password=imap.password)
    return ImapBox(replace(folder, **fields), context=client_context(), timeout=10)  # type: ignore[arg-type]


def mails(box: ImapBox) -> list[BoxedMail]:
    return list(box.mails())


def test_unseen_mails_are_read_and_marked_one_by_one() -> None:
    with server() as imap:
        box = box_of(imap)
        keys = []
        for mail in box.mails():
            keys.append((mail.key, mail.raw))
            assert SEEN not in imap.folders["INBOX"][int(mail.key)].flags  # asking does not mark it
            box.done(mail.key)
        assert keys == [("3", b"first\r\n"), ("9", b"second\r\n")]
        assert mails(box_of(imap)) == []
        assert imap.commands[-1] == "LOGOUT"


def test_what_is_left_is_flagged_and_stays_unseen() -> None:
    with server() as imap:
        box = box_of(imap)
        for mail in box.mails():
            box.leave(mail.key)
        assert imap.folders["INBOX"][3].flags == {FLAGGED}
        assert len(mails(box_of(imap))) == 2


def test_of_a_large_mail_the_start_is_asked_for() -> None:
    with server() as imap:
        (mail,) = mails(box_of(imap, folder='Mail "in"'))
        assert len(mail.raw) == MOST_OCTETS


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_the_conversation_is_secured_before_the_password_is_said(tls: str) -> None:
    with server(tls=server_context(), implicit_tls=tls == "implicit") as imap:
        assert len(mails(box_of(imap, host="localhost", tls=tls))) == 2
        assert imap.secured
        if tls == "starttls":
            verbs = [command.split()[0] for command in imap.commands]
            assert verbs.index("STARTTLS") < verbs.index("LOGIN")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_server_that_cannot_show_who_it_is_hears_no_password(tls: str) -> None:
    with server(tls=server_context("expired.crt"), implicit_tls=tls == "implicit") as imap:
        with pytest.raises(BoxError, match="certificate"):
            mails(box_of(imap, host="localhost", tls=tls))
        assert not [command for command in imap.commands if command.startswith("LOGIN")]


def test_a_server_without_tls_hears_no_password() -> None:
    with server(tls=server_context(), offers_starttls=False) as imap:
        with pytest.raises(BoxError, match="TLS not supported"):
            mails(box_of(imap, host="localhost", tls="starttls"))
        assert not [command for command in imap.commands if command.startswith("LOGIN")]


def test_a_wrong_password_is_told_and_not_shown() -> None:
    with server() as imap, pytest.raises(BoxError) as raised:
        mails(box_of(imap, password="hunter2hunter2"))
    assert "AUTHENTICATIONFAILED" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert str(raised.value).endswith("see AGGREGATOR_BOUNCES_URL")


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"SELECT": "NO no such folder"}, "no such folder"),
        ({"SEARCH": "BAD not now"}, "not now"),
        ({"FETCH": "NO it is broken"}, "it is broken"),
        ({"LOGIN": "DROP"}, "the mailbox on 127.0.0.1:"),
        ({"FETCH": "DROP"}, "the mailbox on 127.0.0.1:"),
        ({"LOGOUT": "DROP"}, ""),
    ],
)
def test_what_a_server_says_against_it_is_told(replies: dict[str, str], words: str) -> None:
    with server(replies=replies) as imap:
        if not words:
            assert len(mails(box_of(imap))) == 2
            return
        with pytest.raises(BoxError, match=words):
            mails(box_of(imap))


def test_a_mark_that_is_refused_is_told() -> None:
    with server(replies={"STORE": "NO read-only"}) as imap:
        box = box_of(imap)
        waiting = box.mails()
        mail = next(waiting)
        with pytest.raises(BoxError, match="read-only"):
            box.done(mail.key)
        assert [left.key for left in waiting] == ["9"]
        with pytest.raises(BoxError, match="has ended"):
            box.done(mail.key)


def test_a_mail_that_is_gone_is_passed_over() -> None:
    with server() as imap:
        waiting = box_of(imap).mails()
        assert next(waiting).key == "3"
        del imap.folders["INBOX"][9]
        assert list(waiting) == []


def test_nobody_who_listens_is_told() -> None:
    with server() as imap:
        box = box_of(imap)
    with pytest.raises(BoxError, match="refused"):
        mails(box)
