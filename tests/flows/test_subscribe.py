"""Readers ask and confirm: one mail however often somebody asks, one use of a link, evidence of both."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event

from aggregator.adapters.store.engine import Database
from aggregator.flows.housekeep import HousekeepPorts, housekeep
from aggregator.flows.subscribe import asked_for
from aggregator.model.consent import Act, Evidence, Suppression
from aggregator.model.edition import Choices
from aggregator.model.signup import ConfirmOutcome, SignUpVerdict
from aggregator.people_ports import PeoplePlan
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.signing import Confirmation
from aggregator.steps.throttle import FORMS_OF_A_NETWORK, MAILS_OF_THE_SITE
from tests.fakes import START
from tests.flows.people_world import PeopleWorld, people_world
from tests.real_store import KINDS

ANA = "ana@example.org"
JAPAN = Choices(schedule="daily 07:30", timezone="Asia/Tokyo", query="country:jp")


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[PeopleWorld]:
    with people_world(request.param) as world:
        yield world


def client(number: int) -> str:
    """An address in a network of its own."""
    return f"198.{number >> 8 & 255}.{number & 255}.7"


def keep_house(world: PeopleWorld) -> None:
    ports = HousekeepPorts(
        sign_ups=world.sign_ups, persons=world.persons, suppressions=world.suppressions, clock=world.clock
    )
    housekeep(ports, PeoplePlan(newsletters=world.plan.newsletters, keys=world.pseudonyms.addresses))


# --- asking ---------------------------------------------------------------------------------------


def test_a_form_leaves_a_pending_subscription_evidence_and_a_mail(world: PeopleWorld) -> None:
    assert world.ask(ANA, choices=JAPAN) is SignUpVerdict.MAIL
    assert world.states() == {ANA: "pending"}
    (mail,) = world.mails()
    assert (mail.email, mail.newsletter_ids, mail.language) == (ANA, ("weekly",), "fr")
    person = world.persons.find(ANA)
    assert person is not None
    data = world.persons.everything(person.subscriber.id, ())
    assert data is not None
    (consent,) = data.consents
    assert (consent.act, consent.at) == (Act.ASKED, START)
    assert consent.evidence == Evidence(
        source="subscribe form",
        wording="Send me",
        language="en",
        client="192.0.2.1",
        agent="Tests/1",
        message_id=mail.message_id,
    )


@pytest.mark.parametrize("forms", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_any_number_of_forms_for_one_address_is_one_mail(world: PeopleWorld, forms: int) -> None:
    for number in range(forms):
        world.ask(ANA, *(("weekly",), ("daily",), ("weekly", "daily"))[number % 3], client=client(number))
    assert len(world.mails()) == 1
    assert [act for act in world.acts(ANA) if act[1] is Act.ASKED] == [("weekly", Act.ASKED), ("daily", Act.ASKED)]


def test_an_address_gets_three_mails_in_thirty_days_whatever_the_newsletters(world: PeopleWorld) -> None:
    for day in range(29):
        for number in range(3):
            world.ask(ANA, ("weekly", "daily")[day % 2], client=client(day * 3 + number))
        keep_house(world)
        world.clock.advance(hours=25)
    assert world.count("sign_ups") > 30
    with world.database.read() as connection:
        sent = connection.exec_driver_sql("SELECT count(*) FROM sign_ups WHERE address <> ''").scalar_one()
    assert sent == 3


def test_what_follows_a_plus_makes_no_other_mailbox(world: PeopleWorld) -> None:
    for number in range(20):
        world.ask(f"Ana+{number}@example.org", client=client(number))
    assert [mail.email for mail in world.mails()] == [f"Ana+{number}@example.org" for number in range(3)]


def test_mails_stay_counted_when_a_new_secret_goes_in_front(world: PeopleWorld) -> None:
    for _ in range(3):
        world.ask(ANA)
        world.clock.advance(hours=25)
    secrets = Pseudonyms(["a new secret", "a secret of the tests"])
    world.plan = replace(world.plan, pseudonyms=secrets)
    assert world.ask(ANA) is SignUpVerdict.NO_MAIL


def test_many_newsletters_are_asked_for_in_as_many_statements_as_one(world: PeopleWorld) -> None:
    """What a reader has already is not to be seen from the time that an answer takes."""
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *others: object) -> None:
        statements.append(statement)

    event.listen(world.database.ledger, "before_cursor_execute", note)
    world.ask(ANA, "weekly")
    one, statements[:] = len(statements), []
    world.ask("bob@example.org", "weekly", "daily", client=client(1))
    assert len(statements) == one


def test_a_network_sends_five_forms_an_hour_and_is_told_so(world: PeopleWorld) -> None:
    verdicts = [world.ask(f"r{number}@example.org", client=f"192.0.2.{number}") for number in range(7)]
    assert verdicts == [SignUpVerdict.MAIL] * FORMS_OF_A_NETWORK + [SignUpVerdict.LATER] * 2
    assert world.ask("r7@example.org", client="192.0.3.1") is SignUpVerdict.MAIL
    world.clock.advance(hours=1, seconds=1)
    assert world.ask("r6@example.org") is SignUpVerdict.MAIL


def test_the_count_is_of_the_database_and_survives_a_restart(world: PeopleWorld) -> None:
    for number in range(FORMS_OF_A_NETWORK):
        world.ask(f"r{number}@example.org")
    again = PeopleWorld(world.database, clock=world.clock)
    assert again.ask(ANA) is SignUpVerdict.LATER


def test_a_flood_over_the_whole_site_stops_and_alarms(world: PeopleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAILS_OF_THE_SITE > 100
    monkeypatch.setattr("aggregator.steps.throttle.MAILS_OF_THE_SITE", 4)
    verdicts = [world.ask(f"r{number}@example.org", client=client(number)) for number in range(6)]
    assert verdicts == [SignUpVerdict.MAIL] * 4 + [SignUpVerdict.CEILING] * 2
    assert world.alarms == ["ceiling"] * 2
    assert len(world.mails()) == 4


def test_neither_addresses_nor_networks_are_kept_in_clear_to_count_by(world: PeopleWorld) -> None:
    world.ask(ANA)
    with world.database.read() as connection:
        (row,) = connection.exec_driver_sql("SELECT address, network FROM sign_ups").all()
    assert not [word for word in ("ana", "example", "192.0") if word in repr(row)]


@pytest.mark.parametrize("email", ["ana@", "a@b", "=1+1@example.org", "ana@exämple..org", "x" * 300 + "@example.org"])
def test_a_form_that_means_no_address_leaves_nothing(world: PeopleWorld, email: str) -> None:
    assert world.ask(email) is SignUpVerdict.NO_MAIL
    assert (world.count("subscribers"), world.count("notices")) == (0, 0)


def test_a_reader_who_has_it_already_is_told_where_their_preferences_are(world: PeopleWorld) -> None:
    world.enlist(ANA)
    world.ask(ANA)
    for number in range(20):
        world.ask(ANA, client=client(number))
    assert world.mails() == []
    assert [mail.email for mail in world.mails(kind="welcome")] == [ANA]
    world.ask(ANA, "daily", client=client(20))
    assert [mail.newsletter_ids for mail in world.mails()] == [("daily",)]
    assert world.states() == {ANA: "confirmed"}


# --- confirming -----------------------------------------------------------------------------------


def test_a_link_makes_one_subscription_good_once(world: PeopleWorld) -> None:
    world.ask(ANA, "weekly", "daily", choices=JAPAN)
    link = world.link(ANA)
    assert world.confirm(link) is ConfirmOutcome.CONFIRMED
    assert world.confirm(link) is ConfirmOutcome.ALREADY
    assert (world.states(), world.states("daily")) == ({ANA: "confirmed"}, {ANA: "pending"})
    (subscription,) = world.subscribers.subscriptions("weekly")
    assert (subscription.choices, subscription.consent_source) == (JAPAN, "subscribe form")
    assert world.acts(ANA) == [("weekly", Act.ASKED), ("daily", Act.ASKED), ("weekly", Act.CONFIRMED)]
    assert [mail.newsletter_ids for mail in world.mails(kind="welcome")] == [("weekly",)]


def test_each_newsletter_that_was_asked_for_has_a_link_of_its_own(world: PeopleWorld) -> None:
    world.ask(ANA, "weekly")
    world.ask(ANA, "daily", client=client(1))
    found = asked_for(world.ports, world.link(ANA))
    assert found is not None
    assert [(one.newsletter_id, one.is_done) for one in found.newsletters] == [("weekly", False), ("daily", False)]
    assert world.confirm(world.link(ANA, "daily")) is ConfirmOutcome.CONFIRMED
    assert (world.states(), world.states("daily")) == ({ANA: "pending"}, {ANA: "confirmed"})


def test_what_was_asked_for_first_is_not_changed_by_who_asks_next(world: PeopleWorld) -> None:
    world.ask(ANA, choices=JAPAN)
    world.ask(ANA, client=client(1), choices=Choices(query="country:fr"))
    world.confirm(world.link(ANA))
    assert [item.choices for item in world.subscribers.subscriptions("weekly")] == [JAPAN]


def test_a_link_that_was_used_does_not_bring_back_who_left(world: PeopleWorld) -> None:
    world.ask(ANA)
    link = world.link(ANA)
    world.confirm(link)
    world.subscribers.unsubscribe(link.subscriber_id, "weekly", START)
    assert world.confirm(link) is ConfirmOutcome.ALREADY
    assert world.states() == {ANA: "unsubscribed"}


def test_who_left_comes_back_by_a_link_and_stays_away_without(world: PeopleWorld) -> None:
    world.enlist(ANA)
    person = world.persons.find(ANA)
    assert person is not None
    world.subscribers.unsubscribe(person.subscriber.id, "weekly", START)
    world.ask(ANA)
    assert world.states() == {ANA: "unsubscribed"}
    world.clock.advance(days=8)
    keep_house(world)
    assert world.states() == {ANA: "unsubscribed"}
    assert Act.ASKED not in [act for _, act in world.acts(ANA)]
    world.ask(ANA)
    assert world.confirm(world.link(ANA)) is ConfirmOutcome.CONFIRMED
    assert world.states() == {ANA: "confirmed"}


def test_a_link_is_good_for_seven_days_and_for_the_one_it_was_made_for(world: PeopleWorld) -> None:
    world.ask(ANA)
    world.ask("bob@example.org", "daily")
    ana, bob = world.link(ANA), world.link("bob@example.org", "daily")
    assert world.confirm(world.link(ANA, "daily")) is ConfirmOutcome.GONE
    mixed = Confirmation(
        subscriber_id=ana.subscriber_id, newsletter_id="daily", nonce=bob.nonce, issued_at=bob.issued_at
    )
    assert world.confirm(mixed) is ConfirmOutcome.GONE
    world.clock.advance(days=7)
    assert world.confirm(ana) is ConfirmOutcome.EXPIRED
    assert world.states() == {ANA: "pending"}


def test_a_newsletter_that_was_taken_out_cannot_be_confirmed(world: PeopleWorld) -> None:
    world.ask(ANA)
    link = world.link(ANA)
    del world.plan.newsletters["weekly"]  # type: ignore[attr-defined]
    assert world.confirm(link) is ConfirmOutcome.GONE


def test_only_a_confirmed_wish_lifts_a_suppression(world: PeopleWorld) -> None:
    key = world.pseudonyms.address(ANA)
    world.suppressions.suppress(key, Suppression(reason="complaint", since=START))
    for number in range(5):
        world.ask(ANA, client=client(number))
        world.clock.advance(hours=30)
    assert len(world.mails()) == 1
    assert world.suppressions.suppression([key]) is not None
    world.confirm(world.link(ANA))
    assert world.suppressions.suppression([key]) is None
    assert world.states() == {ANA: "confirmed"}


# --- order ----------------------------------------------------------------------------------------


def people_of(database: Database) -> str:
    tables = ("subscribers", "subscriptions", "consents", "notices")
    with database.read() as connection:
        return repr([connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables])


def test_what_nobody_confirmed_is_erased_after_seven_days_with_who_was_meant(world: PeopleWorld) -> None:
    world.enlist("bob@example.org")
    world.ask(ANA, "weekly", "daily")
    world.ask("bob@example.org", "daily")
    world.clock.advance(days=6, hours=23)
    keep_house(world)
    assert world.states("daily") == {ANA: "pending", "bob@example.org": "pending"}
    world.clock.advance(hours=2)
    keep_house(world)
    assert "ana" not in people_of(world.database)
    assert (world.states(), world.states("daily")) == ({"bob@example.org": "confirmed"}, {})
    assert world.acts("bob@example.org") == [("weekly", Act.IMPORTED)]
    world.clock.advance(days=31)
    keep_house(world)
    assert (world.count("sign_ups"), world.count("notices")) == (0, 0)


def test_an_old_link_is_not_good_for_who_has_its_id_now(world: PeopleWorld) -> None:
    world.ask(ANA)
    link = world.link(ANA)
    world.clock.advance(days=8)
    keep_house(world)
    world.ask("eve@example.org")
    again = Confirmation(
        subscriber_id=world.link("eve@example.org").subscriber_id,
        newsletter_id="weekly",
        nonce=link.nonce,
        issued_at=world.clock.now(),
    )
    assert world.confirm(again) is ConfirmOutcome.GONE


def test_who_is_disabled_is_told_three_times_a_week_apart_and_then_let_go(world: PeopleWorld) -> None:
    world.enlist(ANA, "out@example.org")
    with world.database.write() as connection:
        connection.exec_driver_sql("UPDATE subscriptions SET state = 'disabled'")
    world.suppressions.suppress(world.pseudonyms.address("out@example.org"), Suppression(reason="bounce", since=START))
    told = []
    for _ in range(30):
        keep_house(world)
        told.append(len(world.mails(kind="disabled")))
        world.clock.advance(days=1)
    assert told[:8] == [1] * 7 + [2]
    assert (max(told), world.states()) == (3, {ANA: "unsubscribed", "out@example.org": "disabled"})
    assert {mail.email for mail in world.mails(kind="disabled")} == {ANA}


def test_who_is_disabled_comes_back_by_the_link_in_the_notice(world: PeopleWorld) -> None:
    world.enlist(ANA)
    with world.database.write() as connection:
        connection.exec_driver_sql("UPDATE subscriptions SET state = 'disabled'")
    keep_house(world)
    assert world.confirm(world.link(ANA, kind="disabled")) is ConfirmOutcome.CONFIRMED
    assert world.states() == {ANA: "confirmed"}
