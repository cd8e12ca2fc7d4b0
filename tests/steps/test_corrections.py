from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.newsletter import Correction
from aggregator.steps.corrections import corrections, is_corrected, is_marked
from tests.sample_digest import entry, story


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Gas storage", "Gas storage"),
        ("Gas storage", "GAS STORAGE"),
        ("Gas storage: a review", "Gas storage – a review."),
        ("Gas  storage", "Gas\u00a0storage"),
        ("Policymaking in Europe", "Policy-making in Europe"),
        ("L’energie en Europe", "L'énergie en Europe"),
        ("The eurpoean way", "The european way"),
        ("The europen way", "The european way"),
        ("The europeaan way", "The european way"),
        ("The eurobean way", "The european way"),
        ("Teh way", "The way"),
        ("What exporter want", "What exporters want"),
        ("What exporterss want", "What exporters want"),
        ("Correction: Gas", "Correction: Gas"),
        ("Gas storage", ""),
    ],
)
def test_spelling_and_slips_of_the_pen_are_no_correction(old: str, new: str) -> None:
    assert not is_corrected(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Growth in 2025", "Growth in 2026"),
        ("Growth of 1.5 per cent", "Growth of 15 per cents"),
        ("War with Iran", "War with Iraq"),
        ("Talks are now possible", "Talks are not possible"),
        ("Aid for Gambia", "Aid for Zambia"),
        ("UK exports", "US exports"),
        ("Gas storage", "Oil storage"),
        ("Gas storage", "Gas storage is full"),
        ("A typo in heer and thier words", "A typo in here and their words"),
        ("中国経済", "中国経営"),
        ("", "A title"),
        ("Gas storage", "Retracted: Gas storage"),
    ],
)
def test_other_words_names_and_figures_are(old: str, new: str) -> None:
    assert is_corrected(old, new)


@pytest.mark.parametrize(
    "title",
    [
        "Correction: Gas storage",
        "CORRECTED - Gas storage",
        "Correction to “Gas storage”",
        "Corrigendum to Gas storage",
        "Erratum",
        "Erratum: Gas storage",
        "Errata for the annual report",
        "Retracted: Gas storage",
        "RETRACTED Gas storage",
        "[Corrected] Gas storage",
        "Gas storage (corrected)",
        "Gas storage [Withdrawn]",
        "Withdrawn: Gas storage",
        "Gas storage — Correction",
        "Rectificatif : le stockage de gaz",
        "Rétracté : le stockage de gaz",
        "Le stockage de gaz [version corrigée]",
        "Korrektur: Gasspeicher",
        "Berichtigung zum Jahresbericht",
        "Gasspeicher (korrigierte Fassung)",
        "Zurückgezogen: Gasspeicher",
        "Corrección: el almacenamiento de gas",
        "Fe de erratas",
        "FE DE ERRATAS: el almacenamiento",
    ],
)
def test_publishers_own_marks_are_known(title: str) -> None:
    assert is_marked(title)
    assert is_corrected("Another title", title)


@pytest.mark.parametrize(
    "title",
    [
        "Correction ahead for housing markets",
        "A market correction: what comes next?",
        "Withdrawal from Afghanistan",
        "Withdrawal of troops",
        "The retraction of the ice",
        "Corrections officers and prison reform",
        "Retraite et réforme",
        "Korrekturen am Haushalt",
        "The correction of the century",
        "Troops withdrawn",
        "",
    ],
)
def test_words_of_the_subject_are_no_mark(title: str) -> None:
    assert not is_marked(title)


def test_only_what_changed_is_told_and_each_story_once() -> None:
    same, other = story(1, entry("Gas storage")), story(2, entry("Oil storage"))
    told = [
        Correction(story=same, issue_number=3, old_title="Gas Storage"),
        Correction(story=other, issue_number=3, old_title="Coal storage"),
        Correction(story=other, issue_number=4, old_title="Wood storage"),
    ]
    assert corrections(told) == (told[2],)
    assert corrections([]) == ()


def test_what_another_of_its_entries_still_says_as_told_is_none() -> None:
    told = story(1, entry("Oil storage"), entry("Gas storage", feed_id="sud"))
    assert corrections([Correction(story=told, issue_number=3, old_title="Gas storage")]) == ()
    assert corrections([Correction(story=told, issue_number=3, old_title="")]) == ()


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_title_breaks_it_and_no_title_corrects_itself(one: str, other: str) -> None:
    assert not is_corrected(one, one)
    assert is_corrected(one, other) in (True, False)


@given(st.text(alphabet="abcdeé é-,", max_size=30))
def test_case_and_punctuation_never_matter(title: str) -> None:
    assert not is_corrected(title, f"  {title.upper()}!")
