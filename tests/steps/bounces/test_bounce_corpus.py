"""Bounces of the wild, 103 of them: who failed, and whether for good, as their collection says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aggregator.model.bounce import BounceKind
from aggregator.steps.bounces.classify import read_bounce

MAILS = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "hostile" / "bounces"
pytestmark = pytest.mark.skipif(not MAILS.exists(), reason=f"the corpus of bounces is not at {MAILS}")

BLAMES_NOBODY = {"bounce_01.txt", "dumbass_01.txt"}
"""They name no address; the one they came back to tells whom they are about."""


def expectations() -> dict[str, tuple[set[str], bool]]:
    """(recipients, only for now) by file; of a file with several expectations, all recipients together."""
    found: dict[str, tuple[set[str], bool]] = {}
    for item in json.loads((MAILS / "expected.json").read_text("utf-8")):
        recipients, _ = found.setdefault(item["file"], (set(), item["temporary"]))
        recipients.update(item["recipients"])
    return found


def test_every_mail_names_whom_it_should() -> None:
    expected = expectations()
    read = {name: read_bounce((MAILS / name).read_bytes()) for name in expected}
    found = {name: {recipient.address for recipient in reading.recipients} for name, reading in read.items()}
    assert len(expected) > 100
    assert found == {name: recipients for name, (recipients, _) in expected.items()}


def test_every_mail_is_as_hard_as_it_should_be() -> None:
    expected = {name: "soft" if temporary else "hard" for name, (_, temporary) in expectations().items()}
    read = {name: read_bounce((MAILS / name).read_bytes()) for name in expected}
    kinds = {name: {recipient.kind.value for recipient in reading.recipients} for name, reading in read.items()}
    assert kinds == {name: {kind} for name, kind in expected.items()}
    assert {reading.kind.value for reading in read.values()} == {"hard", "soft"}


@pytest.mark.parametrize("name", sorted(BLAMES_NOBODY))
def test_a_notice_that_names_nobody_is_soft(name: str) -> None:
    reading = read_bounce((MAILS / name).read_bytes())
    assert (reading.kind, reading.recipients) == (BounceKind.SOFT, ())


def test_all_mails_are_known() -> None:
    assert {path.name for path in MAILS.glob("*.txt")} == expectations().keys() | BLAMES_NOBODY
