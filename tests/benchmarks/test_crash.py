"""The judge of a crash finds every fault that it is asked about, and its points are those of the product."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.mail_tables import deliveries, issue_stories
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.store.schema import stories
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.model.delivery import Subscriber, SubscriptionState
from benchmarks.crash import parsed
from benchmarks.crash_oracle import Verdict, issue_text, judge
from benchmarks.crash_plan import POINTS, Reach, Task, endings, points, servers, workers
from benchmarks.crash_report import rebuilt_otherwise, summary, table
from benchmarks.crash_run import Crash, Outcome, at_rest
from benchmarks.crash_site import RARE, Site, readers
from benchmarks.smtp_journal import Taken
from benchmarks.smtp_talk import fate_of
from tests.mail_fakes import WEEKLY, issue_of

ROOT = Path(__file__).resolve().parents[2]
READERS = ("ana@r.example", "bob@r.example", "carl.refuse@r.example", "dora.vanish@r.example")
SOUND = Verdict(lost=0, doubled=0, stuck=0, in_doubt=0, taken=0)


class Played:
    """A ledger in which all went well, to be altered."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.database: Database = open_database(f"sqlite:///{self.site.database}")
        self.journal = [_line(READERS[0]), _line(READERS[1]), _line(READERS[2], 550), _line(READERS[3], 0)]

    def play(self) -> None:
        now = datetime.now(UTC) - timedelta(minutes=1)
        migrate(self.database)
        newsletters = SqlNewsletterStore(self.database)
        newsletters.sync([WEEKLY], lambda newsletter: (now, now), 0)
        people = [Subscriber(email=email) for email in READERS]
        SqlSubscriberStore(self.database).put(people, "weekly", SubscriptionState.CONFIRMED, "form", now)
        slot, later = newsletters.slot("weekly"), now + timedelta(days=7)
        issue = issue_of(slot, now, "story-1")
        newsletters.record(slot, up_to=1, next_due=later, issue=issue, domain="example.org")
        with self.database.write() as connection:
            connection.execute(insert(stories).values(id="story-1", first_seen=now, updated=now))
        for number, state in enumerate(("accepted", "accepted", "refused", "uncertain"), 1):
            self.alter(number, state=state, next_attempt_at=None)

    def alter(self, number: int, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == number).values(values))

    def judged(self, addresses: Sequence[str] = READERS, most_in_doubt: int = 0) -> Verdict:
        return judge(self.site, self.journal, addresses, most_in_doubt=most_in_doubt)


def _line(to: str, code: int = 250, *, own: bool = True) -> Taken:
    return Taken(to=to, code=code, taken=code < 300, message_id=f"<{to}>", own=own)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Site:
    played = Played(Site(tmp_path_factory.mktemp("played")))
    played.play()
    played.database.close()
    return played.site


@pytest.fixture
def played(original: Site, tmp_path: Path) -> Iterator[Played]:
    played = Played(original.copy(tmp_path / "copy"))
    yield played
    played.database.close()


def test_where_all_went_well_nothing_is_found(played: Played) -> None:
    assert played.judged() == SOUND
    assert played.judged().sound
    assert at_rest(played.site)
    assert issue_text(played.site)[1:]


def test_a_letter_that_no_server_took_is_lost(played: Played) -> None:
    played.journal.pop(0)
    assert played.judged().lost == 1
    assert played.judged((*READERS, "eva@r.example")).lost == 2
    assert not played.judged().sound


def test_a_letter_that_was_taken_twice_or_will_be_is_doubled(played: Played) -> None:
    played.alter(2, state="deferred", next_attempt_at=datetime.now(UTC))
    assert played.judged().doubled == 1
    assert not at_rest(played.site)
    played.journal.append(_line(READERS[0]))
    assert played.judged().doubled == 3  # by the address, and by its Message-ID


def test_where_letters_are_sent_again_a_second_one_under_the_same_name_is_in_doubt(played: Played) -> None:
    played.journal.append(_line(READERS[0]))
    again = judge(played.site, played.journal, READERS, most_in_doubt=1, resends=True)
    assert again == Verdict(lost=0, doubled=0, stuck=0, in_doubt=1, taken=1)
    played.journal[-1] = replace(_line(READERS[0]), message_id="<another>")
    assert judge(played.site, played.journal, READERS, most_in_doubt=1, resends=True).doubled == 1


def test_a_row_that_nobody_moves_is_stuck(played: Played) -> None:
    played.alter(1, state="sending")
    assert played.judged().stuck == 1
    assert not at_rest(played.site)


def test_letters_in_doubt_are_counted_and_must_be_few(played: Played) -> None:
    played.alter(1, state="uncertain")
    assert played.judged(most_in_doubt=1) == Verdict(lost=0, doubled=0, stuck=0, in_doubt=1, taken=1)
    assert played.judged().faults == ("1 letters in doubt, of at most 0",)


def test_a_state_that_the_server_never_gave_is_found(played: Played) -> None:
    played.alter(2, state="refused")
    assert set(played.judged().faults) == {
        "bob@r.example is refused",
        "bob@r.example is refused, and no server said so",
    }


