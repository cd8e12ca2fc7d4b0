"""A person holds letters back, lets them go, cancels an issue, decides about letters in doubt: by the command line."""

from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.test_worker import ended, queued, states, until, working
from tests.acceptance.wire import Wire
from tests.smtp_server import DROP, ScriptedSmtp


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    with ScriptedSmtp() as server:
        return queued(tmp_path, server)


def test_what_is_held_stays_and_says_so(tmp_path: Path) -> None:
    with ScriptedSmtp() as server:
        wire = queued(tmp_path, server)
        said = wire.run("newsletters", "pause", "weekly").stdout
        assert "weekly is held: no letter of it goes out." in said
        assert "already" in wire.run("newsletters", "pause", "weekly").stdout
        (held,) = wire.json("newsletters", "holds")
        assert (held["newsletter_id"], held["number"]) == ("weekly", None)
        with working(wire) as process:
            until(wire, lambda: bool(wire.rows("SELECT 1 FROM facts WHERE name = 'worker_tick'")))
            until(wire, lambda: wire.rows("SELECT count(*) FROM deliveries WHERE next_attempt_at IS NULL") == [(4,)])
            assert "goes out again" in wire.run("newsletters", "resume", "weekly").stdout
            until(wire, lambda: states(wire) == {"accepted": 4})
            assert ended(process) == 0
    assert len(server.taken) == 4
    assert wire.json("newsletters", "holds") == []
    assert "was not held" in wire.run("newsletters", "resume", "weekly").stdout


def test_an_issue_is_cancelled_and_the_newsletter_goes_on(wire: Wire) -> None:
    assert "4 letters of issue 1 of weekly are cancelled" in wire.run("newsletters", "cancel", "weekly", "1").stdout
    assert states(wire) == {"cancelled": 4}
    assert Counter(row["state"] for row in wire.json("newsletters", "deliveries", "weekly", "1")) == {"cancelled": 4}
    wire.run("newsletters", "compose", "weekly")
    assert states(wire) == {"cancelled": 4, "queued": 4}
    said = wire.run("newsletters", "resume", "weekly", "2").stdout
    assert "Issue 2 of weekly was not held." in said
    assert "held elsewhere" in said, "the issue that was cancelled"


def test_letters_in_doubt_are_listed_and_sent_again_by_a_persons_word(tmp_path: Path) -> None:
    with ScriptedSmtp({"dot": [DROP]}) as server:
        wire = queued(tmp_path, server)
        with working(wire) as process:
            until(wire, lambda: states(wire) == {"accepted": 3, "uncertain": 1})
            refused = wire.run("newsletters", "resend", "weekly", "1", code=2)
            assert "--uncertain" in refused.stderr
            assert wire.json("newsletters", "resend", "weekly", "1", "--uncertain")["queued"] == 1
            until(wire, lambda: states(wire) == {"accepted": 4})
            assert ended(process) == 0
    assert sorted(Counter(recipient for recipient, _ in server.taken).values()) == [1, 1, 1, 2]


@pytest.mark.parametrize("words", [("pause", "montly"), ("cancel", "weekly", "9"), ("resume", "weekly", "9")])
def test_what_is_not_there_is_named(wire: Wire, words: tuple[str, ...]) -> None:
    assert words[-1] in wire.run("newsletters", *words, code=2).stderr
