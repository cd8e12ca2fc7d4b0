"""`aggregator subscribers` and `newsletters`: what they say of people, and what becomes of names that are unknown."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.wire import HEAD, Wire

LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Test Wire <wire@wire.example>"}
"""
CONSENT = ("--newsletter", "weekly", "--consent-source", "asked by mail, 2026-03-02")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    return Wire(tmp_path_factory.mktemp("wire"), HEAD + LETTER)


def test_check_says_what_has_to_change_before_mail_goes_out(wire: Wire) -> None:
    checked = wire.run("check")
    assert [line.partition(":")[0] for line in checked.stderr.splitlines()] == ["warning"] * 3
    assert "warning: newsletter weekly: from: wire@wire.example is nobody's address" in checked.stderr
    assert "warning" not in checked.stdout
    assert len(wire.json("check")["warnings"]) == 3


def unsubscribe(wire: Wire, email: str) -> None:
    left = "SET state = 'unsubscribed', changed_at = '2026-04-05 06:07:08.000000'"
    theirs = f"subscriber_id = (SELECT id FROM subscribers WHERE email = '{email}')"
    wire.write(f"UPDATE subscriptions {left} WHERE {theirs}")


def test_who_is_added_twice_or_has_left_is_told_apart(wire: Wire) -> None:
    assert (
        "ana@example.org gets weekly from its next"
        in wire.run("subscribers", "add", "ana@example.org", *CONSENT).stdout
    )
    again = wire.run("subscribers", "add", "ana@example.org", *CONSENT).stdout
    assert again.startswith("ana@example.org gets weekly already, since 20")
    unsubscribe(wire, "ana@example.org")
    left = wire.run("subscribers", "add", "ana@example.org", *CONSENT).stdout
    assert left == "ana@example.org unsubscribed from weekly on 2026-04-05 06:07 UTC and stays so: nothing changed.\n"
    told = wire.json("subscribers", "add", "ana@example.org", *CONSENT)
    assert (told["added"], told["stood"]["state"]) == (False, "unsubscribed")


def test_an_import_counts_apart_who_has_left(wire: Wire) -> None:
    wire.run("subscribers", "add", "left@example.org", *CONSENT)
    unsubscribe(wire, "left@example.org")
    file = wire.folder / "people.csv"
    file.write_text("email\nleft@example.org\nnew@example.org\nnobody\n")
    lines = wire.run("subscribers", "import", str(file), *CONSENT, "--dry-run").stdout.splitlines()
    assert lines[-1] == "1 would be added, 0 known already, 1 have unsubscribed and would stay so, 1 lines skipped"
    lines = wire.run("subscribers", "import", str(file), *CONSENT).stdout.splitlines()
    assert lines[0].startswith("  line 4: 'nobody' is not an e-mail address")
    assert lines[-1] == "1 added, 0 known already, 1 have unsubscribed and stay so, 1 lines skipped"


def test_files_of_three_encodings_go_in(wire: Wire) -> None:
    (wire.folder / "octets.csv").write_bytes(b"email,name\nfirst@example.org,J\xe9r\xf4me\nlast@example.org,Ana\n")
    lines = wire.run("subscribers", "import", "octets.csv", *CONSENT).stdout.splitlines()
    assert lines == [
        "1 lines were not UTF-8 and were read as Windows-1252",
        "2 added, 0 known already, 0 lines skipped",
    ]
    (wire.folder / "wide.csv").write_bytes("email;name\r\nwide@example.org;Zoë\r\n".encode("utf-16"))
    assert wire.run("subscribers", "import", "wide.csv", *CONSENT).stdout.startswith("1 added")
    names = {row["subscriber"]["name"] for row in wire.json("subscribers", "list")}
    assert {"Jérôme", "Zoë"} <= names


def test_a_suppressed_address_is_kept_out_by_a_hash_and_said_so(wire: Wire) -> None:
    wire.run("subscribers", "add", "out@example.org", *CONSENT)
    told = wire.run("subscribers", "suppress", "OUT@example.org", "--reason", "asked by letter").stdout
    assert told == "OUT@example.org is suppressed; 1 subscriptions ended.\n"
    refused = wire.run("subscribers", "add", "out@example.org", *CONSENT, code=2).stderr
    assert refused.splitlines()[-1].startswith("'out@example.org' gets no mail: the address is suppressed")
    (wire.folder / "out.csv").write_text("email\nin@example.org\nout@example.org\n")
    lines = wire.run("subscribers", "import", "out.csv", *CONSENT).stdout.splitlines()
    assert lines[0].startswith("  line 3: 'out@example.org' gets no mail")
    assert lines[-1] == "1 added, 0 known already, 1 are suppressed and stay so, 0 lines skipped"
    assert [key for (key,) in wire.rows("SELECT key FROM suppressions") if "out" in key] == []


