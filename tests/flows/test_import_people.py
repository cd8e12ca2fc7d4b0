"""People who agreed come in by a file, people who left stay away, and a bad line is named."""

import io
from dataclasses import replace
from itertools import count

import pytest

from aggregator.errors import NotFoundError, UsageError
from aggregator.flows.import_people import REMEMBERED, ImportPorts, encoding_of, import_people
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import Choices
from aggregator.model.newcomer import ImportReport
from aggregator.people_ports import PeoplePlan
from tests.fakes import START, FrozenClock, MemoryStore
from tests.mail_fakes import WEEKLY, MemoryMailStore

PLAN = PeoplePlan(newsletters={"weekly": WEEKLY}, keys=lambda email: (f"new {email.lower()}", f"old {email.lower()}"))
LOCAL = replace(PLAN, newsletters={"weekly": replace(WEEKLY, local=True)})


@pytest.fixture
def store() -> MemoryMailStore:
    store = MemoryMailStore()
    store.sync([WEEKLY], lambda newsletter: (START, START), 0)
    return store


def load(
    store: MemoryMailStore, text: str, *, dry_run: bool = False, plan: PeoplePlan = PLAN, source: str = "paper form"
) -> ImportReport:
    ports = ImportPorts(subscribers=store, stories=MemoryStore(), clock=FrozenClock())
    lines = io.StringIO(text, newline=None)
    return import_people(ports, plan, lines, file="people.csv", newsletter_id="weekly", source=source, dry_run=dry_run)


def people(store: MemoryMailStore) -> list[tuple[str, str | None]]:
    return [(item.subscriber.email, item.subscriber.name) for item in store.subscriptions("weekly")]


def problems(report: ImportReport) -> list[tuple[int, str]]:
    return [(problem.number, problem.reason) for problem in report.problems]


# --- the form of files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "email,name\nana@example.org,Ana\nbob@example.org,\n",
        "\ufeffEmail;Name\r\nana@example.org;Ana\r\nbob@example.org\r\n",
        'name\temail\trank\n"Ana"\tana@example.org\t1\n\tbob@example.org',
        ' "email", name ,x\n ana@example.org , Ana ,\n\n , ,\nbob@example.org,,,,\n',
        "email,name\rana@example.org,Ana\rbob@example.org,\r",
    ],
)
def test_files_of_many_programs_are_read(store: MemoryMailStore, text: str) -> None:
    assert load(store, text) == ImportReport(added=2)
    assert people(store) == [("ana@example.org", "Ana"), ("bob@example.org", None)]


def test_bad_lines_are_named_and_the_others_taken(store: MemoryMailStore) -> None:
    report = load(
        store,
        "email,name\n"
        "ana@example.org,Ana\n"
        "not an address,Bob\n"
        ",Carl\n"
        '"dora@example.org,Dora\n'
        "ANA@example.org,Ana again\n"
        "\n"
        f"{'x' * 20_000}\n"
        "a@b.example\x00,Eve\n"
        "fred@example.org,=1+1\n",
    )
    assert people(store) == [("ana@example.org", "Ana"), ("fred@example.org", "=1+1")]
    assert (report.added, report.known, report.skipped) == (2, 0, 6)
    assert [number for number, _ in problems(report)] == [3, 4, 5, 6, 8, 9]
    reasons = [reason for _, reason in problems(report)]
    assert reasons[0].startswith("'not an address' is not an e-mail address")
    assert reasons[1] == "no address in the column `email`"
    assert reasons[3] == "'ANA@example.org' is in line 2 already"
    assert reasons[4] == "the line is longer than 10,000 characters"


@pytest.mark.parametrize(
    "text", ["", "\n", "ana@example.org\n", "e-mail,name\n", "email,email\n", '"email\n', "x" * 20_000, "e\0m\0a\0i\0"]
)
def test_a_file_without_the_column_is_refused_whole(store: MemoryMailStore, text: str) -> None:
    with pytest.raises(UsageError, match="one of them `email`"):
        load(store, text)


