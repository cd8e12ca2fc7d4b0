"""A real mail server for a test: Debian's postfix in a folder of its own, on a port of the loopback, to a Maildir."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

MASTER = Path("/usr/lib/postfix/sbin/master")
POSTFIX = Path("/usr/sbin/postfix")
DOMAIN = "reader.example"
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydestination =
mynetworks =
smtpd_relay_restrictions = reject_unauth_destination
local_recipient_maps =
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
notify_classes =
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass
class Postfix:
    """What it listens on, and where it keeps what it took."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=none"

    def letters(self, count: int) -> list[bytes]:
        """What is in the mailbox, once so many letters are."""
        end = time.monotonic() + 30
        while len(files := list((self.folder / "mail" / "inbox" / "new").glob("*"))) < count:
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.1)
        return [file.read_bytes() for file in files]


@contextmanager
def postfix() -> Iterator[Postfix]:
    """A server that takes mail for one domain; skips where it cannot be had."""
    if not (MASTER.exists() and os.getuid() == 0):
        if os.environ.get("AGGREGATOR_TEST_ALL") == "1":
            pytest.fail("postfix is not installed, or not run by root, and everything is asked for")
        pytest.skip("needs postfix (Debian's package), and root to run it")
    folder = Path(mkdtemp(prefix="wire-mta-"))  # a short path: its sockets are in it
    try:
        server = Postfix(_free_port(), folder)
        _lay_out(server)
        master = subprocess.Popen(
            [MASTER, "-c", folder / "conf", "-d"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(server)
            yield server
        finally:
            master.terminate()
            master.wait(20)
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _lay_out(server: Postfix) -> None:
    folder, nobody = server.folder, pwd.getpwnam("nobody")
    folder.chmod(0o755)
    for name in ("conf", "queue", "data", "mail"):
        (folder / name).mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
    os.chown(folder / "mail", nobody.pw_uid, nobody.pw_gid)
    main = MAIN.format(folder=folder, domain=DOMAIN, uid=nobody.pw_uid, gid=nobody.pw_gid)
    (folder / "conf" / "main.cf").write_text(main)
    (folder / "conf" / "master.cf").write_text(SERVICES.format(port=server.port))
    checked = subprocess.run([POSTFIX, "-c", folder / "conf", "check"], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr


def _wait_for(server: Postfix) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                assert connection.recv(100).startswith(b"220")
                return
        except OSError:
            assert time.monotonic() < end, "postfix does not listen"
            time.sleep(0.1)
