"""People who agreed come in, people who left stay away, and a bad line is named."""

import io
from itertools import count

import pytest

from aggregator.errors import NotFoundError, UsageError
from aggregator.flows.subscribe import SubscribePorts, add_one, import_csv
from aggregator.model.delivery import ImportReport, Subscription, SubscriptionState
from tests.fakes import START, FrozenClock
from tests.mail_fakes import WEEKLY, MemoryMailStore


@pytest.fixture
def ports() -> SubscribePorts:
    store = MemoryMailStore()
    store.sync([WEEKLY], lambda newsletter: (START, START), 0)
    return SubscribePorts(subscribers=store, newsletters=store, clock=FrozenClock())


def load(ports: SubscribePorts, text: str, *, dry_run: bool = False) -> ImportReport:
    lines = io.StringIO(text, newline=None)
    return import_csv(ports, lines, file="people.csv", newsletter_id="weekly", source="paper form", dry_run=dry_run)


def add(
    ports: SubscribePorts, email: str, name: str | None = None, newsletter_id: str = "weekly"
) -> Subscription | None:
    return add_one(ports, email=email, name=name, newsletter_id=newsletter_id, source="paper form")


def people(ports: SubscribePorts) -> list[tuple[str, str | None]]:
    return [(item.subscriber.email, item.subscriber.name) for item in ports.subscribers.subscriptions("weekly")]


# --- one person -----------------------------------------------------------------------------------


def test_a_person_is_added_once_with_the_evidence(ports: SubscribePorts) -> None:
    assert add(ports, " Ana@EXAMPLE.org ", "Ana\r\nRuiz") is None
    (subscription,) = ports.subscribers.subscriptions()
    assert add(ports, "ana@example.org") == subscription
    assert (subscription.subscriber.email, subscription.subscriber.name) == ("Ana@example.org", "Ana Ruiz")
    assert (subscription.state, subscription.consent_source) == (SubscriptionState.CONFIRMED, "paper form")


def test_an_address_that_is_none_is_refused_in_words(ports: SubscribePorts) -> None:
    with pytest.raises(UsageError, match="'ana' is not an e-mail address"):
        add(ports, "ana")
    assert people(ports) == []


def test_an_unknown_newsletter_takes_nobody(ports: SubscribePorts) -> None:
    with pytest.raises(NotFoundError):
        add(ports, "ana@example.org", newsletter_id="montly")
    with pytest.raises(NotFoundError):
        import_csv(ports, iter(["email\n"]), file="people.csv", newsletter_id="montly", source="form")


# --- a file ---------------------------------------------------------------------------------------


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
def test_files_of_many_programs_are_read(ports: SubscribePorts, text: str) -> None:
    assert load(ports, text) == ImportReport(added=2)
    assert people(ports) == [("ana@example.org", "Ana"), ("bob@example.org", None)]


def test_bad_lines_are_named_and_the_others_taken(ports: SubscribePorts) -> None:
    report = load(
        ports,
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
    assert people(ports) == [("ana@example.org", "Ana"), ("fred@example.org", "=1+1")]
    assert (report.added, report.known) == (2, 0)
    assert [problem.number for problem in report.problems] == [3, 4, 5, 6, 8, 9]
    reasons = [problem.reason for problem in report.problems]
    assert reasons[0].startswith("'not an address' is not an e-mail address")
    assert reasons[1] == "no address in the column `email`"
    assert reasons[3] == "'ANA@example.org' is in line 2 already"
    assert reasons[4] == "the line is longer than 10,000 characters"


@pytest.mark.parametrize(
    "text", ["", "\n", "ana@example.org\n", "e-mail,name\n", "email,email\n", '"email\n', "x" * 20_000]
)
def test_a_file_without_the_column_is_refused_whole(ports: SubscribePorts, text: str) -> None:
    with pytest.raises(UsageError, match="one of them `email`"):
        load(ports, text)


def test_a_line_of_another_encoding_costs_one_line(ports: SubscribePorts) -> None:
    octets = b"email,name\nana@example.org,Ana\njerome@example.org,J\xe9r\xf4me\nbob@example.org,B\xc3\xb6b\n"
    report = load(ports, octets.decode(errors="surrogateescape"))
    assert (report.added, report.known) == (2, 0)
    (problem,) = report.problems
    assert (problem.number, problem.reason) == (3, "is not UTF-8; save the file as `CSV UTF-8`")
    assert people(ports) == [("ana@example.org", "Ana"), ("bob@example.org", "Böb")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp1252"])
def test_a_file_of_another_encoding_is_named(ports: SubscribePorts, encoding: str) -> None:
    octets = "email,prénom\nana@example.org,Ana\n".encode(encoding)
    with pytest.raises(UsageError, match=r"people\.csv: is not UTF-8"):
        load(ports, octets.decode(errors="surrogateescape"))


def test_hostile_names_are_names(ports: SubscribePorts) -> None:
    names = ["Robert'); DROP TABLE subscribers;--", "{{7*7}}", "<script>alert(1)</script>", "x" * 500]
    load(ports, "email,name\n" + "".join(f'r{n}@example.org,"{name}"\n' for n, name in enumerate(names)))
    assert [name for _, name in people(ports)] == [*names[:3], "x" * 200]


def test_a_dry_run_counts_the_same_and_writes_nothing(ports: SubscribePorts) -> None:
    add(ports, "ana@example.org")
    text = "email\nana@example.org\nbob@example.org\nbob@example.org\nnobody\n"
    expected = load(ports, text, dry_run=True)
    assert people(ports) == [("ana@example.org", None)]
    assert (expected.added, expected.known, len(expected.problems)) == (1, 1, 2)
    assert load(ports, text) == expected
    assert load(ports, text).added == 0


def test_a_person_who_left_stays_away_whatever_the_file_says(ports: SubscribePorts) -> None:
    add(ports, "ana@example.org")
    ana = ports.subscribers.subscriptions()[0].subscriber
    ports.subscribers.unsubscribe(ana.id, "weekly", START)
    for dry_run in (True, False):
        assert load(ports, "email\nANA@example.org\n", dry_run=dry_run) == ImportReport(unsubscribed=1)
    stood = add(ports, "ana@example.org")
    assert stood is not None
    assert (stood.state, stood.changed_at) == (SubscriptionState.UNSUBSCRIBED, START)
    assert list(ports.subscribers.subscriptions()) == [stood]


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
def test_nobody_is_added_without_a_word_of_evidence(ports: SubscribePorts, blank: str) -> None:
    with pytest.raises(UsageError, match="where and when these people agreed"):
        add_one(ports, email="ana@example.org", name=None, newsletter_id="weekly", source=blank)
    with pytest.raises(UsageError, match="where and when these people agreed"):
        import_csv(ports, ["email\n", "ana@example.org\n"], file="people.csv", newsletter_id="weekly", source=blank)
    assert people(ports) == []


def test_a_long_file_goes_in_by_batches_and_a_second_time_changes_nothing(ports: SubscribePorts) -> None:
    calls = count()
    put = ports.subscribers.put
    ports.subscribers.put = lambda *args: (next(calls), put(*args))[1]
    text = "email\n" + "".join(f"reader{n}@example.org\n" for n in range(2500))
    assert load(ports, text) == ImportReport(added=2500)
    assert next(calls) == 3
    assert load(ports, text) == ImportReport(known=2500)
