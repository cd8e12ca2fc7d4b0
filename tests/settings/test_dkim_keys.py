"""Keys that sign mail: what may be given, that each fault has a cure, and that no message shows a key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from aggregator.errors import ConfigError, UsageError
from aggregator.settings.advice import advice
from aggregator.settings.dkim_keys import key_warnings, make_key_file, read_mail_keys
from aggregator.settings.loading import load_settings

RSA = generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()


def pem(key: object, lock: KeySerializationEncryption | None = None) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption()).decode("ascii")  # type: ignore[attr-defined]


def inside(text: str) -> str:
    """The key material of a PEM text, on one line."""
    return "".join(line for line in text.splitlines() if not line.startswith("-"))


def written(tmp_path: Path, name: str, text: str, mode: int = 0o600) -> str:
    path = tmp_path / name
    path.write_text(text, encoding="ascii")
    path.chmod(mode)
    return str(path)


def faults(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_mail_keys({f"AGGREGATOR_DKIM_{name}": value for name, value in environ.items()})
    return str(caught.value).splitlines()


# --- what is taken --------------------------------------------------------------------------------


def test_none_is_no_fault() -> None:
    assert read_mail_keys({}) == read_mail_keys({"AGGREGATOR_DKIM_KEY": " "}) == ()


def test_a_file_names_its_selector(tmp_path: Path) -> None:
    (key,) = read_mail_keys({"AGGREGATOR_DKIM_KEY": written(tmp_path, "dkim-2026a.pem", pem(RSA))})
    assert (key.selector, key.algorithm, key.bits) == ("dkim-2026a", "rsa", 2048)


def test_several_files_in_their_order(tmp_path: Path) -> None:
    files = [written(tmp_path, "a1.pem", pem(RSA)), written(tmp_path, "e1.key", pem(ED25519))]
    keys = read_mail_keys({"AGGREGATOR_DKIM_KEY": ", ".join(files)})
    assert [(key.selector, key.algorithm) for key in keys] == [("a1", "rsa"), ("e1", "ed25519")]
    named = {"AGGREGATOR_DKIM_KEY": ",".join(files), "AGGREGATOR_DKIM_SELECTOR": "one, two.mail"}
    assert [key.selector for key in read_mail_keys(named)] == ["one", "two.mail"]


@pytest.mark.parametrize("form", [str, lambda text: text.replace("\n", "\\n"), lambda text: text.replace("\n", "\r\n")])
def test_a_text_needs_a_selector(form: object) -> None:
    text = form(pem(ED25519))  # type: ignore[operator]
    (key,) = read_mail_keys({"AGGREGATOR_DKIM_KEY": text, "AGGREGATOR_DKIM_SELECTOR": "e1"})
    assert (key.selector, key.algorithm) == ("e1", "ed25519")


def test_older_forms_of_pem_are_read(tmp_path: Path) -> None:
    """PKCS #1, as `openssl genrsa -traditional` and opendkim-genkey write it."""
    text = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode("ascii")
    assert "BEGIN RSA PRIVATE KEY" in text
    (key,) = read_mail_keys({"AGGREGATOR_DKIM_KEY": written(tmp_path, "a.pem", text)})
    assert key.bits == 2048


# --- what is not ----------------------------------------------------------------------------------


def test_each_fault_is_one_line_that_names_the_file_and_the_cure(tmp_path: Path) -> None:
    small = (Path(__file__).parents[1] / "data" / "dkim" / "rsa768.pem").read_text("ascii")  # none is made any more
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    (tmp_path / "folder.pem").mkdir()
    expected = {
        str(tmp_path / "missing.pem"): "there is no such file; `aggregator mail key --selector NAME` makes one",
        str(tmp_path / "folder.pem"): "is a folder; name the PEM file in it",
        written(tmp_path, "empty.pem", ""): "holds something else, not a private key in PEM",
        written(tmp_path, "public.pem", public): "holds a public key or a certificate, not a private key",
        written(tmp_path, "two.pem", pem(RSA) + pem(ED25519)): "holds 2 private keys; give each a file of its own",
        written(tmp_path, "locked.pem", pem(RSA, BestAvailableEncryption(b"x"))): "is locked by a password; `openssl",
        written(tmp_path, "cut.pem", pem(RSA)[:200] + pem(RSA)[-200:]): "is damaged, or no key that is known here",
        written(tmp_path, "curve.pem", pem(generate_ec(SECP256R1()))): "must be RSA or Ed25519",
        written(tmp_path, "small.pem", small): "has 768 bits, which receivers refuse (RFC 8301 3.2)",
        written(tmp_path, "under_score.pem", pem(RSA)): "'under_score' is no selector",
    }
    lines = faults(KEY=",".join(expected))
    assert len(lines) == len(expected)
    for line, (file, words) in zip(lines, expected.items(), strict=True):
        assert line.startswith(f"{file}: AGGREGATOR_DKIM_KEY: ")
        assert words in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (line,) = faults(KEY=written(tmp_path, "a.pem", pem(RSA), mode=0o000))
    assert "may not be read by this user" in line


