"""What readers write is read with patience, checked, and named when it is wrong."""

from dataclasses import replace

import pytest

from aggregator.model.edition import Choices
from aggregator.schedule import parse_schedule
from aggregator.steps.choosing import (
    LONGEST_QUERY,
    Rhythm,
    read_choices,
    read_language,
    read_zone,
    rhythm_of,
    schedule_words,
    zones,
)
from tests.mail_fakes import WEEKLY


def test_nothing_said_is_nothing_chosen() -> None:
    assert read_choices({}, WEEKLY).choices == Choices()
    assert read_choices(dict.fromkeys(("schedule", "timezone", "quiet", "language", "query"), " "), WEEKLY).faults == {}


def test_everything_said_is_chosen_in_one_spelling() -> None:
    given = {
        "schedule": "Thursday, Monday 7:05",
        "timezone": "Asia/Tokyo",
        "quiet": "22:00 - 7:00",
        "language": "fr-CA",
        "query": " country:jp \n AND topic:energy ",
        "other": "is not asked for",
    }
    assert read_choices(given, WEEKLY).choices == Choices(
        schedule="mon,thu 07:05",
        timezone="Asia/Tokyo",
        quiet="22:00-07:00",
        language="fr",
        query="country:jp AND topic:energy",
    )


def test_what_the_newsletter_has_anyway_is_not_a_choice() -> None:
    letter = replace(WEEKLY, quiet="22:00-07:00", query="country:jp")
    given = {
        "schedule": "Mon 7:30",
        "timezone": "Europe/Paris",
        "quiet": "22:00-07:00",
        "language": "en",
        "query": "country:jp",
    }
    assert read_choices(given, letter).choices == Choices()


def test_each_fault_is_named_and_none_is_chosen() -> None:
    given = {"schedule": "x", "timezone": "Mars/Base", "quiet": "x", "language": "x", "query": "a OR"}
    chosen = read_choices(given, WEEKLY)
    assert set(chosen.faults) == set(given)
    assert chosen.choices == Choices()
    assert chosen.query_fault is not None
    assert chosen.faults["query"].endswith(f"(character {chosen.query_fault.position + 1})")


def test_a_filter_has_a_longest() -> None:
    chosen = read_choices({"query": "word " * LONGEST_QUERY}, WEEKLY)
    assert chosen.faults == {"query": f"a filter has at most {LONGEST_QUERY} characters"}


def test_a_filter_that_cannot_be_read_with_the_newsletters_own_is_refused() -> None:
    long = replace(WEEKLY, query=" OR ".join(["energy"] * 399))
    chosen = read_choices({"query": "country:jp OR country:kr"}, long)
    assert chosen.faults == {
        "query": "together with the newsletter's own filter this is too much: a query has at most 4000 characters"
    }


def test_characters_that_no_database_keeps_are_spaces() -> None:
    assert read_choices({"query": 'title:"a\0b" \ufffe gas'}, WEEKLY).choices == Choices(query='title:"a b" gas')


def test_a_mistake_that_a_file_makes_in_every_line_is_compared_with_the_zones_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    def near(text: str, *others: object, **options: object) -> list[str]:
        compared.append(text)
        return []

    monkeypatch.setattr("aggregator.steps.choosing.get_close_matches", near)
    for _ in range(3):
        with pytest.raises(ValueError, match="is not a time zone"):
            read_zone("W. Middle Earth Standard Time")
    assert len(compared) == 1


def test_zones_to_choose_from_are_places_that_are_read_again() -> None:
    assert {"Europe/Paris", "Asia/Tokyo", "America/New_York", "UTC"} <= set(zones())
    assert not [name for name in zones() if name.startswith(("Etc/", "posix", "SystemV"))]
    assert [read_zone(name) for name in zones()] == list(zones())


@pytest.mark.parametrize("text", ["", "europe/pari", "../etc/passwd", "x" * 5000, "Europe/Paris\0"])
def test_what_is_no_zone_is_said_shortly(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone") as error:
        read_zone(text)
    assert len(str(error.value)) < 200


def test_a_near_zone_is_offered() -> None:
    with pytest.raises(ValueError, match="did you mean Europe/Paris"):
        read_zone("europe/pariss")


@pytest.mark.parametrize(("text", "code"), [("en", "en"), ("de-AT", "de"), ("ES_mx", "es")])
def test_a_language_of_ours_is_read_with_its_country(text: str, code: str) -> None:
    assert read_language(text) == code


# --- schedules as a form has them -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "rhythm"),
    [
        ("mon 07:30", Rhythm(frequency="weekly", weekdays=("mon",), at="07:30")),
        ("mon,thu 07:05", Rhythm(frequency="weekly", weekdays=("mon", "thu"), at="07:05")),
        ("daily 09:00", Rhythm(frequency="daily", weekdays=("mon",), at="09:00")),
        ("weekdays 09:00", Rhythm(frequency="weekdays", weekdays=("mon",), at="09:00")),
        ("monthly 15 09:00", Rhythm(frequency="monthly", weekdays=("mon",), at="09:00", day="15")),
        ("each", Rhythm(frequency="each", weekdays=("mon",), at="07:30")),
        (None, Rhythm(frequency="", weekdays=("mon",), at="07:30")),
    ],
)
def test_a_schedule_goes_into_a_form_and_comes_out_again(schedule: str | None, rhythm: Rhythm) -> None:
    assert rhythm_of(schedule, WEEKLY) == rhythm
    assert schedule_words(rhythm, WEEKLY) == (schedule or "")


@pytest.mark.parametrize(
    ("frequency", "own", "words"),
    [
        ("daily", "mon 07:30", "daily 07:30"),
        ("weekly", "daily 06:00", "mon 06:00"),
        ("weekly", "thu 06:00", "thu 06:00"),
        ("monthly", "mon 07:30", "monthly 1 07:30"),
        ("monthly", "monthly 20 07:30", "monthly 20 07:30"),
        ("", "mon 07:30", ""),
        ("each", "mon 07:30", "each"),
    ],
)
def test_what_a_form_leaves_open_is_as_the_newsletter_has_it(frequency: str, own: str, words: str) -> None:
    assert schedule_words(Rhythm(frequency=frequency), replace(WEEKLY, schedule=own)) == words


def test_a_newsletter_without_an_hour_gives_one() -> None:
    words = schedule_words(Rhythm(frequency="daily"), replace(WEEKLY, schedule="each"))
    assert parse_schedule(words).weekdays == frozenset(range(7))