def test_a_cell_in_quotation_marks_may_hold_line_breaks_and_the_numbers_stay_right(store: MemoryMailStore) -> None:
    report = load(
        store,
        'email,name\nana@example.org,"Ana\nMaria\nRuiz"\n'  # lines 2 to 4
        'bob@example.org,"says ""hi"""\n'
        "nobody\n"  # line 6
        'eve@example.org,"Eve\n'  # never closed
        'fred@example.org,"Fred"\n'
        'gus@example.org,"Gus\n\n\n\n\n\n"\n',  # more lines than a record has
    )
    assert people(store) == [
        ("ana@example.org", "Ana Maria Ruiz"),
        ("bob@example.org", 'says "hi"'),
        ("fred@example.org", "Fred"),
    ]
    assert [number for number, _ in problems(report)] == [6, 7, 9, 15]


def test_only_so_many_bad_lines_are_named_and_the_others_counted(store: MemoryMailStore) -> None:
    report = load(store, "email\n" + "nobody\n" * 2500 + "ana@example.org\n")
    assert (report.added, report.skipped, len(report.problems)) == (1, 2500, 1000)
    assert report.problems[-1].number == 1001


# --- encodings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
    ],
)
def test_the_encoding_is_read_off_the_first_octets(encoding: str, named: str) -> None:
    octets = "email,name\n".encode(encoding)
    assert encoding_of(octets) == named
    assert octets.decode(named) == "email,name\n"


def test_big_endian_utf_16_and_an_empty_file_are_known_too() -> None:
    assert encoding_of(b"\xfe\xff\0e") == "utf-16"
    assert encoding_of(b"") == "utf-8"


def test_lines_that_are_not_utf_8_are_read_as_windows_wrote_them_and_said_so(store: MemoryMailStore) -> None:
    octets = b"email,name\nana@example.org,Ana\njerome@example.org,J\xe9r\xf4me \x80\nbob@example.org,B\xc3\xb6b\n"
    report = load(store, octets.decode(errors="surrogateescape"))
    assert report == ImportReport(added=3, windows_1252=1)
    assert [name for _, name in people(store)] == ["Ana", "Jérôme €", "Böb"]


def test_octets_of_no_encoding_cost_one_line(store: MemoryMailStore) -> None:
    octets = b"email,name\nana@example.org,A\x81\nbob@example.org,Bob\n"
    report = load(store, octets.decode(errors="surrogateescape"))
    assert problems(report) == [(2, "is neither UTF-8 nor Windows-1252; save the file as `CSV UTF-8`")]
    assert people(store) == [("bob@example.org", "Bob")]


# --- what people chose ----------------------------------------------------------------------------


def chosen(store: MemoryMailStore) -> list[Choices]:
    return [item.choices for item in store.subscriptions("weekly")]


def test_an_export_of_ours_brings_back_what_people_chose(store: MemoryMailStore) -> None:
    text = (
        "email,name,newsletter,state,since,consent_source,language,timezone,schedule,quiet,query\r\n"
        "ana@example.org,'=Ana,weekly,confirmed,x,y,fr-CA,Asia/Tokyo,daily 7:30,22:00 - 7:00,country:jp\r\n"
        "bob@example.org,Bob,weekly,unsubscribed,x,y,,,,,\r\n"
        "eve@example.org,Eve,weekly,confirmed,x,y,en,Europe/Paris,mon 07:30,,\r\n"
    )
    report = load(store, text)
    assert people(store) == [("ana@example.org", "=Ana"), ("eve@example.org", "Eve")]
    assert chosen(store) == [
        Choices(schedule="daily 07:30", timezone="Asia/Tokyo", quiet="22:00-07:00", language="fr", query="country:jp"),
        Choices(),
    ]
    assert problems(report) == [(3, "'bob@example.org' is 'unsubscribed' in the column `state`, and not subscribed")]


def test_a_zone_alone_counts_where_the_newsletter_comes_by_each_readers_clock(store: MemoryMailStore) -> None:
    text = "email,timezone\nana@example.org,Asia/Tokyo\n"
    load(store, text)
    load(store, text.replace("ana", "bob"), plan=LOCAL)
    assert chosen(store) == [Choices(), Choices(timezone="Asia/Tokyo")]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("timezone,Asia/Tokio", "column `timezone`: 'Asia/Tokio' is not a time zone; did you mean Asia/Tokyo?"),
        ("language,tlh", "column `language`: 'tlh' is not a language of ours; there are en, fr, de, es"),
        ("schedule,sometimes", "column `schedule`: a schedule is written like"),
        ("quiet,night", 'column `quiet`: quiet hours are written like "22:00-07:00"'),
        ("query,country:", "column `query`: "),
    ],
)
def test_a_choice_that_is_none_is_named(store: MemoryMailStore, cell: str, reason: str) -> None:
    column, value = cell.split(",")
    report = load(store, f"email,{column}\nana@example.org,{value}\nbob@example.org,\n")
    ((number, told),) = problems(report)
    assert (number, told[: len(reason)]) == (2, reason)
    assert people(store) == [("bob@example.org", None)]


