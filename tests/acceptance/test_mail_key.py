"""`aggregator mail key`: from nothing to a key that signs, by what a person is told to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest

from aggregator.plans import signer_of
from aggregator.settings.loading import load_settings
from tests.acceptance.wire import HEAD, Wire

LETTERS = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Test Wire <wire@wire.example>"}
  - {id: daily, title: The day, schedule: "daily 07:30", from: "Test Wire <day@wire.example>"}
"""
LETTER = b"From: wire@wire.example\r\nTo: ana@reader.example\r\n\r\nHello.\r\n"


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path, HEAD + LETTERS)


@pytest.mark.parametrize("more", [[], ["--ed25519"]])
def test_the_record_that_is_printed_verifies_what_the_key_signs(wire: Wire, more: list[str]) -> None:
    told = wire.json("mail", "key", "--selector", "dkim-1", "--to", "keys", *more)
    assert (told["file"], told["names"], told["type"]) == ("keys/dkim-1.pem", ["dkim-1._domainkey.wire.example"], "TXT")
    settings = load_settings(wire.config, {"AGGREGATOR_DKIM_KEY": str(wire.folder / told["file"])})
    signer = signer_of(settings, "Wire.Example")
    assert signer is not None
    raw = signer.sign(LETTER, datetime(2026, 1, 5, tzinfo=UTC)) + LETTER
    records = {f"{name}.": told["value"].encode("ascii") for name in told["names"]}
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: records.get(name.decode("ascii")))


def test_a_person_is_told_what_to_publish_and_what_comes_next(wire: Wire) -> None:
    wire.env["AGGREGATOR_DKIM_KEY"] = str(wire.folder / "dkim-1.pem")  # named before it is there
    text = wire.run("mail", "key", "--selector", "dkim-1").stdout
    (value,) = re.findall(r"Publish at dkim-1\._domainkey\.wire\.example as TXT: (.*)", text)
    (zone,) = re.findall(r"dkim-1\._domainkey\.wire\.example\. IN TXT \( (.*) \)", text)
    strings = re.findall(r'"([^"]*)"', zone)
    assert "".join(strings) == value
    assert max(map(len, strings)) <= 255
    assert f"AGGREGATOR_DKIM_KEY={wire.folder / 'dkim-1.pem'}" in text
    assert "PRIVATE" not in text
    wire.run("check")


def test_a_domain_of_ones_own_needs_no_configuration(wire: Wire) -> None:
    wire.config.unlink()
    told = wire.json("mail", "key", "--selector", "a1", "--domain", "example.org", "--ed25519")
    assert told["names"] == ["a1._domainkey.example.org"]
    again = wire.run("mail", "key", "--selector", "a1", "--domain", "example.org", code=2)
    assert "a1.pem is there already" in again.stderr


def test_no_key_named_no_signer(wire: Wire) -> None:
    assert signer_of(load_settings(wire.config, {}), "wire.example") is None
