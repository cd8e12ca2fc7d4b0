"""Letters read back byte by byte: what left us, not what we meant."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.channel import Site
from aggregator.model.delivery import Delivery, DeliveryState, Subscriber
from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER, Issue, Newsletter, Rendering
from aggregator.steps.letter import LetterPress, WaysOut, write_letter
from tests.fakes import START
from tests.mail_fakes import RENDERING, SITE, WEEKLY

UNSUBSCRIBE = f"https://wire.example.org/unsubscribe/12.weekly.{'a' * 43}"
PREFERENCES = f"https://wire.example.org/preferences/12.{'b' * 28}"
ARCHIVE = "https://wire.example.org/newsletters/weekly"
ANA = Subscriber(id=12, email="ana@reader.example", name="Ana Ruiz")
HOSTILE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile" / "text" / "strings.json"
SEPARATORS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def letter(
    rendering: Rendering = RENDERING,
    newsletter: Newsletter = WEEKLY,
    site: Site = SITE,
    subscriber: Subscriber = ANA,
    unsubscribe_url: str = UNSUBSCRIBE,
    unsubscribe_mail: str | None = None,
) -> bytes:
    """The letter, which the press for many makes of the same octets."""
    issue = Issue(
        id=3, newsletter_id="weekly", edition_id=1, number=4, created_at=START, rendering=rendering, story_ids=("a",)
    )
    delivery = Delivery(
        edition_id=1,
        id=9,
        issue_id=3,
        newsletter_id="weekly",
        issue_number=4,
        subscriber=subscriber,
        state=DeliveryState.SENDING,
        message_id="<weekly-4.0123456789abcdef01234567@example.org>",
    )
    ways_out = WaysOut(url=unsubscribe_url, preferences_url=PREFERENCES, mail=unsubscribe_mail)
    written = write_letter(issue, newsletter, site, delivery, ways_out=ways_out, archive_url=ARCHIVE)
    lines = LetterPress(issue, newsletter, site, archive_url=ARCHIVE).letter(delivery, ways_out)
    assert lines.octets == written
    assert lines.dotless is (b"\n." not in written)
    return written


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def head(raw: bytes) -> list[bytes]:
    """The header lines as they are on the wire."""
    return raw.partition(b"\r\n\r\n")[0].split(b"\r\n")


def names(raw: bytes) -> list[str]:
    return [line.partition(b":")[0].decode() for line in head(raw) if not line.startswith(b" ")]


def shown(raw: bytes, name: str) -> str:
    """A header as a reader sees it: unfolded, encoded-words decoded, by the older and simpler half of `email`."""
    return str(make_header(decode_header(message_from_bytes(raw)[name].replace("\r\n", ""))))


def cleaned(text: str) -> str:
    return SEPARATORS.sub(" ", text).strip()


def test_the_headers_are_these() -> None:
    message = read(letter())
    assert dict(message.items()) == {
        "From": "Think Tank Wire <wire@example.org>",
        "To": "Ana Ruiz <ana@reader.example>",
        "Subject": "The week in think tanks: Energy, Trade",
        "Date": "Tue, 24 Nov 2026 08:00:00 +0000",
        "Message-ID": "<weekly-4.0123456789abcdef01234567@example.org>",
        "Precedence": "bulk",
        "Auto-Submitted": "auto-generated",
        "Feedback-ID": "4:weekly:digest:example.org",
        "Content-Language": "en",
        "List-Id": "The week in think tanks <weekly.example.org>",
        "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": f"<{ARCHIVE}>",
        "List-Post": "NO",
        "List-Owner": "<mailto:desk@example.org>",
        "List-Help": "<mailto:desk@example.org?subject=help>",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_3.9"',
    }


def test_optional_headers_follow_the_configuration() -> None:
    raw = letter(newsletter=replace(WEEKLY, reply_to="The desk <desk@example.org>"), site=replace(SITE, contact=None))
    assert read(raw)["Reply-To"] == "The desk <desk@example.org>"
    assert not {"List-Owner", "List-Help", "Bcc", "Cc", "Return-Path"} & set(names(raw))


def test_the_text_comes_first_and_both_parts_hold_the_readers_own_address() -> None:
    text, html = read(letter()).iter_parts()
    assert [part.get_content_type() for part in (text, html)] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in (text, html)] == ["utf-8", "utf-8"]
    assert text.get_content() == f"Énergie & co\r\n\r\nUnsubscribe: {UNSUBSCRIBE}\r\n"
    assert html.get_content() == f'<p>Énergie &amp; co</p><a href="{UNSUBSCRIBE}">Unsubscribe</a>'


def test_an_address_is_escaped_where_it_stands_in_html() -> None:
    text, html = read(letter(unsubscribe_url="https://wire.example.org/u?a=1&b=2")).iter_parts()
    assert "u?a=1&b=2" in text.get_content()
    assert "u?a=1&amp;b=2" in html.get_content()


def test_both_of_a_readers_own_addresses_are_put_in_wherever_they_stand() -> None:
    both = f"{PREFERENCES_PLACEHOLDER} or {UNSUBSCRIBE_PLACEHOLDER}, {PREFERENCES_PLACEHOLDER}\n"
    text, html = read(letter(Rendering(subject="x", text=both, html=both))).iter_parts()
    for part in (text, html):
        assert part.get_content().split() == [PREFERENCES, "or", f"{UNSUBSCRIBE},", PREFERENCES]


def test_a_letter_is_the_same_at_every_attempt() -> None:
    assert letter() == letter()


def test_the_unsubscribe_header_stays_whole_however_long() -> None:
    """A header encoded or folded here ends one-click unsubscribe (RFC 8058 3.1; python/cpython#135307)."""
    url = f"https://wire.example.org/{'p' * 300}/unsubscribe/{'t' * 200}"
    assert f"List-Unsubscribe: <{url}>".encode() in head(letter(unsubscribe_url=url))


def test_the_list_keeps_its_name_when_its_title_changes() -> None:
    renamed = read(letter(newsletter=replace(WEEKLY, title="Die Woche in Denkfabriken: Übersicht")))
    assert str(renamed["List-Id"]).endswith(" <weekly.example.org>")
    assert str(read(letter())["List-Id"]).endswith(" <weekly.example.org>")


@pytest.mark.parametrize(
    "name",
    [
        "Ana Ruiz",
        "Åsa Öberg",
        'Dr. "Bo", Ph.D.',
        "back\\slash",
        "(comment) x",
        "Group: a@example.com, b@example.com;",
        "\\",
        "=?utf-8?B?DQpCY2M6IGFAZXhhbXBsZS5jb20=?=",
        "x" * 200,
        "é" * 200,
        "💩" * 200,
        "word " * 39 + "word",
        "Ana, " * 40,
    ],
)
def test_any_name_is_a_name_and_the_address_is_the_readers(name: str) -> None:
    raw = letter(subscriber=replace(ANA, name=name))
    assert max(map(len, head(raw))) <= 120  # List-Unsubscribe is the longest; the rest is held to 78 below
    unfolded = message_from_bytes(raw)["To"].replace("\r\n", "")
    found, address = parseaddr(unfolded)
    assert address == "ana@reader.example"
    assert str(make_header(decode_header(found))) == name.strip()[:200].rstrip()
    assert names(raw).count("To") == 1


@pytest.mark.parametrize("name", [None, "", " \r\n ", "\x00"])
def test_no_name_leaves_the_bare_address(name: str | None) -> None:
    assert b"To: ana@reader.example" in head(letter(subscriber=replace(ANA, name=name)))


@pytest.mark.parametrize(
    "address",
    [
        "a@b\r\nRCPT TO:<v@example.com>",
        "a@example.com\n",
        "a b@example.com",
        "a@example.com>",
        "<a@example.com",
        "ünal@example.com",
        "a@\u2028example.com",
        "a@example.com\x00",
    ],
)
def test_an_address_that_could_end_its_header_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no header can hold"):
        letter(subscriber=replace(ANA, email=address))


def test_a_long_address_keeps_its_line_within_the_limit() -> None:
    address = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 50}.example"
    raw = letter(subscriber=Subscriber(email=address, name="Åsa"))
    assert parseaddr(message_from_bytes(raw)["To"].replace("\r\n", ""))[1] == address
    assert max(map(len, head(raw))) <= 998