# --- who stays out --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["new ana@example.org", "old ana@example.org"])
def test_a_suppressed_address_stays_out_whatever_the_file_says(store: MemoryMailStore, key: str) -> None:
    store.keys_out.add(key)
    for dry_run in (True, False):
        report = load(store, "email\nbob@example.org\nANA@example.org\n", dry_run=dry_run)
        assert (report.suppressed, report.skipped) == (1, 0)
        assert problems(report) == [
            (3, "'ANA@example.org' gets no mail: the address is suppressed until its reader confirms a subscription")
        ]
    assert people(store) == [("bob@example.org", None)]


def test_a_person_who_left_stays_away_whatever_the_file_says(store: MemoryMailStore) -> None:
    load(store, "email\nana@example.org\n")
    (stood,) = store.subscriptions()
    store.unsubscribe(stood.subscriber.id, "weekly", START)
    for dry_run in (True, False):
        assert load(store, "email\nANA@example.org\n", dry_run=dry_run) == ImportReport(unsubscribed=1)
    assert [item.state for item in store.subscriptions()] == [SubscriptionState.UNSUBSCRIBED]


# --- runs -----------------------------------------------------------------------------------------


def test_hostile_names_are_names(store: MemoryMailStore) -> None:
    names = ["Robert'); DROP TABLE subscribers;--", "{{7*7}}", "<script>alert(1)</script>", "x" * 500]
    load(store, "email,name\n" + "".join(f'r{n}@example.org,"{name}"\n' for n, name in enumerate(names)))
    assert [name for _, name in people(store)] == [*names[:3], "x" * 200]


def test_a_dry_run_counts_the_same_and_writes_nothing(store: MemoryMailStore) -> None:
    load(store, "email\nana@example.org\n")
    text = "email\nana@example.org\nbob@example.org\nbob@example.org\nnobody\n"
    expected = load(store, text, dry_run=True)
    assert people(store) == [("ana@example.org", None)]
    assert (expected.added, expected.known, len(expected.problems)) == (1, 1, 2)
    assert load(store, text) == expected
    assert load(store, text).added == 0


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
def test_nobody_is_added_without_a_word_of_evidence(store: MemoryMailStore, blank: str) -> None:
    with pytest.raises(UsageError, match="where and when these people agreed"):
        load(store, "email\nana@example.org\n", source=blank)
    assert people(store) == []


def test_an_unknown_newsletter_takes_nobody(store: MemoryMailStore) -> None:
    with pytest.raises(NotFoundError, match="no newsletter 'weekly'"):
        load(store, "email\nana@example.org\n", plan=replace(PLAN, newsletters={}))


def test_a_long_file_goes_in_by_batches_and_a_second_time_changes_nothing(store: MemoryMailStore) -> None:
    calls = count()
    enlist = store.enlist
    store.enlist = lambda *args, **how: (next(calls), enlist(*args, **how))[1]  # type: ignore[method-assign]
    text = "email\n" + "".join(f"reader{n}@example.org\n" for n in range(2500))
    assert load(store, text) == ImportReport(added=2500)
    assert next(calls) == 3
    assert load(store, text) == ImportReport(known=2500)


def test_what_is_remembered_of_a_file_stays_bounded(monkeypatch: pytest.MonkeyPatch, store: MemoryMailStore) -> None:
    assert REMEMBERED > 100_000
    monkeypatch.setattr("aggregator.flows.import_people.REMEMBERED", 2)  # one line, and the one before it
    text = "email\n" + "".join(f"{name}@example.org\n" for name in ("ana", "bob", "bob", "eve", "gus", "ana"))
    report = load(store, text)
    assert problems(report) == [(4, "'bob@example.org' is in line 3 already")]
    assert report.people == 5