def test_a_person_is_shown_forgotten_and_stays_away(wire: Wire) -> None:
    wire.run("subscribers", "add", "gone@example.org", "--name", "Gone Girl", *CONSENT)
    shown = wire.run("subscribers", "show", "gone@example.org").stdout
    assert "name: Gone Girl" in shown
    assert "asked by mail, 2026-03-02" in shown
    wire.run("subscribers", "forget", "gone@example.org")
    assert wire.json("subscribers", "show", "gone@example.org")["suppression"]["reason"] == "forgotten"
    wire.run("subscribers", "add", "gone@example.org", *CONSENT, code=2)
    assert "nobody here has the address" in wire.run("subscribers", "forget", "gone@example.org", code=2).stderr
    assert wire.rows("SELECT count(*) FROM subscribers WHERE email LIKE '%gone%' OR name LIKE '%Gone%'") == [(0,)]


def test_an_export_is_safe_in_a_spreadsheet_and_is_read_back(wire: Wire) -> None:
    wire.run("subscribers", "add", "eq@example.org", "--name", "=HYPERLINK(1)", *CONSENT)
    exported = wire.run("subscribers", "export", "--newsletter", "weekly").stdout
    assert "eq@example.org,'=HYPERLINK(1),weekly,confirmed," in exported
    (wire.folder / "export.csv").write_text(exported, newline="")
    again = wire.json("subscribers", "import", "export.csv", *CONSENT)
    assert again["added"] == 0
    assert {problem["reason"].rpartition(" in ")[2] for problem in again["problems"]} == {
        "the column `state`, and not subscribed"
    }
    rows = json.loads(wire.run("subscribers", "export", "--format", "json").stdout)
    assert [row["name"] for row in rows if row["email"] == "eq@example.org"] == ["=HYPERLINK(1)"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("email\nnobody\nno one\n", 1, ""),
        ("name\nAna\n", 2, "people.csv: the first line must name the columns, one of them `email`; it is 'name'"),
    ],
)
def test_a_file_that_adds_nobody_fails(wire: Wire, text: str, code: int, words: str) -> None:
    (wire.folder / "people.csv").write_text(text)
    assert words in wire.run("subscribers", "import", "people.csv", *CONSENT, code=code).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("newsletters", "issues", "weakly"),
        ("newsletters", "deliveries", "weakly", "1"),
        ("newsletters", "preview", "weakly"),
        ("newsletters", "compose", "weakly"),
        ("subscribers", "export", "--newsletter", "weakly"),
        ("subscribers", "list", "--newsletter", "weakly"),
        ("subscribers", "add", "ana@example.org", "--newsletter", "weakly", "--consent-source", "form"),
    ],
)
def test_a_newsletter_that_is_not_there_is_said_so_in_the_same_words(wire: Wire, words: tuple[str, ...]) -> None:
    refused = wire.run(*words, code=2)
    assert refused.stderr.splitlines()[-1] == "no newsletter 'weakly'; `aggregator newsletters list` names them"
    assert refused.stdout == ""


def test_an_issue_that_is_not_there_is_said_so(wire: Wire) -> None:
    assert (
        "no issue 7; `aggregator newsletters issues weekly`"
        in wire.run("newsletters", "deliveries", "weekly", "7", code=2).stderr
    )


def test_an_issue_of_an_empty_store_says_what_comes_first(wire: Wire) -> None:
    told = wire.run("newsletters", "preview", "weekly").stdout
    assert "There are no stories at all yet: `aggregator poll` first." in told
    assert sorted(file.name for file in (wire.folder / "preview").iterdir()) == [
        "weekly.eml",
        "weekly.html",
        "weekly.txt",
    ]
    assert "There are no stories at all yet" in wire.run("newsletters", "compose", "weekly").stdout


def test_an_issue_is_made_by_a_template_of_ones_own(wire: Wire) -> None:
    own = wire.folder / "own" / "mail"
    own.mkdir(parents=True)
    (own / "issue.txt").write_text("Ours is issue {{ number }}. {{ unsubscribe_url }}\n")
    wire.env["AGGREGATOR_TEMPLATES"] = str(own.parent)
    try:
        wire.run("newsletters", "preview", "weekly", "--to", "own-preview")
        assert (wire.folder / "own-preview" / "weekly.txt").read_text().startswith("Ours is issue Issue 1.")
        (own / "issue.txt").write_text("{{ nubmer }} {{ unsubscribe_url }}")
        assert "issue.txt:1: 'nubmer'" in wire.run("check", code=2).stderr
        (own / "issue.txt").unlink()
        (own / "notice.txt").write_text("{{ heading }}\n{{ headin }}\n")
        assert "notice.txt:2: 'headin' is not a name that templates are given" in wire.run("check", code=2).stderr
    finally:
        del wire.env["AGGREGATOR_TEMPLATES"]
