from __future__ import annotations

import pytest

from aggregator.model.parsed import SafeHtml
from aggregator.press.prose import cut, excerpt, one_line
from tests.sample_digest import entry

SENTENCE = "The ministers met for the third time this year and agreed on a common list of measures for the winter."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Report\r\nBcc: victim@example.com", "Report Bcc: victim@example.com"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg", "a b c d e f g"),
        ("  two   words\t", "two words"),
        ("Report \u202egnp.exe", "Report gnp.exe"),
        ("\u2067never closed", "never closed"),
        ("nul\x00 bell\x07 escape\x1b[31m", "nul bell escape[31m"),
        ("half a pair \ud83d", "half a pair"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("می‌خواهم", "می‌خواهم"),
        ("e\u0301t\u00e9 \U0001f469\u200d\U0001f52c", "e\u0301t\u00e9 \U0001f469\u200d\U0001f52c"),
    ],
)
def test_one_line_keeps_the_words_and_nothing_that_breaks_the_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("short enough", 12, "short enough"),
        ("just one word too many", 16, "just one word…"),
        ("ends before a comma, and more", 21, "ends before a comma…"),
        ("an overlongwordwithoutanyspaceatall", 12, "an overlong…"),
        ("欧州の電力網に誰が支払うのか", 8, "欧州の電力網に…"),
    ],
)
def test_a_text_is_cut_after_a_word(text: str, limit: int, short: str) -> None:
    assert cut(text, limit) == short
    assert len(cut(text, limit)) <= limit


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        (f"<p>{SENTENCE}</p>", SENTENCE),
        (f"<p>{SENTENCE} {SENTENCE} {SENTENCE}</p>", f"{SENTENCE} {SENTENCE}"),
        ("<h2>What is new</h2><ul><li>One</li><li>Two &amp; three</li></ul>", "What is new One Two & three"),
        (f"{'word ' * 80}", f"{'word ' * 43}word…"),
        (f"<p>{SENTENCE}</p><p>The post <a href='https://x.example/'>Title</a> appeared first on Site.</p>", SENTENCE),
        (f"<p>{SENTENCE} [&hellip;]</p>", SENTENCE),
        (f"<p>{SENTENCE} [...]</p>", SENTENCE),
        ("<p></p>", ""),
        ("", ""),
        ("1 &lt; 2 &amp;&amp; {{ 7*7 }}", "1 < 2 && {{ 7*7 }}"),
        ("这是一个句子。" * 40, "这是一个句子。" * 31),
    ],
)
def test_an_excerpt_ends_with_a_sentence_else_after_a_word(summary: str, shown: str) -> None:
    found = excerpt(entry("Title", summary=SafeHtml(summary)), 220)
    assert found == shown
    assert len(found) <= 220


@pytest.mark.parametrize(
    "before", ["the U.S.", "by Dr.", "by Prof.", "paper No.", "(cf. A.", "prices, rents etc.", "z. B."]
)
def test_a_stop_after_an_initial_or_a_short_title_ends_no_sentence(before: str) -> None:
    text = (
        f"{SENTENCE} {'And so on ' * 3}{before} Names that follow it and make the text too long {'for the limit ' * 9}"
    )
    assert excerpt(entry("Title", summary=SafeHtml(text)), 220).endswith("…")


def test_the_content_speaks_where_the_summary_only_repeats_the_title() -> None:
    told = entry("Same words", summary=SafeHtml("<p>Same words</p>"), content=SafeHtml(f"<p>{SENTENCE}</p>"))
    assert excerpt(told, 220) == SENTENCE


def test_markup_cut_in_the_middle_of_a_tag_does_not_show() -> None:
    link = f'<a href="https://example.org/{"x" * 90}">w</a> '
    assert set(excerpt(entry("Title", summary=SafeHtml(link * 200)), 220)) <= set("w …")
