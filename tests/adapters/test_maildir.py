"""Boxes on disk: a real Maildir, a file, and what a pipe hands over."""

from __future__ import annotations

import io
import mailbox
import os
import shutil
from pathlib import Path

import pytest

from aggregator.adapters.mail_pipe import MOST_OCTETS, MailPipe
from aggregator.adapters.maildir import Maildir, is_maildir
from aggregator.errors import BoxError, UsageError

MAIL = b"Subject: returned mail\n\nIt failed.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "bounces"
    mailbox.Maildir(path)
    return path


def put(folder: Path, name: str, raw: bytes = MAIL) -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


def names(folder: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in folder.glob("*/*")}


def test_what_nobody_has_seen_is_read_the_oldest_first(folder: Path) -> None:
    put(folder, "new/1700000002.b.host", b"two")
    put(folder, "new/1700000001.a.host", b"one")
    put(folder, "cur/1700000003.c.host:2,", b"three")
    put(folder, "cur/1700000004.d.host:2,RS", b"seen")
    put(folder, "tmp/1700000000.e.host", b"being written")
    assert [mail.raw for mail in Maildir(folder).mails()] == [b"one", b"two", b"three"]


def test_what_is_read_is_marked_as_seen_and_not_deleted(folder: Path) -> None:
    put(folder, "new/1.a.host")
    put(folder, "cur/2.b.host:2,FR")
    box = Maildir(folder)
    for mail in box.mails():
        box.done(mail.key)
    assert names(folder) == {"cur/1.a.host:2,S", "cur/2.b.host:2,FRS"}
    assert list(box.mails()) == []
    assert [message.get_payload() for message in mailbox.Maildir(folder)] == ["It failed.\n"] * 2


def test_what_is_left_stays_where_it_is(folder: Path) -> None:
    put(folder, "new/1.a.host")
    box = Maildir(folder)
    for mail in box.mails():
        box.leave(mail.key)
    assert names(folder) == {"new/1.a.host"}


def test_of_a_large_mail_the_start_is_read(folder: Path) -> None:
    put(folder, "new/1.a.host", MAIL + b"x" * 2 * MOST_OCTETS)
    (mail,) = Maildir(folder).mails()
    assert len(mail.raw) == MOST_OCTETS


def test_what_is_no_file_is_told_and_not_opened(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "new/1.pipe.host")
    (folder / "new/2.link.host").symlink_to(put(tmp_path, "elsewhere"))
    (folder / "new/3.folder.host").mkdir()
    put(folder, "new/4.a.host")
    found = {mail.key: (mail.raw, mail.trouble) for mail in Maildir(folder).mails()}
    assert found.pop("new/4.a.host") == (MAIL, "")
    assert len(found) == 3
    assert all(raw == b"" and trouble.startswith("the file cannot be read: ") for raw, trouble in found.values())


def test_a_mail_that_another_program_takes_is_no_fault(folder: Path) -> None:
    put(folder, "new/1.a.host")
    put(folder, "new/2.b.host").unlink()
    box = Maildir(folder)
    for mail in box.mails():
        (folder / mail.key).unlink()
        box.done(mail.key)
    assert names(folder) == set()


def test_a_folder_that_goes_away_is_told(folder: Path) -> None:
    put(folder, "new/1.a.host")
    put(folder, "new/2.b.host")
    box = Maildir(folder)
    waiting = box.mails()
    mail = next(waiting)
    (folder / "new/2.b.host").unlink()
    shutil.rmtree(folder / "cur")
    (folder / "cur").write_text("somebody put a file there")
    with pytest.raises(BoxError, match=r"let this user write in .*/cur"):
        box.done(mail.key)
    assert list(waiting) == []
    with pytest.raises(BoxError, match="is no Maildir"):
        list(box.mails())


def test_a_folder_that_is_no_maildir_is_named(tmp_path: Path) -> None:
    assert not is_maildir(tmp_path)
    with pytest.raises(BoxError, match="is no Maildir: it has no folders new, cur and tmp"):
        list(Maildir(tmp_path).mails())


# --- one mail -------------------------------------------------------------------------------------


def test_a_pipe_is_read_to_its_end_and_kept_to_the_bound() -> None:
    stdin = io.BytesIO(MAIL + b"x" * 3 * MOST_OCTETS)
    (mail,) = MailPipe("-", recipient="b+1.x@example.org", stdin=stdin).mails()
    assert (len(mail.raw), mail.envelope_recipient) == (MOST_OCTETS, "b+1.x@example.org")
    assert stdin.read() == b""


def test_a_file_is_read_and_stays(tmp_path: Path) -> None:
    path = put(tmp_path, "bounce.eml")
    box = MailPipe(str(path))
    (mail,) = box.mails()
    box.done(mail.key)
    box.leave(mail.key)
    assert (mail.raw, mail.key, path.read_bytes()) == (MAIL, str(path), MAIL)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.eml: No such file or directory; name a file"):
        list(MailPipe(str(tmp_path / "missing.eml")).mails())
