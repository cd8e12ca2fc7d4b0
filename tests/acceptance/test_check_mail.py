"""`aggregator check-mail` as a person runs it, with a name server and a mail server on loopback."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.wire import HEAD, Wire
from tests.dns_server import SILENCE, DnsServer
from tests.smtp_server import ScriptedSmtp

LETTERS = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Test Wire <wire@wire.example>"}
"""


def records(key: str) -> dict[tuple[str, str], list[str]]:
    return {
        ("TXT", "wire.example"): ["v=spf1 include:relay.example -all"],
        ("TXT", "relay.example"): ["v=spf1 ip4:192.0.2.0/24 ~all"],
        ("TXT", "dkim-1._domainkey.wire.example"): [key],
        ("TXT", "_dmarc.wire.example"): ["v=DMARC1; p=none; rua=mailto:d@wire.example"],
        ("MX", "wire.example"): ["10 mail.wire.example."],
    }


def test_a_set_up_that_is_right_and_then_is_not(tmp_path: Path) -> None:
    wire = Wire(tmp_path, HEAD + LETTERS)
    made = wire.json("mail", "key", "--selector", "dkim-1")
    wire.env["AGGREGATOR_DKIM_KEY"] = str(tmp_path / made["file"])
    with DnsServer(records(made["value"])) as names, ScriptedSmtp() as server:
        wire.env["AGGREGATOR_SMTP_URL"] = f"smtp://127.0.0.1:{server.port}?tls=none"
        told = wire.json("check-mail", "--resolver", names.address)
        assert {item["check"]: item["outcome"] for item in told["checks"]} == {
            "SPF": "pass",
            "DKIM": "pass",
            "DMARC": "pass",
            "alignment": "pass",
            "MX": "pass",
            "STARTTLS": "pass",
            "PTR": "cannot tell",
        }
        assert (told["pass"], told["fail"], told["cannot_tell"]) == (6, 0, 1)

        names.records["TXT", "dkim-1._domainkey.wire.example."] = [made["value"].replace("p=", "p=X")]
        names.records["MX", "wire.example."] = [SILENCE]
        lines = wire.run("mail", "check", "--resolver", names.address, code=1).stdout.splitlines()
    (failed,) = (line for line in lines if line.startswith("fail"))
    assert "it shows another key than ours" in failed
    assert made["value"] in failed
    assert [line.split()[2] for line in lines if line.startswith("cannot tell")] == ["MX", "PTR"]
    assert lines[-1] == "4 pass, 1 fail, 2 cannot tell"
    assert server.taken == []
    assert not (tmp_path / "data").exists() or [file.name for file in (tmp_path / "data").iterdir()] == []


def test_a_name_server_that_is_no_address_is_wrong_usage(tmp_path: Path) -> None:
    wire = Wire(tmp_path, HEAD + LETTERS)
    assert "--resolver 'dns' is no address" in wire.run("check-mail", "--resolver", "dns", code=2).stderr
