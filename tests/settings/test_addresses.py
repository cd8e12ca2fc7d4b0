"""Addresses that may be written to, and all that only look like one."""

import json
from pathlib import Path

import pytest

from aggregator.settings.addresses import read_address

HOSTILE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile" / "text" / "strings.json"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("ana@example.org", "ana@example.org"),
        ("  ana@example.org\n", "ana@example.org"),
        ("A.Ruiz+news@EXAMPLE.org", "A.Ruiz+news@example.org"),
        ("o'neil_1@sub.example.org", "o'neil_1@sub.example.org"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@日本語.jp", "x@xn--wgv71a119e.jp"),
        ("x@日本abc.jp", "x@xn--abc-s08fl0d.jp"),
        ("x@раура.рф", "x@xn--80aa0cbo.xn--p1ai"),
    ],
)
def test_an_address_is_kept_as_servers_know_it(written: str, kept: str) -> None:
    assert read_address(written) == kept


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "must have an @-sign"),
        ("ana", "must have an @-sign"),
        ("Ana <ana@example.org>", "display name"),
        ("ünal@example.org", "before the @-sign are not supported"),
        ("a" * 65 + "@example.org", "too long before the @-sign"),
        ("=1+1@example.org", "begin with a letter or a digit"),
        ("{{7*7}}@example.org", "begin with a letter or a digit"),
        ("a@еxample.com", "look alike"),
        ("a@paypaӏ.com", "look alike"),
        ("a@example.org\r\nRCPT TO:<v@example.org>", "invalid characters"),
    ],
)
def test_what_is_refused_says_why(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_address(written)


def test_every_hostile_address_is_refused() -> None:
    if not HOSTILE.exists():
        pytest.skip(f"{HOSTILE} is not here")
    strings = [item["input"] for item in json.loads(HOSTILE.read_text(encoding="utf-8")) if item["kind"] == "address"]
    assert len(strings) >= 27
    for text in strings:
        with pytest.raises(ValueError, match="is not an e-mail address"):
            read_address(text)
