"""What a Runtime owes to edits that come in the midst of its work, and what it says of its health."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.model.applied import Tagging
from aggregator.model.delivery import DeliveryReport, DeliveryState, SendResult
from aggregator.settings.loading import load_settings
from aggregator.settings.values import Settings
from aggregator.wiring import Runtime
from tests.acceptance.wire import HEAD
from tests.adapters.fetch_server import FetchServer, Talk, answer
from tests.mail_fakes import ScriptedMailer

RSS = (
    b'<rss version="2.0"><channel><title>Tank</title><item><guid>1</guid><title>A port</title>'
    b"<link>https://tank.example/1</link></item></channel></rss>"
)


@pytest.fixture
def server() -> Iterator[FetchServer]:
    with FetchServer() as server:
        server.answers = {"/tank": answer(body=RSS)}
        yield server


def settings(folder: Path, server: FetchServer, tag: str) -> Settings:
    """A feeds.yaml by which a port is tagged so."""
    path = folder / f"{tag}.yaml"
    feed = f"{{id: tank, name: Tank, url: '{server.url('/tank')}'}}"
    path.write_text(f"{HEAD}feeds: [{feed}]\ntags: [{{tag: 'topic:{tag}', when: port}}]\n", encoding="utf-8")
    return load_settings(path, {"AGGREGATOR_DATABASE": f"sqlite:///{folder}/data/wire.db"})


def tags(runtime: Runtime) -> set[str]:
    return {tag.name for story in runtime.stories.newest(limit=9) for tag in story.tags if tag.origin == "rule"}


def test_a_poll_that_an_edit_overtakes_brings_tags_that_are_given_anew(server: FetchServer, tmp_path: Path) -> None:
    before, after = (settings(tmp_path, server, tag) for tag in ("old", "new"))
    with Runtime(before) as runtime:
        runtime.prepare()

        async def edited_meanwhile(talk: Talk) -> None:
            runtime.change(after)
            runtime.retag()
            await talk.send(answer(body=RSS))

        server.answers["/tank"] = edited_meanwhile
        assert runtime.poll(runtime.feeds.states()).entries_new == 1
        assert tags(runtime) == {"topic:old"}
        assert (runtime.retag().changed, tags(runtime)) == (1, {"topic:new"})


def test_a_retagging_that_an_edit_overtakes_stops_and_the_edit_is_followed(
    server: FetchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.flows.retag.BATCH", 1)
    server.answers["/tank"] = answer(body=RSS.replace(b"</item>", b"</item><item><title>Port two</title></item>"))
    first, second, third = (settings(tmp_path, server, tag) for tag in ("first", "second", "third"))
    with Runtime(first) as runtime:
        runtime.prepare()
        assert runtime.poll(runtime.feeds.states()).entries_new == 2
        runtime.change(second)
        report = runtime.retag(progress=lambda count: runtime.change(third))
        assert (report.entries, report.done) == (1, False)
        assert (runtime.retag().done, tags(runtime)) == (True, {"topic:third"})


def test_what_another_file_may_have_tagged_meanwhile_is_looked_at_again(server: FetchServer, tmp_path: Path) -> None:
    """A poll by hand, with a file of its own, leaves tags that the worker's file would not give."""
    own, other = (settings(tmp_path, server, tag) for tag in ("own", "other"))
    with Runtime(own) as runtime:
        runtime.prepare()
        runtime.retag()
        done = runtime.tags.tagging()
    with Runtime(other) as runtime:
        runtime.prepare()
        runtime.poll(runtime.feeds.states())
    with Runtime(own) as runtime:
        runtime.prepare()
        assert (runtime.tags.tagging(), done.below) == (Tagging(version=done.version, below=2), 0)
        assert (runtime.retag().changed, tags(runtime)) == (1, {"topic:own"})


LETTER = """newsletters:
  - {id: weekly, title: The week, schedule: "mon 07:30", from: "Wire <wire@wire.example>", when_empty: send}
"""
DOWN = SendResult(state=DeliveryState.DEFERRED, reply="no connection to 'relay'", server_down=True)


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Runtime]:
    """One that has a letter to send."""
    path = tmp_path / "feeds.yaml"
    path.write_text(HEAD + LETTER, encoding="utf-8")
    environment = {
        "AGGREGATOR_DATABASE": f"sqlite:///{tmp_path}/data/wire.db",
        "AGGREGATOR_SECRET": "a secret of tests",
    }
    with Runtime(load_settings(path, environment)) as runtime:
        runtime.prepare()
        runtime.readers.add("ana@reader.example", None, "weekly", "paper form")
        runtime.mail.compose_now("weekly")
        yield runtime


def test_a_mail_server_that_is_down_is_known_until_it_has_a_word_on_a_letter(sender: Runtime) -> None:
    sender.mail.mailer = mailer = ScriptedMailer(down=DOWN)
    assert sender.health().unsent_since is None
    sender.mail.deliver()
    since = sender.health().unsent_since
    assert since is not None
    sender.mail.deliver()
    assert sender.health().unsent_since == since
    mailer.down = None
    assert sender.mail.deliver() == DeliveryReport(accepted=1)
    assert sender.health().unsent_since is None


def test_nothing_is_learned_of_a_mail_server_when_no_letter_waits(sender: Runtime) -> None:
    sender.mail.mailer = mailer = ScriptedMailer(down=DOWN)
    sender.mail.deliver()
    since = sender.health().unsent_since
    sender.mail.subscribers.unsubscribe(1, "weekly", sender.clock.now())
    mailer.down = None
    assert sender.mail.deliver() == DeliveryReport()
    assert sender.health().unsent_since == since


def test_a_mail_server_that_is_left_at_the_end_is_not_blamed(sender: Runtime) -> None:
    cut = replace(DOWN, reply="stopped while connecting")
    sender.mail.mailer = ScriptedMailer(answers_to={"ana@reader.example": [cut]}, on_send=sender.stopping.set)
    assert sender.mail.deliver().paused == "stopped while connecting"
    assert sender.health().unsent_since is None
