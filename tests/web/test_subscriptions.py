"""Leaving a newsletter: scanners change nothing, one click does, and people are told when their link is broken."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from aggregator.model.delivery import DeliveryState, SubscriptionState
from aggregator.web.app import create_app
from tests.web.sample_site import BASE, SITE, SampleSite

CONFIRMED, UNSUBSCRIBED = SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BAD_TOKENS = ("x", "1.weekly.AAAA", "1.weekly", "ünïcode", "%00", "%2e%2e", "a" * 3000, "1.weekly.%0d%0aSet-Cookie:a=b")


@pytest.fixture
def client(own_site: SampleSite) -> Iterator[TestClient]:
    with TestClient(create_app(own_site.context), base_url=BASE, follow_redirects=False) as client:
        yield client


def test_looking_at_the_link_changes_nothing(own_site: SampleSite, client: TestClient) -> None:
    path, before = own_site.unsubscribe_path(), own_site.rows()
    for method in ("GET", "HEAD", "OPTIONS", "GET", "HEAD", "OPTIONS"):
        client.request(method, path)
    assert own_site.rows() == before


def test_the_page_has_a_button_that_names_the_newsletter_and_stays_private(
    own_site: SampleSite, client: TestClient
) -> None:
    path = own_site.unsubscribe_path()
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Stop getting “The week”?" in answer.text
    assert '<form method="post">' in answer.text
    assert path.rpartition("/")[2] not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "://" not in answer.text


@pytest.mark.parametrize("coding", ["urlencoded", "multipart"])
def test_one_click_acts_before_it_answers(own_site: SampleSite, client: TestClient, coding: str) -> None:
    path = own_site.unsubscribe_path()
    body = {"data": ONE_CLICK} if coding == "urlencoded" else {"files": {"List-Unsubscribe": (None, "One-Click")}}
    answer = client.post(path, **body)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert own_site.states() == [UNSUBSCRIBED, CONFIRMED]
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


def test_the_way_out_of_a_letter_that_is_only_a_test_changes_nothing(client: TestClient, own_site: SampleSite) -> None:
    before = own_site.rows()
    path = f"/unsubscribe/{own_site.signer.unsubscribe_token(0, 'weekly')}"
    assert "Stop getting “The week”?" in client.get(path).text
    assert client.post(path, data=ONE_CLICK).status_code == 200
    assert own_site.rows() == before


def test_the_button_of_our_page_sends_what_one_click_sends(client: TestClient, own_site: SampleSite) -> None:
    html = client.get(own_site.unsubscribe_path()).text
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in html


def test_one_click_needs_no_cookie_origin_or_referer_and_minds_no_foreign_one(
    own_site: SampleSite, client: TestClient
) -> None:
    headers = {"Origin": "https://mail.example", "Referer": "https://mail.example/", "Cookie": "a=b"}
    client.post(own_site.unsubscribe_path(), data=ONE_CLICK, headers=headers)
    assert own_site.states() == [UNSUBSCRIBED, CONFIRMED]


def test_a_second_post_gets_the_same_answer_and_changes_nothing(own_site: SampleSite, client: TestClient) -> None:
    path = own_site.unsubscribe_path()
    first = client.post(path, data=ONE_CLICK)
    after = own_site.rows()
    own_site.clock.advance(days=1)
    second = client.post(path, data=ONE_CLICK)
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert own_site.rows() == after


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_a_machine_with_a_token_that_is_not_ours_gets_the_answer_of_success_and_changes_nothing(
    own_site: SampleSite, client: TestClient, token: str
) -> None:
    before = own_site.rows()
    with capture_logs() as events:
        wrong = client.post(f"/unsubscribe/{token}", data=ONE_CLICK)
    assert own_site.rows() == before
    assert [event["event"] for event in events] == ["unsubscribe.unreadable"]
    right = client.post(own_site.unsubscribe_path(), data=ONE_CLICK)
    assert (wrong.status_code, wrong.content) == (200, right.content)
    assert dict(wrong.headers) == dict(right.headers)


@pytest.mark.parametrize("token", BAD_TOKENS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_person_whose_link_was_cut_is_told_so_and_whom_to_write_to(
    own_site: SampleSite, client: TestClient, method: str, token: str
) -> None:
    before = own_site.rows()
    answer = client.request(method, f"/unsubscribe/{token}")
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    assert "This link does not work" in answer.text
    assert "unsubscribed nobody" in answer.text
    assert 'href="mailto:desk@wire.example.org"' in answer.text
    assert "<form method" not in answer.text
    assert own_site.rows() == before


def test_a_cut_link_of_a_site_without_a_contact_leads_back_to_the_letter(own_site: SampleSite) -> None:
    own_site.settings = replace(own_site.settings, site=replace(SITE, contact=None))
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        answer = client.get(own_site.unsubscribe_path()[:-1])
    assert "answer the letter" in answer.text
    assert "mailto:" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {"List-Unsubscribe": "Two-Clicks"}},
        {"data": {"other": "One-Click"}},
        {"content": b"List-Unsubscribe=One-Click"},
        {"content": b"\xff\xfe%zz", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"files": {"List-Unsubscribe": ("a.txt", b"One-Click")}},
    ],
)
def test_a_post_that_does_not_say_one_click_is_asked_to_confirm(
    own_site: SampleSite, client: TestClient, body: dict[str, object]
) -> None:
    before = own_site.rows()
    answer = client.post(own_site.unsubscribe_path(), **body)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert own_site.rows() == before


@pytest.mark.parametrize(
    "body",
    [
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"data": {f"field{number}": "x" for number in range(50)}},
        {"files": [("a", ("a", b"1")), ("b", ("b", b"2"))]},
    ],
)
def test_a_form_that_no_mail_program_sends_is_a_400(
    own_site: SampleSite, client: TestClient, body: dict[str, object]
) -> None:
    before = own_site.rows()
    assert client.post(own_site.unsubscribe_path(), **body).status_code == 400  # type: ignore[arg-type]
    assert own_site.rows() == before


def test_leaving_cancels_letters_that_wait(own_site: SampleSite, client: TestClient) -> None:
    client.post(own_site.unsubscribe_path(), data=ONE_CLICK)
    with own_site.database.read() as connection:
        states = connection.exec_driver_sql("SELECT state FROM deliveries ORDER BY subscriber_id").scalars().all()
    assert states == [DeliveryState.CANCELLED, DeliveryState.QUEUED]


def test_a_database_that_is_held_is_a_503_so_that_the_sender_asks_again(own_site: SampleSite) -> None:
    own_site.database.main.dispose()
    path = own_site.unsubscribe_path()
    own_site.database.close()
    own_site.file.rename(own_site.file.with_suffix(".away"))
    own_site.file.mkdir()
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        answer = client.post(path, data=ONE_CLICK)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert str(own_site.file) not in answer.text
