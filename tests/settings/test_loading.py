"""feeds.yaml and the environment: what is taken, and how every kind of mistake is told."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.errors import ConfigError, Problem
from aggregator.model.channel import Channel, Site, TagRule
from aggregator.model.feed import FeedOptions
from aggregator.model.newsletter import Newsletter
from aggregator.settings.loading import ensure_secret, find_shipped, load_settings, template_files
from aggregator.settings.values import Polling, Settings

SITE = 'site: {title: Wire, base_url: "https://wire.example.org"}\n'
FULL = """\
site: {title: Wire, base_url: "https://wire.example.org/", timezone: Europe/Paris, contact: desk@example.org}
polling: {every: 90m, timeout: 45s, max_body: 512KB, allow_private: [10.0.0.0/8, localhost], ports: [80, 443]}
feeds:
  - id: ifri
    url: "https://www.example.org/rss.xml"
    name: NO
    country: fr
    language: FR
    every: 6h
    tags: [publisher:ifri]
    headers: {Authorization: "env:IFRI_TOKEN", X-Plain: "yes"}
tags:
  - {tag: topic:kuril-islands, when: 'text:"Kuril Islands"', label: Kuril Islands}
channels:
  - {id: on, title: on, query: "country:jp country:ru", formats: [rss, atom, rss]}
newsletters:
  - id: weekly
    title: The week
    schedule: "Monday 7:30"
    from: "Wire, Inc. <wire@example.org>"
    group_by: topic