def test_a_letter_gone_astray_is_found(played: Played) -> None:
    played.journal[0] = _line(READERS[0], own=False)
    assert played.judged().faults == ("a letter to somebody else went to ana@r.example",)
    assert "letters to strangers" in played.judged(READERS[1:]).faults


def test_stories_and_issues_are_counted(played: Played) -> None:
    with played.database.write() as connection:
        connection.execute(update(issue_stories).values(story_id="another"))
        connection.execute(
            insert(stories).values(id="story-2", first_seen=datetime.now(UTC), updated=datetime.now(UTC))
        )
    assert played.judged().faults == ("1 stories told, 1 of them distinct, of 2",)


def test_a_newsletter_that_is_due_again_is_found(played: Played) -> None:
    played.site.bring_due()
    assert played.judged().faults == ("the newsletter is due again",)


# --- the plan -------------------------------------------------------------------------------------


def test_every_point_of_the_product_is_one_of_the_plan() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "aggregator").rglob("*.py"))
    named = set(re.findall(r"\bfault\(\"((?:send|digest)\.[a-z]+)\"\)", source))
    by_verb = {"send.mail", "send.rcpt", "send.data"}
    assert 'fault(f"send.{verb.lower()}")' in source
    assert named | by_verb == POINTS.keys()
    assert [sum(name.startswith(what) for name in POINTS) for what in ("digest.", "send.")] == [8, 14]


def test_readers_have_the_fates_asked_for_all_over_the_list() -> None:
    everybody = readers(200, dict.fromkeys(RARE, 3))
    fates = [fate_of(address) for address in everybody]
    assert len(set(everybody)) == 200
    assert [fates.count(fate) for fate in RARE] == [3] * len(RARE)
    assert {fate_of(address) for address in readers(10)} == {"accept"}
    assert set(fates[:100]) == set(fates[100:])


def outcome(crash: Crash, *, reached: bool = True, verdict: Verdict = SOUND, text: str = "") -> Outcome:
    return Outcome(crash=crash, reached=reached, verdict=verdict, text=("2026-11-30", text), seconds=1.0)


def test_a_point_that_was_not_come_to_is_tried_again_sooner() -> None:
    seen: list[int] = []

    def perform(task: Task) -> Outcome:
        assert task.site == "queued"
        seen.append(int(task.crash.asked.partition(":")[2].partition("=")[0]))
        return outcome(task.crash, reached=seen[-1] <= 40)

    made = list(points(["send.mark"], ["kill"], 30, 0, seed=3, recipients=1000, perform=perform))
    assert sum(item.reached for item in made) == 30
    assert len(made) < 50
    again = list(points(["send.mark"], ["kill"], 30, 0, seed=3, recipients=1000, perform=perform))
    assert [item.crash for item in again] == [item.crash for item in made]


def test_a_moment_that_came_too_late_is_tried_again_sooner() -> None:
    seen: list[float] = []

    def perform(task: Task) -> Outcome:
        seen.append(task.crash.delay)
        return outcome(task.crash, reached=seen[-1] < 0.3)

    made = [
        *workers([2], 5, 0, seed=3, recipients=1000, perform=perform),
        *endings(5, seed=3, recipients=1000, perform=perform),
        *servers(["good"], 5, seed=3, recipients=1000, perform=perform),
    ]
    assert sum(item.reached for item in made if item.crash.kind != "none") == 20
    assert [later < sooner for sooner, later in pairwise(seen) if sooner >= 0.3].count(False) == 0
    never = [*endings(1, seed=3, recipients=1000, perform=lambda task: outcome(task.crash, reached=False))]
    assert never[-1].crash.delay == 0.05


def test_the_first_guess_is_the_number_of_letters_or_connections() -> None:
    reach = Reach(1000)
    assert [
        reach._guess(point) for point in ("digest.slot", "send.closed", "digest.half", "send.quit", "send.dot")
    ] == [
        1,
        1,
        10,
        10,
        1000,
    ]


def test_reports_name_what_is_not_sound() -> None:
    bad = Verdict(lost=1, doubled=2, stuck=0, in_doubt=3, taken=1, faults=("a fault",))
    crash = Crash(name="send.dot", kind="kill", asked="send.dot:1=kill")
    outcomes = [outcome(crash), outcome(crash, verdict=bad), outcome(crash, reached=False, text="other")]
    told = summary(outcomes)
    assert told["unsound"] == [
        {"asked": "send.dot:1=kill", "delay": 0.0, "kind": "kill", "mode": "good", "name": "send.dot"}
        | {"real": False, "room": 0, "workers": 1, "lost": 1, "doubled": 2, "stuck": 0, "in_doubt": 3, "taken": 1}
        | {"faults": ("a fault",)}
    ]
    assert "| `send.dot` the dot has left us | 2, 3 (1) | 1 | 2 | 0 |" in table(outcomes)
    assert rebuilt_otherwise(outcomes) == 1


def test_quick_is_few_runs_and_a_name_that_is_none_is_refused() -> None:
    assert parsed(["--quick"]).runs == 1
    assert parsed([]).recipients == 1000
