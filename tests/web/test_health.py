"""What machines are told of this process and of the installation."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import pytest
from starlette.testclient import TestClient

from aggregator.errors import Problem, StoreError
from aggregator.model.delivery import DeliveryState
from aggregator.model.feed import FeedStatus
from aggregator.model.vitals import Health
from aggregator.web.app import create_app
from aggregator.web.health import WORKER_SILENT
from tests.fakes import START
from tests.web.sample_site import BASE, SampleSite

HEALTHY = Health(
    worker_tick=START,
    feeds={FeedStatus.OK: 2, FeedStatus.FAILING: 1},
    deliveries={DeliveryState.ACCEPTED: 7},
)
PROBLEM = Problem(file="/etc/wire/feeds.yaml", line=12, column=5, key="feeds.3.url", message="must be an address")


@pytest.fixture
def client(own_site: SampleSite) -> Iterator[TestClient]:
    own_site.clock.moment = START
    own_site.health = HEALTHY
    with TestClient(create_app(own_site.context), base_url=BASE) as client:
        yield client


def failing() -> NoReturn:
    raise StoreError("database: locked; see /var/lib/wire.db")


def test_a_sound_installation_is_ok_with_its_counts(own_site: SampleSite, client: TestClient) -> None:
    own_site.clock.advance(seconds=42)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "status": "ok",
        "reasons": [],
        "notes": [],
        "database": "ok",
        "worker_tick_age_seconds": 42,
        "config_problems": [],
        "feeds": {"new": 0, "ok": 2, "failing": 1, "gone": 0},
        "deliveries": {state.value: 7 if state is DeliveryState.ACCEPTED else 0 for state in DeliveryState},
    }


def test_an_edit_that_is_being_ignored_is_named_without_the_folders_above(
    own_site: SampleSite, client: TestClient
) -> None:
    own_site.health = replace(HEALTHY, problems=(PROBLEM,))
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["config_problems"] == [
        {"file": "feeds.yaml", "line": 12, "column": 5, "key": "feeds.3.url", "message": "must be an address"}
    ]
    assert "/etc/wire" not in answer.text


@pytest.mark.parametrize(
    ("silent", "status"),
    [(WORKER_SILENT, "ok"), (WORKER_SILENT + timedelta(seconds=1), "degraded"), (None, "degraded")],
)
def test_a_worker_that_is_silent_is_taken_for_stopped(
    own_site: SampleSite, client: TestClient, silent: timedelta | None, status: str
) -> None:
    own_site.health = Health(worker_tick=None if silent is None else START - silent)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.json()["reasons"] == ([] if status == "ok" else ["no worker is running"])


def test_a_machine_that_reaches_no_feed_is_degraded_since_then(own_site: SampleSite, client: TestClient) -> None:
    own_site.health = replace(HEALTHY, offline_since=START)
    report = client.get("/healthz").json()
    assert report["status"] == "degraded"
    assert report["reasons"] == [
        "no feed could be reached since 2026-11-24 08:00 UTC; this machine seems to be offline"
    ]


@pytest.mark.parametrize(
    ("state", "status"),
    [(DeliveryState.QUEUED, "degraded"), (DeliveryState.DEFERRED, "degraded"), (DeliveryState.ACCEPTED, "ok")],
)
def test_a_mail_server_that_takes_no_letter_is_said_while_letters_wait(
    own_site: SampleSite, client: TestClient, state: DeliveryState, status: str
) -> None:
    own_site.health = replace(HEALTHY, unsent_since=START, deliveries={state: 1})
    report = client.get("/healthz").json()
    words = "the mail server takes no letter since 2026-11-24 08:00 UTC; the worker's log says why"
    assert (report["status"], report["reasons"]) == (status, [words] if status == "degraded" else [])


def test_letters_in_doubt_are_noted_for_a_person_to_judge(own_site: SampleSite, client: TestClient) -> None:
    own_site.health = replace(HEALTHY, deliveries={DeliveryState.UNCERTAIN: 3})
    report = client.get("/healthz").json()
    assert report["status"] == "ok"
    assert report["notes"] == ["uncertain whether 3 letters arrived; they are not sent again by themselves"]


def test_a_database_that_does_not_answer_is_a_503_without_its_place(own_site: SampleSite) -> None:
    stories = type("Broken", (), {"last_seq": lambda self: failing()})()
    context = replace(own_site.context, health=failing, stories=stories)
    with TestClient(create_app(context), base_url=BASE) as client:
        for path in ("/healthz", "/readyz"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
            assert answer.json() == {"status": "unavailable", "database": "does not answer"}


def test_a_process_that_can_serve_is_ready(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