"""


def load(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "feeds.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings(path, environ or {})


def problems(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environ)
    return caught.value.problems


def test_everything_is_taken(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL, {"IFRI_TOKEN": "Bearer x"})
    assert settings.site == Site(
        title="Wire", base_url="https://wire.example.org", timezone="Europe/Paris", contact="desk@example.org"
    )
    assert settings.polling == Polling(
        every=timedelta(minutes=90),
        timeout=timedelta(seconds=45),
        max_body=512 * 1024,
        allow_private=("10.0.0.0/8", "localhost"),
        ports=(80, 443),
    )
    (feed,) = settings.feeds
    assert (feed.id, feed.name, feed.country, feed.language) == ("ifri", "NO", "FR", "fr")
    assert feed.options == FeedOptions(
        every=timedelta(hours=6),
        tags=("publisher:ifri",),
        headers=(("Authorization", "Bearer x"), ("X-Plain", "yes")),
    )
    assert settings.rules == (TagRule(tag="topic:kuril-islands", when='text:"Kuril Islands"', label="Kuril Islands"),)
    assert settings.channels == (Channel(id="on", title="on", query="country:jp country:ru", formats=("rss", "atom")),)
    assert settings.newsletters == (
        Newsletter(
            id="weekly",
            title="The week",
            schedule="mon 07:30",
            timezone="Europe/Paris",
            sender='"Wire, Inc." <wire@example.org>',
            group_by="topic",
        ),
    )
    assert (settings.database_url, settings.data_dir) == ("sqlite:///data/aggregator.db", "data")
    assert (settings.smtp_url, settings.secrets) == (None, ())
    assert settings.config_path == str(tmp_path / "feeds.yaml")


def test_the_least_file_has_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, SITE + "feeds:\n")
    assert settings.polling == Polling()
    assert settings.feeds == ()
    assert settings.site.timezone == "UTC"


FEED = "feeds:\n  - {id: a, name: A, url: 'https://a.example/', %s}\n"
RULE = "tags:\n  - {tag: topic:x, when: %s}\n"
CHANNEL = "channels:\n  - {id: x, title: X, %s}\n"


def test_a_newsletter_says_when_it_rests_who_approves_it_and_how_fast_it_goes(tmp_path: Path) -> None:
    (tmp_path / "feeds.yaml").write_text(
        "site: {title: T, base_url: 'https://t.example', timezone: Asia/Tokyo}\nnewsletters:\n"
        "  - {id: n, title: N, schedule: each, from: a@b.example, local: true, quiet: '22:00 - 7:00',\n"
        "     holidays: ['12-25', '2026-04-06'], approval: 4h, at_deadline: hold, uncertain: resend, rate: 600/h}\n"
        "  - {id: m, title: M, schedule: daily 07:30, from: a@b.example, rate: 12/d}\n"
    )
    letter, slow = load_settings(tmp_path / "feeds.yaml", {}).newsletters
    assert (letter.schedule, letter.local, letter.quiet) == ("each", True, "22:00-07:00")
    assert letter.holidays == ("12-25", "2026-04-06")
    assert (letter.approval, letter.at_deadline, letter.uncertain, letter.rate) == (14_400, "hold", "resend", 600)
    assert (slow.local, slow.holidays, slow.approval, slow.at_deadline) == (False, (), None, "send")
    assert (slow.uncertain, slow.rate) == ("leave", 1)


LETTER = "newsletters:\n  - {id: n, title: N, schedule: daily 07:30, from: a@b.example, %s}\n"

CASES = [  # the mark § stands before the place that the message has to name
    ("§feds: []\n", "feds", 'mean "feeds"'),
    ("feeds: §5\n", "feeds", "a list"),
    ("feeds: [§5]\n", "feeds[0]", "a mapping"),
    ("feeds:\n  - §{name: A, url: 'https://a.example/'}\n", "feeds[0]", '"id" is missing'),
    ("feeds:\n  - §{id: a, name: A}\n", "feeds[0]", '"url" is missing'),
    ("feeds:\n  - §id: a\n    name: A\n", "feeds[0]", '"url" is missing'),
    ("feeds:\n  - {id: §A b, name: A, url: 'https://a.example/'}\n", "feeds[0].id", "lower-case"),
    ("feeds:\n  - {id: a, name: §5, url: 'https://a.example/'}\n", "feeds[0].name", "quotes"),
    ("feeds:\n  - {id: a, §name: , url: 'https://a.example/'}\n", "feeds[0].name", "quotes"),
    ("feeds:\n  - {id: a, name: §\"A\\nB\", url: 'https://a.example/'}\n", "feeds[0].name", "one line"),
    ("feeds:\n  - {id: a, name: A, url: §'ftp://a.example/'}\n", "feeds[0].url", "https://"),
    ("feeds:\n  - {id: a, name: A, url: §'https://u:geheim@a.example/'}\n", "feeds[0].url", "password"),
    ("feeds:\n  - {id: a, name: A, url: §'https://[::1'}\n", "feeds[0].url", "https://"),
    ("feeds:\n  - {id: a, name: A, §page: 'https://a.example/'}\n", "feeds[0].page", "not supported yet"),
    (FEED % "§page: 'https://a.example/p'", "feeds[0].page", "exclude"),
    (FEED % "§evry: 6h", "feeds[0].evry", 'mean "every"'),
    (FEED % "§Country: FR", "feeds[0].Country", 'mean "country"'),
    (FEED % "§xyzzy: 1", "feeds[0].xyzzy", "known here are id, name, url"),
    (FEED % "country: §UK", "feeds[0].country", "GB"),
    (FEED % "language: §f", "feeds[0].language", "fr"),
    (FEED % "language: §xx", "feeds[0].language", "'xx' is not a language code (ISO 639-1) such as fr"),
    (FEED % "language: §JP", "feeds[0].language", "did you mean ja?"),
    (FEED % "tags: §['topic:e', 'topic:f', 'topic:e']", "feeds[0].tags", "'topic:e' is in it twice"),
    (FEED % 'headers: {§"X\\nA": b}', r"feeds[0].headers.X\nA", "can be set here"),
    ('§"a\\nb": 1\n', r"a\nb", "unknown key"),
    (CHANNEL % "formats: §[]", "channels[0].formats", "must not be empty; leave the key out"),
    (CHANNEL % f"query: §{'x ' * 2001}", "channels[0].query", "at most 4000 characters"),
    (CHANNEL % f"description: §{'x' * 501}", "channels[0].description", "must have at most 500 characters"),
    (RULE % "§''", "tags[0].when", "must not be empty"),
    (
        "newsletters:\n  - §{id: n, title: N, from: a@b.example}\n",
        "newsletters[0]",
        '"schedule" is missing: When it goes',
    ),
    (FEED % "every: §29m", "feeds[0].every", "30m"),
    (FEED % "every: §3600", "feeds[0].every", "duration"),
    (FEED % "tags: [§Asia]", "feeds[0].tags[0]", "namespace:name"),
    (FEED % "tags: ['topic:e', §'topic:É é']", "feeds[0].tags[1]", "topic:e-e"),
    (FEED % "headers: {X: §'env:NONE'}", "feeds[0].headers.X", "NONE is not set"),
    (FEED % "headers: {X: y, §Cookie: a=b}", "feeds[0].headers.Cookie", "env:NAME"),
    (FEED % "headers: {§Host: b}", "feeds[0].headers.Host", "can be set here"),
    (FEED % "headers: {§X: é}", "feeds[0].headers.X", "ASCII"),
    ("polling: {every: §30m}\n", "polling.every", "between 1h"),
    ("§polling:\n", "polling", "a mapping"),
    ("polling:\n  §every:\n  per_host: 2\n", "polling.every", "duration"),
    ("polling: {max_body: §10}\n", "polling.max_body", "10MB"),
    ("polling: {max_body: §9GB}\n", "polling.max_body", "between"),
    ("polling: {concurrency: §0}\n", "polling.concurrency", "greater than or equal to 1"),
    ("polling: {concurrency: §yes}\n", "polling.concurrency", "whole number"),
    ("polling: {allow_private: [§10.0.0.1/8]}\n", "polling.allow_private[0]", "host bits"),
    ("polling: {ports: [80, §70000]}\n", "polling.ports[1]", "65535"),
    (RULE % "'§cuntry:jp'", "tags[0].when", "country"),
    (RULE % "'a AND §(b'", "tags[0].when", "never closed"),
    ("tags:\n  - tag: topic:x\n    when: a AND §(b\n", "tags[0].when", "never closed"),
    ("tags:\n  - tag: topic:x\n    when: §>-\n      a AND (b\n", "tags[0].when", "never closed"),
    (CHANNEL % 'query: "(§"', "channels[0].query", "missing"),
    (CHANNEL % "formats: [§atm]", "channels[0].formats[0]", 'mean "atom"'),
    (CHANNEL % "size: §0", "channels[0].size", "greater"),
    (LETTER % "timezone: §Europe/Pari", "newsletters[0].timezone", "Europe/Paris"),
    (LETTER % "quiet: §night", "newsletters[0].quiet", '"22:00-07:00"'),
    (LETTER % 'holidays: ["12-25", §"13-25"]', "newsletters[0].holidays[1]", "is a day of the calendar"),
    (LETTER % "approval: §soon", "newsletters[0].approval", "30m"),
    (LETTER % "at_deadline: §wait", "newsletters[0].at_deadline", "hold"),
    (LETTER % "uncertain: §hope", "newsletters[0].uncertain", "resend"),
    (LETTER % "rate: §fast", "newsletters[0].rate", "600/h"),
    (LETTER % "group_by: §topics", "newsletters[0].group_by", 'mean "topic"'),
    (
        "newsletters:\n  - {id: n, title: N, schedule: §'mno 07:30', from: a@b.org}\n",
        "newsletters[0].schedule",
        "'mon'",
    ),
    ("newsletters:\n  - {id: n, title: N, schedule: daily 7:30, from: §nobody}\n", "newsletters[0].from", "e-mail"),
    ("feeds: []\n§feeds: []\n", "feeds", "twice, first on line 2"),
    ("feeds:\n  - {id: a, §id: b}\n", "feeds[0].id", "twice, first on line 3"),
    ("feeds:\n§\t- {id: a}\n", "", "tabs"),
    ("feeds:\n  - {id: a\n§", "", "not YAML"),
    ("feeds: [a: b§: c]\n", "", "not YAML"),
    ("feeds: §*nothing\n", "", "undefined alias"),
    ("feeds:\n  - id: a\n    name: A§: B\n", "", "needs quotes"),
    ("feeds:\n  - id: §@a\n", "", "needs quotes"),
    ("feeds:\n  - id: a\n   §name: A\n", "", "same column"),
    ("feeds: [{id: a, name: A§]\n", "", "brace"),
    ('feeds: "half\n§', "", "not YAML"),
    ("? §[a]\n: b\n", "", "plain word"),
    ("feeds:\n  - <<: {id: a}\n    §<<: {id: b}\n", "feeds[0].<<", "twice"),
]


def unmarked(text: str) -> tuple[str, int, int]:
    """A text without its mark, and the line and column where the mark stood."""
    before, mark, after = text.partition("§")
    assert mark, "a case without a mark"
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.mark.parametrize(("marked", "key", "words"), CASES)
def test_each_mistake_has_its_place_and_cure(tmp_path: Path, marked: str, key: str, words: str) -> None:
    text, line, column = unmarked(SITE + marked)
    found = problems(tmp_path, text)
    told = [str(problem) for problem in found]
    assert any(
        (problem.line, problem.column, problem.key) == (line, column, key) and words in problem.message
        for problem in found
    ), (line, column, told)
    assert "geheim" not in str(told)


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("site: {title: W, base_url: 'https://w.example', timezone: §Europ/Paris}", "Europe/Paris"),
        ("site: {title: W, base_url: §'w.example'}", "https://"),
        ("site: {title: W, base_url: §'https://w.example?x'}", "without ?"),
        ("site: {title: §'', base_url: 'https://w.example'}", "empty"),
        ("site: {title: W, base_url: 'https://w.example', contact: §nobody}", "e-mail"),
        ("site: §5", "mapping"),
        ("§site:", "mapping"),
    ],
)
def test_mistakes_in_the_site(tmp_path: Path, marked: str, words: str) -> None:
    text, line, column = unmarked(marked)
    (problem,) = problems(tmp_path, f"{text}\n")
    assert (problem.line, problem.column, words in problem.message) == (line, column, True), str(problem)


def test_all_problems_are_told_in_file_order(tmp_path: Path) -> None:
    text = SITE + (
        "feeds:\n"
        "  - {id: a, name: A, url: 'https://www.a.example/rss/?utm_source=x', evry: 6h}\n"
        "  - {id: a, name: B, url: 'http://a.example/rss'}\n"
        "  - {id: c, name: C, url: 'https://c.example/', headers: {X: 'env:NONE'}}\n"
        "channels: [{id: x, title: X}, {id: x, title: Y}]\n"
    )
    found = problems(tmp_path, text, {"AGGREGATOR_SMTP_URL": "http://u:geheim@x", "AGGREGATOR_SECRET": "short"})
    assert [(problem.line, problem.key) for problem in found] == [
        (3, "feeds[0].evry"),
        (4, "feeds[1].id"),
        (4, "feeds[1].url"),
        (5, "feeds[2].headers.X"),
        (6, "channels[1].id"),
        (0, "AGGREGATOR_SMTP_URL"),
        (0, "AGGREGATOR_SECRET"),
    ]
    assert "feeds[0] too, on line 3" in found[2].message
    assert "geheim" not in str(found)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"\n\n# only words\n", "empty"),
        (b"- a\n- b\n", "mapping"),
        (b"words", "mapping"),
        (b"site: {title: caf\xe9}\n", "UTF-8"),
        (b"\xff\xfes\x00i\x00", "UTF-8"),
        (b"site: a\x00b\n", "U+0000"),
        (b"a: 1\n---\nb: 2\n", "not YAML"),
        (b"a: !!python/object:os.system {}\n", "unknown key"),
        (b"[" * 5000, "nests"),
        (b"site: " + b"[" * 60 + b"]" * 60 + b"\n", "nests"),
        (b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (c + 1, c + 1, b",".join([b"*%c" % c] * 10)) for c in range(97, 107)
        ), "unfolds"),
        (b"a: &a [*a]\n", "nests"),
        (b"#" * 20_000_001, "larger"),
    ],
    ids=range(14),
)  # fmt: skip
def test_texts_that_are_no_configuration(tmp_path: Path, raw: bytes, words: str) -> None:
    assert words in "\n".join(str(problem) for problem in problems(tmp_path, raw))


def test_the_places_of_a_bad_byte_and_a_bad_character(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, b"site:\n  title: caf\xe9\n")
    assert (problem.line, problem.column) == (2, 13)
    (problem,) = problems(tmp_path, b"site:\n  title: a\x07\n")
    assert (problem.line, problem.column) == (2, 11)


def test_a_mark_at_the_start_is_no_matter(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + SITE.encode()).site.title == "Wire"


def test_a_fault_within_a_query_is_shown_with_a_caret(tmp_path: Path) -> None:
    """Folded and escaped text too, where no column of the file could tell the spot."""
    rule = "tags:\n  - tag: topic:x\n    when: >-\n      Riga\n      AND OR Tallinn\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, SITE + rule)
    first, shown, caret = str(caught.value).splitlines()
    assert first.startswith(f"{tmp_path}/feeds.yaml:4:11: tags[0].when: an operator stands here")
    assert (shown, caret) == ("    Riga AND OR Tallinn", "             ^")
    assert "\n" not in str(caught.value.problems[0])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=words):
            load_settings(path, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(Path("nul\0l"), {})


# --- the environment ------------------------------------------------------------------------------


def test_places_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "AGGREGATOR_DATABASE": "sqlite:////srv/wire/store.db",
        "AGGREGATOR_SMTP_URL": "smtp://u:p%40@mail.example.org:587?tls=starttls",
        "AGGREGATOR_SECRET": "0123456789abcdef, of all the older letters,",
    }
    settings = load(tmp_path, SITE, environ)
    assert (settings.database_url, settings.data_dir) == ("sqlite:////srv/wire/store.db", "/srv/wire")
    assert settings.smtp_url == environ["AGGREGATOR_SMTP_URL"]
    assert settings.secrets == ("0123456789abcdef", "of all the older letters")
    assert "0123456789abcdef" not in repr(settings)
    assert "p%40" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AGGREGATOR_DATABASE", "postgresql://u:geheim@db/x", "PostgreSQL store is not part of this version"),
        ("AGGREGATOR_DATABASE", "postgresql+psycopg://u:geheim@db/x", "PostgreSQL"),
        ("AGGREGATOR_DATABASE", "mysql://u:geheim@db/x", "sqlite:///PATH"),
        ("AGGREGATOR_DATABASE", "store.db", "sqlite:///PATH"),
        ("AGGREGATOR_DATABASE", "sqlite:///:memory:", "name a file"),
        ("AGGREGATOR_DATABASE", "sqlite:///data/", "name a file"),
        ("AGGREGATOR_TEMPLATES", "/nowhere", "a folder with mail/ or web/ in it"),
        ("AGGREGATOR_SMTP_URL", "mail.example.org", "smtp://"),
        ("AGGREGATOR_SMTP_URL", "smtp://u:geheim@", "smtp://"),
        ("AGGREGATOR_SMTP_URL", "smtp://u:geheim@host:port", "smtp://"),
        ("AGGREGATOR_SMTP_URL", "smtp://u:geheim@host?tls=none", "asks to log in without TLS"),
        ("AGGREGATOR_SMTP_URL", "smtp://host?geheim=1", "knows one option"),
        ("AGGREGATOR_BOUNCES_URL", "imaps://u:geheim@", "imaps://user:password@host/INBOX"),
        ("AGGREGATOR_BOUNCES_URL", "imap://u:geheim@host?tls=none", "would show the password"),
        ("AGGREGATOR_BOUNCES_LISTEN", "geheim:2424", "an address of this machine"),
        ("AGGREGATOR_SECRET", "geheim", "16 characters"),
        ("AGGREGATOR_SECRET", "0123456789abcdef,geheim", "16 characters"),
    ],
)
def test_mistakes_in_the_environment_tell_no_secret(tmp_path: Path, name: str, value: str, words: str) -> None:
    (problem,) = problems(tmp_path, SITE, {name: value})
    assert (problem.key, words in problem.message) == (name, True)
    assert "geheim" not in str(problem)


def test_the_secret_is_made_once_for_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: ensure_secret(folder), range(32)))
    assert len(made) == 1
    assert len(made.pop()) > 40
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret"]


def test_a_damaged_secret_is_not_replaced(tmp_path: Path) -> None:
    for damaged in (b"x", b"\xff" * 40):
        (tmp_path / "secret").write_bytes(damaged)
        with pytest.raises(ConfigError, match="damaged"):
            ensure_secret(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read or made: Not a directory; AGGREGATOR_DATABASE"):
        ensure_secret(tmp_path / "secret" / "below")


def test_what_ships_is_found() -> None:
    assert find_shipped("templates").is_dir()
    with pytest.raises(ConfigError, match="missing"):
        find_shipped("no-such-thing")


def test_templates_of_ones_own_stand_in_place_of_ours_and_beside_them(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    for name in ("issue.txt", "_foot.txt"):
        (tmp_path / "mail" / name).touch()
    ours = template_files("mail", None)
    own = {"_top.html", "_look.css", "_end.html", "issue.html", "issue.txt", "notice.html", "notice.txt"}
    assert ours.keys() == own
    assert template_files("mail", str(tmp_path)) == ours | {
        "issue.txt": tmp_path / "mail" / "issue.txt",
        "_foot.txt": tmp_path / "mail" / "_foot.txt",
    }
    assert template_files("web", str(tmp_path)) == template_files("web", None)
    settings = load(tmp_path, SITE, {"AGGREGATOR_TEMPLATES": str(tmp_path)})
    assert settings.templates == str(tmp_path)
