"""A reader's own page: what they get and how, what is kept about them, and its end; looking changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from aggregator.adapters.store.mail_tables import consents
from aggregator.model.consent import Suppression
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import Choices
from aggregator.steps.pseudonyms import Pseudonyms
from aggregator.web.app import create_app
from tests.fakes import START
from tests.web.sample_site import BASE, WEEKLY, SampleSite

DAILY = replace(WEEKLY, id="daily", title="The day", schedule="daily 07:30")
ANA, BO = "ana@reader.example", "bo@reader.example"
SAVE = {"newsletter": "weekly", "do": "save"}
CONFIRMED, UNSUBSCRIBED = SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED


@pytest.fixture
def site(own_site: SampleSite) -> SampleSite:
    own_site.settings = replace(own_site.settings, newsletters=(WEEKLY, DAILY))
    own_site.newsletters.sync([WEEKLY, DAILY], lambda letter: (START, START), 0)
    return own_site


@pytest.fixture
def client(site: SampleSite) -> Iterator[TestClient]:
    with TestClient(create_app(site.context), base_url=BASE, follow_redirects=False) as client:
        yield client


def own(site: SampleSite, email: str = ANA) -> str:
    person = site.readers.persons.find(email)
    assert person is not None
    return f"/preferences/{site.signer.preferences_token(person.subscriber.id)}"


def subscription(site: SampleSite, email: str = ANA, letter: str = "weekly") -> tuple[SubscriptionState, Choices]:
    person = site.readers.persons.find(email)
    found = person.subscription(letter) if person else None
    assert found is not None
    return found.state, found.choices


def acts(site: SampleSite) -> list[tuple[str, str, str]]:
    with site.database.read() as connection:
        query = select(consents.c.newsletter_id, consents.c.act, consents.c.wording).order_by(consents.c.id)
        return [(row.newsletter_id, row.act, row.wording) for row in connection.execute(query)]


# --- looking --------------------------------------------------------------------------------------


def test_looking_changes_nothing_and_stays_private(site: SampleSite, client: TestClient) -> None:
    before = site.rows()
    for path in (own(site), f"{own(site)}/data", f"{own(site)}/erase"):
        for method in ("GET", "HEAD", "OPTIONS") * 2:
            client.request(method, path)
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex"
    assert site.rows() == before


def test_the_page_shows_what_they_get_and_what_they_could(site: SampleSite, client: TestClient) -> None:
    html = client.get(own(site)).text
    assert f"For mail to {ANA}." in html
    assert html.index("The week") < html.index("You get it.") < html.index("The day") < html.index("You do not get it.")
    assert "<script" not in html


# --- choosing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "choices"),
    [
        ({}, Choices()),
        ({"frequency": "each"}, Choices(schedule="each")),
        ({"frequency": "daily", "at": "06:15"}, Choices(schedule="daily 06:15")),
        ({"frequency": "weekdays", "at": ""}, Choices(schedule="weekdays 07:30")),
        ({"frequency": "weekly", "weekday": ["fri", "tue"], "at": "18:00"}, Choices(schedule="tue,fri 18:00")),
        ({"frequency": "weekly", "at": "07:30"}, Choices()),
        ({"frequency": "monthly", "day": "31", "at": "08:00"}, Choices(schedule="monthly 31 08:00")),
        ({"timezone": "Asia/Tokyo"}, Choices(timezone="Asia/Tokyo")),
        ({"quiet_from": "22:00", "quiet_to": "07:00"}, Choices(quiet="22:00-07:00")),
        ({"query": "country:jp", "language": "de"}, Choices(query="country:jp", language="de")),
    ],
)
def test_what_is_chosen_is_kept_and_shown_again(
    site: SampleSite, client: TestClient, form: dict[str, object], choices: Choices
) -> None:
    answer = client.post(own(site), data=SAVE | form)
    assert answer.status_code == 200
    assert subscription(site) == (CONFIRMED, choices)
    assert ("Saved." in answer.text) == (choices != Choices())
    again = client.post(own(site), data=SAVE | form)
    assert "All is as it was." in again.text
    for value in form.values():
        for text in [value] if isinstance(value, str) else value:  # type: ignore[union-attr]
            assert not text or f'value="{text}"' in again.text
    assert acts(site) == ([("weekly", "changed", "Send me The week as chosen here.")] if choices != Choices() else [])


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"timezone": "Europe/Pariss"}, "did you mean Europe/Paris?"),
        ({"quiet_from": "22:00"}, "quiet hours are written like"),
        ({"frequency": "monthly", "day": "32"}, "there is no day 32 in a month"),
        ({"frequency": "daily", "at": "25:00"}, "there is no time 25:00"),
        ({"language": "tlh"}, "is not a language of ours"),
        ({"query": "country:jp OR"}, "(character"),
        ({"query": "x" * 600}, "a filter has at most 500 characters"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field_and_nothing_is_changed(
    site: SampleSite, client: TestClient, form: dict[str, str], fault: str
) -> None:
    before = site.rows()
    answer = client.post(own(site), data=SAVE | form)
    assert answer.status_code == 400
    assert fault in answer.text
    assert answer.text.count('role="alert"') == 1
    assert 'aria-invalid="true"' in answer.text
    assert site.rows() == before


def test_the_place_of_a_fault_in_a_filter_is_shown(site: SampleSite, client: TestClient) -> None:
    html = client.post(own(site), data=SAVE | {"query": "(country:jp"}).text
    assert "<pre>" in html
    assert "^" in html


def test_a_newsletter_is_taken_up_left_and_taken_up_again(site: SampleSite, client: TestClient) -> None:
    page = own(site)
    assert "You get The day from its next issue on." in client.post(page, data=SAVE | {"newsletter": "daily"}).text
    assert subscription(site, letter="daily") == (CONFIRMED, Choices())
    assert "unsubscribed from The day" in client.post(page, data={"newsletter": "daily", "do": "leave"}).text
    assert subscription(site, letter="daily")[0] is UNSUBSCRIBED
    client.post(page, data={"newsletter": "daily", "do": "back"})
    assert subscription(site, letter="daily")[0] is CONFIRMED
    assert [(letter, act) for letter, act, _ in acts(site)] == [
        ("daily", "confirmed"),
        ("daily", "unsubscribed"),
        ("daily", "confirmed"),
    ]


def test_everything_is_left_at_once(site: SampleSite, client: TestClient) -> None:
    client.post(own(site), data=SAVE | {"newsletter": "daily"})
    assert "from everything" in client.post(own(site), data={"do": "leave-all"}).text
    assert [subscription(site, letter=letter)[0] for letter in ("weekly", "daily")] == [UNSUBSCRIBED] * 2
    assert subscription(site, BO)[0] is CONFIRMED


def test_taking_it_up_by_ones_own_link_lifts_a_suppression(site: SampleSite, client: TestClient) -> None:
    page, key = own(site), Pseudonyms(["a secret of the tests"]).address(ANA)
    client.post(page, data={"newsletter": "weekly", "do": "leave"})
    site.readers.suppressions.suppress(key, Suppression(reason="complaint", since=START))
    client.post(page, data={"newsletter": "weekly", "do": "back"})
    assert site.readers.suppressions.suppression([key]) is None
    assert subscription(site)[0] is CONFIRMED


def test_a_newsletter_that_was_taken_out_can_still_be_left(site: SampleSite, client: TestClient) -> None:
    site.settings = replace(site.settings, newsletters=(DAILY,))
    page = own(site)
    assert "It does not come out any more." in client.get(page).text
    before = site.rows()
    client.post(page, data=SAVE)
    assert site.rows() == before
    client.post(page, data={"newsletter": "weekly", "do": "leave"})
    assert subscription(site)[0] is UNSUBSCRIBED


@pytest.mark.parametrize("form", [{}, {"do": "dance"}, {"do": "leave", "newsletter": "daily"}, {"do": "save"}])
def test_a_form_that_asks_for_nothing_changes_nothing(
    site: SampleSite, client: TestClient, form: dict[str, str]
) -> None:
    before = site.rows()
    assert client.post(own(site), data=form).status_code == 200
    assert site.rows() == before


def test_a_form_of_another_site_is_refused(site: SampleSite, client: TestClient) -> None:
    before = site.rows()
    for path, form in ((own(site), {"do": "leave-all"}), (f"{own(site)}/erase", {"erase": "yes"})):
        assert client.post(path, data=form, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert site.rows() == before


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("GET", "/data"), ("GET", "/erase"), ("POST", "/erase")]
)
def test_links_of_other_purposes_open_nothing_here(
    site: SampleSite, client: TestClient, method: str, path: str
) -> None:
    signer, before = site.signer, site.rows()
    for token in (signer.unsubscribe_token(1, "weekly"), signer.letter_token(1, 1), own(site)[13:-1], "1", "x"):
        answer = client.request(method, f"/preferences/{token}{path}", data={"do": "leave-all", "erase": "yes"})
        assert answer.status_code == 400, token
        assert ANA not in answer.text
    assert site.rows() == before


# --- what is kept ---------------------------------------------------------------------------------


def test_all_that_is_kept_is_a_file(site: SampleSite, client: TestClient) -> None:
    client.post(own(site), data=SAVE | {"query": "country:jp"}, headers={"User-Agent": "Firefox"})
    answer = client.get(f"{own(site)}/data")
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    data = json.loads(answer.text)
    assert data["person"]["subscriber"]["email"] == ANA
    assert data["person"]["subscriptions"][0]["choices"]["query"] == "country:jp"
    assert data["consents"][0]["evidence"]["agent"] == "Firefox"
    assert data["deliveries"][0]["state"] == "queued"
    assert data["deliveries"][0]["created_at"].endswith("Z")
    assert BO not in answer.text


def test_erasing_takes_two_pages_and_leaves_nobody(site: SampleSite, client: TestClient) -> None:
    page, before = own(site), site.rows()
    assert client.post(f"{page}/erase").text.count("Erase me for good") == 1
    assert site.rows() == before
    answer = client.post(f"{page}/erase", data={"erase": "yes"})
    assert "You are erased" in answer.text
    assert site.readers.persons.find(ANA) is None
    assert site.readers.suppressions.suppression([Pseudonyms(["a secret of the tests"]).address(ANA)]) is not None
    assert client.get(page).status_code == 400
    assert client.post(page, data=SAVE).status_code == 400
    assert client.get(f"{page}/data").status_code == 400
    assert client.post(f"{page}/erase", data={"erase": "yes"}).status_code == 400
    assert subscription(site, BO)[0] is CONFIRMED


# --- leaving --------------------------------------------------------------------------------------


def test_a_link_to_leave_leads_to_no_page_of_the_readers_own(site: SampleSite, client: TestClient) -> None:
    one_click, by_page = {"List-Unsubscribe": "One-Click"}, {"List-Unsubscribe": "One-Click", "page": "1"}
    for answer in (
        client.get(site.unsubscribe_path()),
        client.post(site.unsubscribe_path(), data=by_page),
        client.post(site.unsubscribe_path(), data=one_click),
    ):
        assert answer.status_code == 200
        assert "/preferences/" not in answer.text
    with site.database.read() as connection:
        sources = connection.scalars(select(consents.c.source).order_by(consents.c.id)).all()
    assert sources == ["/unsubscribe, wording 1"]


# --- letters --------------------------------------------------------------------------------------


def test_a_letter_is_read_in_the_browser_without_what_is_personal(site: SampleSite, client: TestClient) -> None:
    edition = site.newsletters.slot("weekly").edition.id
    before = site.rows()
    answer = client.get(f"/letters/{site.signer.letter_token(edition, 1)}")
    assert answer.status_code == 200
    assert "Issue one" in answer.text
    assert "For you alone" not in answer.text
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "sandbox" in answer.headers["content-security-policy"]
    for token in (site.signer.letter_token(edition, 9), site.signer.preferences_token(1), "x"):
        assert client.get(f"/letters/{token}").status_code == 400
    assert site.rows() == before
