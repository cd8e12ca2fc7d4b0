"""The language of an entry."""

import pytest

from aggregator.model.parsed import ParsedEntry, SafeHtml
from aggregator.steps.language import language_of

LONG = "Words in a row say little of themselves. " * 10


@pytest.mark.parametrize(
    ("declared", "heard", "prior", "text", "expected"),
    [
        ("fr", "fr", "en", LONG, "fr"),
        ("pt-BR", "pt", None, LONG, "pt-BR"),
        ("en-US", "fr", None, LONG, "fr"),  # a publishing system's default, never changed
        ("en", "fr", None, "Short.", "en"),
        (None, "fr", "en", LONG, "fr"),
        (None, "fr", "en", "Short.", "en"),
        (None, "fr", None, "Short.", "fr"),
        (None, "", "de", LONG, "de"),
        (None, "", None, LONG, None),
    ],
)
def test_what_is_declared_counts_unless_a_long_text_is_plainly_of_another(
    declared: str | None, heard: str, prior: str | None, text: str, expected: str | None
) -> None:
    entry = ParsedEntry(title="T", summary=SafeHtml(text), language=declared)
    assert language_of(entry, heard=heard, prior=prior) == expected


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("Почему рынок зерна ждёт новых правил", None, "ru"),
        ("Почему рынок зерна ждёт новых правил", "en", "ru"),
        ("Чому ринок зерна чекає на нові правила її держави", "ru", "uk"),
        ("Чому ринок зерна чекає на правила", "uk-UA", "uk-UA"),
        ("Чаму рынак чакае новага ўрада", None, "be"),
        ("Защо пазарът на зърно чака", None, "bg"),
        ("Зашто тржиште чека нове ђаке", None, "sr"),
        ("Зошто пазарот чека ќе видиме", None, "mk"),
        ("Астық нарығы қашан өседі", None, "kk"),
        ("Пазар без знаци", None, "ru"),
        ("Γιατί περιμένει η αγορά", "en", "el"),
        ("מדוע השוק ממתין", None, "he"),
        ("لماذا تنتظر سوق الحبوب", None, "ar"),
        ("چرا بازار غلات منتظر است", None, "fa"),
        ("گندم کی منڈی کیوں انتظار میں ہے", None, "ur"),
        ("अनाज बाज़ार क्यों रुका है", None, "hi"),
        ("अनाज बजार किन रोकियो", "ne", "ne"),
        ("ตลาดข้าวรออะไร", None, "th"),
        ("粮食市场在等什么", None, "zh"),
        ("糧食市場在等什麼", "zh-TW", "zh-TW"),
        ("穀物市場は何を待っているのか", None, "ja"),
        ("穀物市場は何を待っているのか", "zh", "ja"),
        ("곡물 시장은 무엇을 기다리는가", None, "ko"),
        ("რას ელოდება ბაზარი", None, "ka"),
        ("Ինչի է սպասում շուկան", None, "hy"),
        ("What “перестройка” meant to them", "en", "en"),
        ("Notes on 東京 and its ports, with a long English title", "en", "en"),
        ("Où va le blé ?", "fr", "fr"),
        ("🌾 — … ¿¡", None, None),
        ("", None, None),
    ],
)
def test_letters_show_the_language(text: str, said: str | None, expected: str | None) -> None:
    assert language_of(ParsedEntry(title=text, language=said), heard="", prior=None) == expected
    assert language_of(ParsedEntry(summary=SafeHtml(f"<p>{text}</p>")), heard="", prior=said) == expected


def test_only_the_beginning_is_looked_at() -> None:
    entry = ParsedEntry(title="Ports", content=SafeHtml("a " * 2_000 + "зерно " * 500_000), language="en")
    assert language_of(entry, heard="en", prior=None) == "en"
