"""The form and the link: no address is told from another, scanners change nothing, one press does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from aggregator.adapters.store.mail_tables import consents, notices
from aggregator.adapters.store.notices import read_notice
from aggregator.model.consent import Suppression
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import Choices
from aggregator.press.consent_words import WORDS
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.steps.throttle import FORMS_OF_A_NETWORK
from aggregator.web.app import create_app
from aggregator.web.visitor import MISSES
from tests.fakes import START
from tests.web.sample_site import BASE, WEEKLY, SampleSite

NEW, KNOWN = "new@reader.example", "ana@reader.example"
DAILY = replace(WEEKLY, id="daily", title="The day", schedule="daily 07:30")
FORM = {"email": NEW, "newsletter": "weekly"}


@pytest.fixture
def site(own_site: SampleSite) -> SampleSite:
    own_site.settings = replace(own_site.settings, newsletters=(WEEKLY, DAILY))
    own_site.newsletters.sync([WEEKLY, DAILY], lambda letter: (START, START), 0)
    return own_site


@pytest.fixture
def client(site: SampleSite) -> Iterator[TestClient]:
    with browser(site) as client:
        yield client


def browser(site: SampleSite, *, network: int = 0) -> TestClient:
    """A client of a network of its own."""
    app = create_app(site.context)
    return TestClient(app, base_url=BASE, follow_redirects=False, client=(f"198.51.{network}.7", 5000))


def mails(site: SampleSite, kind: str = "confirm") -> list[Any]:
    with site.database.read() as connection:
        rows = connection.execute(select(notices).where(notices.c.kind == kind).order_by(notices.c.id))
        return [read_notice(row) for row in rows]


def link(site: SampleSite, letter: str = "weekly") -> str:
    mail = mails(site)[-1]
    return f"/confirm/{site.signer.confirm_token(mail.subscriber_id, letter, mail.nonce, mail.created_at)}"


def state(site: SampleSite, email: str, letter: str = "weekly") -> SubscriptionState | None:
    found = [item for item in site.subscribers.subscriptions(letter) if item.subscriber.email == email]
    return found[0].state if found else None


# --- the form -------------------------------------------------------------------------------------


def test_the_form_ticks_no_box_and_needs_no_script(client: TestClient) -> None:
    html = client.get("/subscribe?newsletter=weekly").text
    assert "checked" not in html
    assert "<script" not in html
    assert html.count('type="checkbox"') == 2
    assert WORDS.ask in html


def test_a_form_leads_to_a_mail_and_its_button_to_a_subscription(site: SampleSite, client: TestClient) -> None:
    answer = client.post("/subscribe", data=FORM, headers={"User-Agent": "Firefox"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "Look in your mailbox" in answer.text
    assert state(site, NEW) is SubscriptionState.PENDING
    page = client.get(link(site))
    assert "Subscribe to The week" in page.text
    assert WORDS.confirm.format(newsletter="The week", site="Think Tank Wire") in page.text
    assert state(site, NEW) is SubscriptionState.PENDING
    done = client.post(link(site), headers={"Origin": "null"})
    assert "You are subscribed" in done.text
    assert state(site, NEW) is SubscriptionState.CONFIRMED
    assert "Already done" in client.get(link(site)).text
    again = client.post(link(site))
    assert "Already done" in again.text
    assert "/preferences/" in done.text
    assert "/preferences/" not in again.text


def test_the_evidence_is_what_was_read_and_from_where(site: SampleSite, client: TestClient) -> None:
    client.post("/subscribe", data=FORM, headers={"User-Agent": "Firefox"})
    client.post(link(site), headers={"User-Agent": "Lynx"})
    with site.database.read() as connection:
        asked, confirmed = connection.execute(select(consents).order_by(consents.c.id)).all()
    assert (asked.act, asked.source) == ("asked", "/subscribe, wording 1")
    assert (asked.wording, asked.language) == (WORDS.ask, "en")
    assert (asked.client, asked.agent) == ("198.51.0.7", "Firefox")
    assert (confirmed.act, confirmed.source, confirmed.agent) == ("confirmed", "/confirm, wording 1", "Lynx")
    assert confirmed.wording == "Yes, send The week of Think Tank Wire to my address, until I say stop."
    assert asked.message_id == confirmed.message_id == mails(site)[0].message_id


def test_what_is_chosen_comes_with_the_subscription(site: SampleSite, client: TestClient) -> None:
    chosen = {"frequency": "daily", "language": "fr", "timezone": "Asia/Tokyo", "country": "jp", "topic": "energy"}
    client.post("/subscribe", data=FORM | chosen)
    client.post(link(site))
    (subscription,) = [item for item in site.subscribers.subscriptions("weekly") if item.subscriber.email == NEW]
    assert subscription.choices == Choices(
        schedule="daily 07:30", language="fr", timezone="Asia/Tokyo", query="country:jp AND topic:energy"
    )
    assert mails(site)[0].language == "fr"


def test_several_newsletters_are_one_mail_and_a_button_each(site: SampleSite, client: TestClient) -> None:
    client.post("/subscribe", data={"email": NEW, "newsletter": ["weekly", "daily"]})
    assert len(mails(site)) == 1
    page = client.get(link(site)).text
    assert page.count(">Subscribe to") == 2
    assert "Subscribe to The day" in page
    done = client.post(link(site)).text
    assert "Subscribe to The day" in done
    assert state(site, NEW, "daily") is SubscriptionState.PENDING
    client.post(link(site, "daily"))
    assert state(site, NEW, "daily") is SubscriptionState.CONFIRMED


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"email": "", "newsletter": "weekly"}, "Please write your e-mail address"),
        ({"email": "ana", "newsletter": "weekly"}, "Please write your e-mail address"),
        ({"email": "a b@reader.example", "newsletter": "weekly"}, "Please write your e-mail address"),
        ({"email": "x" * 400 + "@reader.example", "newsletter": "weekly"}, "Please write your e-mail address"),
        ({"email": NEW}, "Please tick at least one"),
        ({"email": NEW, "newsletter": "weakly"}, "Please tick at least one"),
        ({"email": NEW, "timezone": "Asia/Tokio"}, "did you mean Asia/Tokyo?"),
        (FORM | {"timezone": "Asia/Tokio"}, "did you mean Asia/Tokyo?"),
        (FORM | {"frequency": "hourly"}, "a schedule is written like"),
        (FORM | {"language": "tlh"}, "is not a language of ours"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field_and_the_rest_is_kept(
    site: SampleSite, client: TestClient, form: dict[str, str], fault: str
) -> None:
    before = site.rows()
    answer = client.post("/subscribe", data=form)
    assert answer.status_code == 400
    assert fault in answer.text
    assert 'role="alert"' in answer.text
    assert site.rows() == before
    if form.get("newsletter") == "weekly":
        assert 'value="weekly" checked' in answer.text


# --- what is not told -----------------------------------------------------------------------------


def addresses(site: SampleSite) -> dict[str, str]:
    """An address of each kind that a stranger might want to tell apart."""
    browser(site, network=200).post("/subscribe", data=FORM | {"email": "pending@reader.example"})
    gone = site.subscribers.subscriptions("weekly")[1].subscriber
    site.subscribers.unsubscribe(gone.id, "weekly", START)
    key = Pseudonyms(["a secret of the tests"]).address("out@reader.example")
    site.readers.suppressions.suppress(key, Suppression(reason="complaint", since=START))
    return {
        "unknown": NEW,
        "known": KNOWN,
        "pending": "pending@reader.example",
        "left": gone.email,
        "suppressed": "out@reader.example",
        "no address": "a@b",
        "no host": "ana@exämple..org",
        "a formula": "=1+1@reader.example",
    }


def test_every_address_gets_the_same_answer(site: SampleSite) -> None:
    answers = {}
    for number, (kind, email) in enumerate(addresses(site).items()):
        answer = browser(site, network=number).post("/subscribe", data=FORM | {"email": email})
        answers[kind] = (answer.status_code, answer.content, sorted(answer.headers.items()))
    assert len({repr(answer) for answer in answers.values()}) == 1, answers


def test_no_mail_goes_out_in_the_request_and_known_readers_get_none_that_asks(
    site: SampleSite, client: TestClient
) -> None:
    client.post("/subscribe", data=FORM | {"email": KNOWN})
    client.post("/subscribe", data=FORM)
    assert [mail.email for mail in mails(site)] == [NEW]
    assert [mail.email for mail in mails(site, "welcome")] == [KNOWN]
    with site.database.read() as connection:
        assert set(connection.scalars(select(notices.c.state))) == {"queued"}


def test_ten_thousand_presses_are_one_mail(site: SampleSite) -> None:
    for number in range(60):
        browser(site, network=number).post("/subscribe", data=FORM)
    assert len(mails(site)) == 1


def test_one_network_is_told_to_come_back_later_whatever_it_asks(site: SampleSite, client: TestClient) -> None:
    answers = [client.post("/subscribe", data=FORM | {"email": f"r{number}@reader.example"}) for number in range(5)]
    assert [answer.status_code for answer in answers] == [200] * FORMS_OF_A_NETWORK
    for email in (NEW, KNOWN):
        refused = client.post("/subscribe", data=FORM | {"email": email})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert browser(site, network=9).post("/subscribe", data=FORM).status_code == 200


def test_a_forged_header_moves_nobody_to_another_network(site: SampleSite, client: TestClient) -> None:
    for number in range(7):
        headers = {"X-Forwarded-For": f"203.0.{number}.1", "Forwarded": f"for=203.0.{number}.1"}
        last = client.post("/subscribe", data=FORM, headers=headers)
    assert last.status_code == 429


def test_a_proxy_that_is_named_says_who_asks(site: SampleSite, client: TestClient) -> None:
    site.settings = replace(site.settings, proxies=("198.51.0.0/24",))
    for number in range(7):
        last = client.post("/subscribe", data=FORM, headers={"X-Forwarded-For": f"203.0.{number}.1"})
    assert last.status_code == 200
    with site.database.read() as connection:
        assert connection.scalar(select(consents.c.client)) == "203.0.0.1"


def test_a_program_that_fills_in_what_nobody_sees_is_thanked_and_ignored(site: SampleSite, client: TestClient) -> None:
    before = site.rows()
    answer = client.post("/subscribe", data=FORM | {"website": "https://spam.example"})
    assert "Look in your mailbox" in answer.text
    assert site.rows() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://wire.example.org.evil.example"},
        {"Origin": "https://[wire.example.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_refused(site: SampleSite, client: TestClient, headers: dict[str, str]) -> None:
    client.post("/subscribe", data=FORM)
    before = site.rows()
    for path in ("/subscribe", link(site)):
        assert client.post(path, data=FORM, headers=headers).status_code == 403
    assert site.rows() == before


def test_our_own_origin_is_ours(site: SampleSite, client: TestClient) -> None:
    for headers in ({"Origin": BASE}, {"Sec-Fetch-Site": "same-origin"}):
        assert client.post("/subscribe", data=FORM, headers=headers).status_code == 200


# --- the link -------------------------------------------------------------------------------------


def test_scanners_that_open_every_link_change_nothing(site: SampleSite, client: TestClient) -> None:
    client.post("/subscribe", data=FORM)
    path, before = link(site), site.rows()
    for method in ("GET", "HEAD", "OPTIONS") * 3:
        client.request(method, path)
    assert site.rows() == before
    answer = client.get(path)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "://" not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_tokens_of_other_purposes_do_nothing_here(site: SampleSite, client: TestClient, method: str) -> None:
    client.post("/subscribe", data=FORM)
    person = site.readers.persons.find(KNOWN)
    assert person is not None
    signer, id_ = site.signer, person.subscriber.id
    before = site.rows()
    for token in (
        signer.unsubscribe_token(id_, "weekly"),
        signer.preferences_token(id_),
        signer.letter_token(1, 1),
        link(site).rpartition("/")[2][:-1],
        "x",
    ):
        assert client.request(method, f"/confirm/{token}").status_code == 400, token
    assert site.rows() == before


def test_a_link_to_confirm_is_good_for_nothing_else(site: SampleSite, client: TestClient) -> None:
    client.post("/subscribe", data=FORM)
    token, before = link(site).rpartition("/")[2], site.rows()
    client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
    assert client.get(f"/preferences/{token}").status_code == 400
    assert client.post(f"/preferences/{token}", data={"do": "leave-all"}).status_code == 400
    assert client.get(f"/letters/{token}").status_code == 400
    assert site.rows() == before


def test_a_link_is_good_for_a_week(site: SampleSite, client: TestClient) -> None:
    client.post("/subscribe", data=FORM)
    path = link(site)
    site.clock.advance(days=7)
    before = site.rows()
    for method in ("GET", "POST"):
        answer = client.request(method, path)
        assert answer.status_code == 410
        assert "no longer good" in answer.text
        assert "The week" in answer.text
    assert site.rows() == before


def test_who_tries_links_that_are_none_is_told_to_wait(site: SampleSite, client: TestClient) -> None:
    client.post("/subscribe", data=FORM)
    for number in range(MISSES):
        assert client.get(f"/confirm/x{number}").status_code == 400
    for path in ("/confirm/x", link(site), "/preferences/x", "/letters/x"):
        answer = client.get(path)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 60
    assert browser(site, network=1).get(link(site)).status_code == 200
    site.clock.advance(minutes=1)
    assert client.get(link(site)).status_code == 200


def test_who_leaves_is_let_go_however_many_bad_links_their_network_tried(
    own_site: SampleSite, client: TestClient
) -> None:
    for number in range(MISSES + 1):
        last = client.post(f"/unsubscribe/x{number}", data={"List-Unsubscribe": "One-Click"})
    assert last.status_code == 429
    good = client.post(own_site.unsubscribe_path(), data={"List-Unsubscribe": "One-Click"})
    assert good.status_code == 200
    assert state(own_site, KNOWN) is SubscriptionState.UNSUBSCRIBED