@pytest.mark.parametrize(
    "body",
    [
        "line\r\n.\r\nMAIL FROM:<evil@example.com>\r\n",
        "line\n.\nDATA\n",
        "cr\rcr\r.\rQUIT\r",
        ".",
        "..",
        ".leading",
        "From the start",
        "trailing \nspace\t\n",
        "x" * 5000,
        "é" * 5000,
        "\r\n" * 50,
        "--=_3.9--\r\n",
        "\x00\x1b[2J",
        "",
    ],
)
def test_any_body_arrives_whole_in_short_lines_of_seven_bits(body: str) -> None:
    raw = letter(rendering=replace(RENDERING, text=body, html=body))
    assert_fit_for_the_wire(raw)
    parts = list(read(raw).iter_parts())
    assert len(parts) == 2
    for part in parts:
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode() == re.sub(r"\r\n|\r|\n", "\r\n", body)


def assert_fit_for_the_wire(raw: bytes) -> None:
    """CRLF only, seven bits, headers within 78 save the one that stays whole, bodies within 76."""
    assert raw.isascii()
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    lines = [line for line in head(raw) if not line.startswith(b"List-Unsubscribe:")]
    assert max(map(len, lines)) <= 78
    assert max(map(len, raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    for word in re.findall(rb"=\?utf-8\?.*?\?=", raw):
        assert len(word) <= 75


def hostile(kind: str) -> list[object]:
    if not HOSTILE.exists():
        return [pytest.param("", marks=pytest.mark.skip(reason=f"{HOSTILE} is not here"))]
    strings = json.loads(HOSTILE.read_text(encoding="utf-8"))
    return [item["input"] for item in strings if item["kind"] == kind]


@pytest.mark.parametrize("text", hostile("mail-header"))
def test_hostile_titles_and_names_stay_inside_their_headers(text: str) -> None:
    plain = names(letter())
    raw = letter(
        rendering=replace(RENDERING, subject=text),
        newsletter=replace(WEEKLY, title=text),
        subscriber=replace(ANA, name=text),
    )
    assert names(raw) == plain
    assert_fit_for_the_wire(raw)
    assert shown(raw, "Subject") == cleaned(text)
    assert parseaddr(message_from_bytes(raw)["To"].replace("\r\n", ""))[1] == "ana@reader.example"
    assert len(list(read(raw).iter_parts())) == 2


@pytest.mark.parametrize("text", hostile("smtp-body"))
def test_hostile_bodies_stay_inside_their_parts(text: str) -> None:
    test_any_body_arrives_whole_in_short_lines_of_seven_bits(text)


def test_no_letter_holds_anything_of_another_reader() -> None:
    people = [Subscriber(id=n, email=f"reader{n}@r{n}.example", name=f"Name{n}x") for n in range(200)]
    letters = [
        letter(subscriber=person, unsubscribe_url=f"https://wire.example.org/unsubscribe/token{person.id}x")
        for person in people
    ]
    for person, raw in zip(people, letters, strict=True):
        whole = raw.replace(b"=\r\n", b"")
        assert set(re.findall(rb"reader(\d+)@|Name(\d+)x|token(\d+)x", whole)) == {
            (b"%d" % person.id, b"", b""),
            (b"", b"%d" % person.id, b""),
            (b"", b"", b"%d" % person.id),
        }


def test_the_date_is_the_issues_with_its_zone() -> None:
    assert read(letter())["Date"].datetime == START
    assert read(letter())["Date"].datetime.utcoffset() == timedelta(0)


WAY_OUT = st.sampled_from(
    [UNSUBSCRIBE_PLACEHOLDER, f'<a href="{UNSUBSCRIBE_PLACEHOLDER}">', "\n", "\r\n", ".", " ", "="]
)


@given(st.lists(st.text(max_size=120) | WAY_OUT, max_size=12).map("".join), st.booleans())
def test_the_press_writes_any_body_as_it_is_written_alone(body: str, twice: bool) -> None:
    """`letter` compares the two."""
    html = body + UNSUBSCRIBE_PLACEHOLDER + body if twice else body
    letter(Rendering(subject="x", text=body, html=html), unsubscribe_url=f"https://w.example/?a=1&b={'c' * 90}")


def test_a_mail_address_is_a_second_way_out_after_the_one_of_one_click() -> None:
    raw = letter(unsubscribe_mail="u+12.weekly.abcdefghijklmnopqr@bounces.example.org")
    assert read(raw)["List-Unsubscribe"] == (
        f"<{UNSUBSCRIBE}>, <mailto:u+12.weekly.abcdefghijklmnopqr@bounces.example.org>"
    )
    assert_fit_for_the_wire(raw)
