"""One person at a time, by an admin's hand and by their own: each change with its evidence, on a real database."""

from collections.abc import Iterator

import pytest

from aggregator.errors import NotFoundError, UsageError
from aggregator.flows.people import EXPORTED, PeoplePorts, add_one, exported, forget, show, suppress
from aggregator.flows.prefer import PreferPorts, erase, leave, prefer
from aggregator.model.consent import Act, Evidence
from aggregator.model.delivery import Subscription
from aggregator.model.edition import Choices
from aggregator.people_ports import PeoplePlan
from tests.flows.people_world import FORM, PeopleWorld, people_world
from tests.mail_fakes import DAILY, WEEKLY

LETTERS = {"weekly": WEEKLY, "daily": DAILY}
ANA = "ana@example.org"


@pytest.fixture
def world() -> Iterator[PeopleWorld]:
    with people_world() as world:
        yield world


def ports(world: PeopleWorld) -> PeoplePorts:
    return PeoplePorts(
        subscribers=world.subscribers,
        persons=world.persons,
        suppressions=world.suppressions,
        stories=world.stories,
        clock=world.clock,
    )


def plan(world: PeopleWorld) -> PeoplePlan:
    return PeoplePlan(newsletters=LETTERS, keys=world.pseudonyms.addresses)


def add(
    world: PeopleWorld, email: str = ANA, newsletter_id: str = "weekly", source: str = "form"
) -> Subscription | None:
    return add_one(ports(world), plan(world), email, "Ana", newsletter_id, source)


def id_of(world: PeopleWorld, email: str = ANA) -> int:
    person = world.persons.find(email)
    assert person is not None
    return person.subscriber.id


# --- by an admin's hand ---------------------------------------------------------------------------


def test_a_person_is_added_once_and_what_stands_is_told(world: PeopleWorld) -> None:
    assert add(world) is None
    stood = add(world, "ANA@example.org", source="another form")
    assert stood is not None
    assert (stood.state.value, stood.consent_source) == ("confirmed", "form")
    assert world.states() == {ANA: "confirmed"}


@pytest.mark.parametrize(
    ("email", "newsletter_id", "source", "error", "words"),
    [
        ("ana", "weekly", "form", UsageError, "'ana' "),
        (ANA, "montly", "form", NotFoundError, "no newsletter 'montly'"),
        (ANA, "weekly", " ", UsageError, "consent"),
    ],
)
def test_faults_of_adding_are_named(
    world: PeopleWorld, email: str, newsletter_id: str, source: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        add(world, email, newsletter_id, source)
    assert world.states() == {}


def test_who_is_suppressed_is_not_added_and_what_they_had_ends(world: PeopleWorld) -> None:
    add(world)
    add(world, newsletter_id="daily")
    assert suppress(ports(world), plan(world), ANA, "asked by phone") == (True, 2)
    assert suppress(ports(world), plan(world), ANA, "once more") == (False, 0)
    assert suppress(ports(world), plan(world), "stranger@example.org", "") == (True, 0)
    assert world.states() == {ANA: "unsubscribed"}
    with pytest.raises(UsageError, match="the address is suppressed; only its reader can undo that"):
        add(world, "stranger@example.org")
    data, held = show(ports(world), plan(world), ANA)
    assert data is not None
    assert held is not None
    assert (data.person.subscriber.email, held.note) == (ANA, "asked by phone")


def test_who_is_forgotten_leaves_a_hash_and_nothing_else(world: PeopleWorld) -> None:
    add(world)
    forget(ports(world), plan(world), ANA)
    data, held = show(ports(world), plan(world), ANA)
    assert data is None
    assert held is not None
    with pytest.raises(NotFoundError, match="nobody here has the address"):
        forget(ports(world), plan(world), ANA)


def test_all_are_exported_under_the_names_an_import_knows(world: PeopleWorld) -> None:
    add(world)
    add(world, "bob@example.org", "daily")
    rows = list(exported(ports(world), None))
    assert [tuple(row) for row in rows] == [EXPORTED, EXPORTED]
    assert sorted((row["email"], row["newsletter"], row["name"], row["schedule"]) for row in rows) == [
        (ANA, "weekly", "Ana", ""),
        ("bob@example.org", "daily", "Ana", ""),
    ]
    assert [row["email"] for row in exported(ports(world), "daily")] == ["bob@example.org"]


# --- by their own ---------------------------------------------------------------------------------


def own(world: PeopleWorld) -> PreferPorts:
    return PreferPorts(persons=world.persons, subscribers=world.subscribers, stories=world.stories, clock=world.clock)


def own_plan(world: PeopleWorld) -> PeoplePlan:
    return PeoplePlan(newsletters=LETTERS, keys=world.pseudonyms.addresses)


def choose(world: PeopleWorld, subscriber_id: int, newsletter_id: str = "weekly", **chosen: str) -> Act | None:
    choices = Choices(**chosen)  # type: ignore[arg-type]
    return prefer(own(world), own_plan(world), subscriber_id, newsletter_id, choices, FORM)


def test_a_reader_changes_how_it_comes_and_takes_up_another(world: PeopleWorld) -> None:
    add(world)
    assert choose(world, id_of(world), timezone="Asia/Tokyo") is Act.CHANGED
    assert choose(world, id_of(world), timezone="Asia/Tokyo") is None, "nothing changed"
    assert choose(world, id_of(world), "daily") is Act.CONFIRMED
    assert [item.choices.timezone for item in world.subscribers.subscriptions("weekly")] == ["Asia/Tokyo"]
    assert world.states("daily") == {ANA: "confirmed"}
    assert choose(world, id_of(world), "montly") is None
    assert choose(world, 999) is None


def test_a_reader_leaves_one_or_all_and_comes_back_even_when_suppressed(world: PeopleWorld) -> None:
    add(world)
    add(world, newsletter_id="daily")
    assert leave(own(world), id_of(world), "weekly", FORM)
    assert not leave(own(world), id_of(world), "weekly", FORM)
    assert leave(own(world), id_of(world), None, Evidence(source="all of them"))
    assert not leave(own(world), id_of(world), None, FORM)
    assert (world.states(), world.states("daily")) == ({ANA: "unsubscribed"}, {ANA: "unsubscribed"})
    suppress(ports(world), plan(world), ANA, "")
    assert choose(world, id_of(world)) is Act.CONFIRMED
    assert world.states() == {ANA: "confirmed"}
    assert show(ports(world), plan(world), ANA)[1] is None, "only the reader can lift it, and did"


def test_a_reader_erases_themselves_once(world: PeopleWorld) -> None:
    add(world)
    subscriber_id = id_of(world)
    assert erase(own(world), own_plan(world), subscriber_id)
    assert not erase(own(world), own_plan(world), subscriber_id)
    assert world.persons.find(ANA) is None
    with pytest.raises(UsageError, match="suppressed"):
        add(world)
