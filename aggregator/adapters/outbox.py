"""Letters written into a folder, where no mail server is configured.

deliver: ... letter > **mailer.hand** > **mailer.answers** > deliveries.exchange
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path

from aggregator.adapters.smtp import demand_speakable
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.model.sending import Answered, Outgoing


class OutboxMailer:
    """`mail_ports.Mailer` that writes .eml files; a letter sent again replaces itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: list[Answered] = []

    def connect(self, letters: int = 1) -> SendResult | None:
        """Make the folder."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _unwritable(self._folder, error)
        return None

    def room(self) -> int:
        """One letter is written after another."""
        return 0 if self._answers else 1

    def hand(self, letter: Outgoing) -> None:
        """Write it at once; raises ValueError for an address that no mail server could be told."""
        demand_speakable(letter.sender, letter.recipient)
        result = self.send(letter.whole(), sender=letter.sender, recipient=letter.recipient)
        self._answers.append(Answered(key=letter.key, result=result))

    def answers(self, seconds: float) -> Sequence[Answered]:
        """What has been written since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def send(self, message: bytes, *, sender: str, recipient: str) -> SendResult:
        """Write the message as a file that is there whole or not at all, and on disk when this returns."""
        path = self._folder / f"{_file_name(message)}.eml"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_names(self._folder)
        except OSError as error:
            return _unwritable(path, error)
        return SendResult(state=DeliveryState.ACCEPTED, reply=f"kept as {path}: no mail server is named")

    def close(self) -> None:
        """Nothing stays open."""


def _sync_names(folder: Path) -> None:
    """Have the names in a folder on disk too: those of a file's octets say nothing of them (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_name(message: bytes) -> str:
    return re.sub(r"[^\w.@-]", "", message_from_bytes(message)["Message-ID"])


def _unwritable(path: Path, error: OSError) -> SendResult:
    words = f"cannot write {path}: {error.strerror or error}"
    return SendResult(state=DeliveryState.DEFERRED, reply=words, server_down=True)
