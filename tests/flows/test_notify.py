"""Notices go out once, say nothing that a stranger chose, and what is in doubt is not sent again by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from aggregator.flows.notify import NotifyPlan, NotifyPorts, notify
from aggregator.model.consent import Evidence
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.settings.loading import template_files
from aggregator.steps.notices import NoticeRenderer
from tests.fakes import START
from tests.flows.people_world import PeopleWorld, people_world
from tests.mail_fakes import DAILY, SITE, WEEKLY, ScriptedMailer
from tests.real_store import KINDS

ANA = "ana@example.org"
DEFERRED = SendResult(state=DeliveryState.DEFERRED, reply="450 Later", code=450)
DOWN = SendResult(state=DeliveryState.DEFERRED, reply="421 closing", code=421, server_down=True)


def url(page: str, *parts: object) -> str:
    return "/".join([SITE.base_url, page, *(str(part).replace(" ", "_") for part in parts)])


PLAN = NotifyPlan(
    newsletters={"weekly": WEEKLY, "daily": DAILY},
    site=SITE,
    renderer=NoticeRenderer({name: file.read_text() for name, file in template_files("mail", None).items()}),
    confirm_url=lambda who, letter, nonce, at: url("confirm", who, letter, nonce),
    preferences_url=lambda who: url("preferences", who),
    unsubscribe_url=lambda who, letter: url("unsubscribe", who, letter),
    sign=lambda domain, message, now: f"X-Signed-For: {domain}\r\n".encode(),
)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[PeopleWorld]:
    with people_world(request.param) as world:
        yield world


def run(world: PeopleWorld, mailer: ScriptedMailer | None = None, plan: NotifyPlan = PLAN) -> list[EmailMessage]:
    """What was sent."""
    mailer = mailer or ScriptedMailer()
    notify(NotifyPorts(notices=world.notices, mailer=mailer, clock=world.clock), plan)
    messages = [message_from_bytes(raw, policy=default) for _, _, raw in mailer.sent]
    return [message for message in messages if isinstance(message, EmailMessage)]


def states(world: PeopleWorld) -> list[tuple[str, str]]:
    with world.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT kind, state FROM notices ORDER BY id").all()
    return [(str(kind), str(state)) for kind, state in rows]


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_a_mail_asks_to_confirm_and_leads_to_nothing_else(world: PeopleWorld) -> None:
    world.ask(ANA, "weekly", "daily")
    (message,) = run(world)
    assert run(world) == []
    (mail,) = world.mails()
    assert (message["To"], message["Message-ID"]) == (ANA, mail.message_id)
    assert message["X-Signed-For"] == "example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert not [name for name in message if name.lower().startswith("list-")]
    text = text_of(message)
    assert url("confirm", mail.subscriber_id, "weekly", mail.nonce) in text
    assert "preferences" not in text
    assert "unsubscribe" not in text
    assert WEEKLY.title in message["Subject"]
    assert DAILY.title in message["Subject"]
    assert message["Content-Language"] == "fr"


def test_a_welcome_says_how_to_change_and_how_to_leave(world: PeopleWorld) -> None:
    world.ask(ANA)
    run(world)
    link = world.link(ANA)
    world.confirm(link)
    (message,) = run(world)
    text = text_of(message)
    assert url("preferences", link.subscriber_id) in text
    assert url("unsubscribe", link.subscriber_id, "weekly") in text
    assert states(world) == [("confirm", "accepted"), ("welcome", "accepted")]


def test_an_alert_goes_to_the_admin(world: PeopleWorld) -> None:
    world.notices.alert("desk@example.org", "The relay refuses us", ["one", "two"], "example.org", START)
    (message,) = run(world)
    assert (message["To"], message["Subject"]) == ("desk@example.org", "[Think Tank Wire] The relay refuses us")
    assert "- two" in text_of(message)


def test_what_is_put_off_is_tried_again_and_given_up_in_the_end(world: PeopleWorld) -> None:
    world.notices.alert("desk@example.org", "x", [], "example.org", START)
    mailer = ScriptedMailer(answers_to={"desk@example.org": [DEFERRED] * 100})
    run(world, mailer)
    world.clock.advance(minutes=4)
    run(world, mailer)
    assert len(mailer.sent) == 1
    for _ in range(40):
        world.clock.advance(hours=4)
        run(world, mailer)
    assert states(world) == [("alert", "refused")]
    assert 15 < len(mailer.sent) < 30


def test_a_link_that_would_be_too_old_is_not_sent(world: PeopleWorld) -> None:
    world.ask(ANA)
    world.clock.advance(days=7)
    assert run(world) == []
    assert states(world) == [("confirm", "cancelled")]


def test_a_newsletter_that_was_taken_out_asks_nobody(world: PeopleWorld) -> None:
    world.ask(ANA)
    assert run(world, plan=replace(PLAN, newsletters={})) == []
    assert states(world) == [("confirm", "cancelled")]


def test_a_server_that_is_down_is_left_alone_and_nothing_is_lost(world: PeopleWorld) -> None:
    world.ask(ANA)
    world.ask("bob@example.org")
    assert run(world, ScriptedMailer(down=DOWN)) == []
    cut = ScriptedMailer(answers_to={ANA: [DOWN]})
    run(world, cut)
    assert cut.recipients == [ANA]
    world.clock.advance(minutes=6)
    assert sorted(str(message["To"]) for message in run(world)) == [ANA, "bob@example.org"]


def test_a_server_that_was_down_for_hours_has_cost_a_mail_no_attempt(world: PeopleWorld) -> None:
    world.ask(ANA)
    mailer = ScriptedMailer(answers_to={ANA: [DOWN] * 40 + [DEFERRED]})
    for _ in range(41):
        run(world, mailer)
        world.clock.advance(minutes=6)
    assert states(world) == [("confirm", "deferred")]
    assert [message["To"] for message in run(world)] == [ANA]


def test_who_is_suppressed_gets_no_mail_that_waited(world: PeopleWorld) -> None:
    world.ask(ANA)
    world.notices.alert(ANA, "The relay refuses us", [], "example.org", START)
    person = world.persons.find(ANA)
    assert person is not None
    assert world.persons.end_all(person.subscriber.id, Evidence(source="suppressed by hand"), START) == 1
    assert [message["Subject"] for message in run(world)] == ["[Think Tank Wire] The relay refuses us"]
    assert states(world) == [("confirm", "cancelled"), ("alert", "accepted")]


def test_what_a_worker_had_at_hand_is_named_and_not_sent_again(world: PeopleWorld) -> None:
    world.ask(ANA)
    claimed = world.notices.claim(world.clock.now())
    assert claimed is not None
    assert world.notices.recover(world.clock.now()) == 1
    assert run(world) == []
    assert states(world) == [("confirm", "uncertain")]
    accepted = SendResult(state=DeliveryState.ACCEPTED, reply="250 OK", code=250)
    assert not world.notices.settle(claimed, accepted, world.clock.now(), None)


def test_a_fault_of_ours_costs_no_notice(world: PeopleWorld) -> None:
    def fail(who: int, letter: str, nonce: str, at: datetime) -> str:
        raise RuntimeError("no address today")

    world.ask(ANA)
    with pytest.raises(RuntimeError, match="no address today"):
        run(world, plan=replace(PLAN, confirm_url=fail))
    assert states(world) == [("confirm", "deferred")]
    world.clock.advance(minutes=6)
    assert len(run(world)) == 1


def test_an_impossible_address_is_refused_and_the_next_one_written_to(world: PeopleWorld) -> None:
    world.notices.alert("désk@example.org", "x", [], "example.org", START)
    world.notices.alert("desk@example.org", "x", [], "example.org", START + timedelta(seconds=1))
    world.clock.advance(minutes=1)
    assert [message["To"] for message in run(world)] == ["desk@example.org"]
    assert states(world) == [("alert", "refused"), ("alert", "accepted")]


def test_told_to_stop_it_stops_between_two_mails(world: PeopleWorld) -> None:
    world.ask(ANA)
    mailer = ScriptedMailer()
    ports = NotifyPorts(notices=world.notices, mailer=mailer, clock=world.clock)
    assert notify(ports, PLAN, should_stop=lambda: True) == 0
    assert (mailer.sent, mailer.closed) == ([], 1)
    assert notify(ports, PLAN) == 1