@pytest.mark.parametrize("selector", ["a b", "-a", "a..b", "é", "a" * 64, "a_b", "a;d=x", "x" * 60 + "." + "y" * 62])
def test_selectors_that_the_dns_does_not_hold(tmp_path: Path, selector: str) -> None:
    (line,) = faults(KEY=written(tmp_path, "a.pem", pem(ED25519)), SELECTOR=selector)
    assert "is no selector" in line


def test_selectors_are_as_many_as_keys_and_all_different(tmp_path: Path) -> None:
    files = [written(tmp_path, "a.pem", pem(RSA)), written(tmp_path, "b.pem", pem(ED25519))]
    assert "names 1, and AGGREGATOR_DKIM_KEY has 2" in faults(KEY=",".join(files), SELECTOR="x")[0]
    assert "names 1, and AGGREGATOR_DKIM_KEY has 0" in faults(SELECTOR="x")[0]
    assert "a selector of its own" in faults(KEY=",".join(files), SELECTOR="x,X")[0]


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text,
        lambda text: inside(text),
        lambda text: text.partition("\n")[2],
        lambda text: inside(text) + "\n",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("BEGIN", "begin"),
        lambda text: text.replace("PRIVATE", "PUBLIC"),
    ],
)
@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_no_message_shows_a_key_that_was_given_in_place_of_a_path(form: object, key: object) -> None:
    text = pem(key)
    told = "\n".join(faults(KEY=form(text)))  # type: ignore[operator]
    material = inside(text)
    assert not any(material[start : start + 12] in told for start in range(len(material) - 12))
    assert "AGGREGATOR_DKIM_KEY" in told


def test_a_configuration_tells_it_with_its_other_faults(tmp_path: Path) -> None:
    (tmp_path / "feeds.yaml").write_text("sight: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "feeds.yaml", {"AGGREGATOR_DKIM_KEY": str(tmp_path / "x.pem")})
    assert {problem.key for problem in caught.value.problems} >= {"sight", "AGGREGATOR_DKIM_KEY"}


# --- what is better changed -----------------------------------------------------------------------


def test_a_key_that_others_read_or_that_is_short_is_advised_against(tmp_path: Path) -> None:
    old = generate_private_key(public_exponent=65537, key_size=1024)
    good = written(tmp_path, "good.pem", pem(RSA), mode=0o640)
    files = [good, written(tmp_path, "open.pem", pem(ED25519), mode=0o644), written(tmp_path, "old.pem", pem(old))]
    environ = {"AGGREGATOR_DKIM_KEY": ",".join(files)}
    exposed, short = key_warnings(environ, read_mail_keys(environ))
    assert (
        exposed
        == f"AGGREGATOR_DKIM_KEY: every user of this machine may read {files[1]}; `chmod o= {files[1]}` ends that"
    )
    assert "old has 1024 bits; a key should have 2048" in short
    huge = generate_private_key(public_exponent=65537, key_size=4104)
    environ = {"AGGREGATOR_DKIM_KEY": pem(huge), "AGGREGATOR_DKIM_SELECTOR": "huge"}
    assert "which not every receiver checks" in key_warnings(environ, read_mail_keys(environ))[0]


def test_settings_carry_keys_and_advice_and_show_no_key(tmp_path: Path) -> None:
    (tmp_path / "feeds.yaml").write_text('site: {title: W, base_url: "https://wire.institute.eu"}\n', encoding="utf-8")
    environ = {"AGGREGATOR_DKIM_KEY": written(tmp_path, "open.pem", pem(RSA), mode=0o644)}
    settings = load_settings(tmp_path / "feeds.yaml", environ)
    assert [key.selector for key in settings.mail_keys] == ["open"]
    assert settings == load_settings(tmp_path / "feeds.yaml", environ)
    assert advice(settings) == settings.key_warnings != ()
    assert inside(pem(RSA))[30:60] not in repr(settings)


# --- making one -----------------------------------------------------------------------------------


def test_a_fresh_key_is_its_owners_alone_and_is_read_again(tmp_path: Path) -> None:
    for algorithm, bits in (("rsa", 2048), ("ed25519", 256)):
        path = tmp_path / "keys" / f"{algorithm}.pem"
        made = make_key_file(path, algorithm, algorithm)  # type: ignore[arg-type]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_mail_keys({"AGGREGATOR_DKIM_KEY": str(path)}) == (made,)
        assert made.bits == bits


def test_no_key_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    make_key_file(path, "a", "ed25519")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        make_key_file(path, "a", "ed25519")
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="cannot write to"):
        make_key_file(path / "b.pem", "b", "ed25519")
    with pytest.raises(UsageError, match="is no selector"):
        make_key_file(tmp_path / "c.pem", "a b", "ed25519")
    assert [file.name for file in tmp_path.iterdir()] == ["a.pem"]
