"""What PostgreSQL does its own way: durability, waiting writers, readers, and what is told when it does not work."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, make_url, select, text

from aggregator.adapters.store.engine import Database, open_database
from aggregator.adapters.store.migrate import migrate
from aggregator.adapters.store.schema import facts, metadata
from aggregator.adapters.store.wordindex import MAX_OCTETS, UNREAD, vector
from aggregator.errors import ConflictError, StoreError
from aggregator.model.indexed import StoryWords
from tests.real_store import database_of


@pytest.fixture
def database() -> Iterator[Database]:
    with database_of("postgresql") as database:
        yield database


def opened_again(database: Database, **how: int) -> Database:
    return open_database(database.main.url.render_as_string(hide_password=False), **how)


def test_migrating_gives_the_schema_of_the_code(database: Database) -> None:
    assert migrate(database) is False
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, parents: (kind, name) != ("table", "story_words")}
        )
        assert compare_metadata(context, metadata) == []


def test_only_the_ledger_waits_for_the_disk(database: Database) -> None:
    with database.write() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "off"
    with database.write_ledger() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"


def test_one_writer_at_a_time_and_who_waits_too_long_is_told(database: Database) -> None:
    other = opened_again(database, busy_timeout=0)
    with database.write() as connection:
        connection.execute(insert(facts).values(name="a", value="first"))
        with pytest.raises(StoreError, match="lock timeout; another process holds it"), other.write():
            raise AssertionError("the write must not begin")
        with other.write_ledger() as ledger, other.read() as reader:
            assert ledger.execute(select(facts)).all() == reader.execute(select(facts)).all() == []
    with other.write() as connection:
        assert connection.scalar(select(facts.c.value)) == "first"
    other.close()


def test_writers_that_wait_see_what_was_written_meanwhile(database: Database) -> None:
    begun, numbers = threading.Barrier(4), []

    def count() -> None:
        begun.wait(10)
        for _ in range(5):
            with database.write() as connection:
                seen = len(connection.execute(select(facts)).all())
                connection.execute(insert(facts).values(name=str(seen), value="x"))
                numbers.append(seen)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(numbers) == list(range(20))


def test_a_reader_sees_one_moment_and_writes_nothing(database: Database) -> None:
    with database.read() as reader:
        assert reader.execute(select(facts)).all() == []
        with database.write() as connection:
            connection.execute(insert(facts).values(name="a", value="b"))
        assert reader.execute(select(facts)).all() == []
    with pytest.raises(StoreError, match="read-only"), database.read() as reader:
        reader.execute(insert(facts).values(name="c", value="d"))


def test_a_row_that_the_tables_refuse_is_told_apart(database: Database) -> None:
    with pytest.raises(ConflictError, match="duplicate key"), database.write() as connection:
        connection.execute(insert(facts), [{"name": "same", "value": "x"}] * 2)
    with database.read() as connection:
        assert connection.execute(select(facts)).all() == []


def test_a_server_that_does_not_answer_is_one_clear_error_without_the_password() -> None:
    database = open_database("postgresql://desk:s3cret@127.0.0.1:9/wire")
    with pytest.raises(StoreError, match="see that the PostgreSQL server runs") as caught, database.read():
        raise AssertionError("there is no server on the port that discards")
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    database.close()


def test_a_database_without_tables_says_what_to_do(database: Database) -> None:
    server = open_database(make_url(os.environ["DATABASE_URL"]).set(database="postgres").render_as_string(False))
    with pytest.raises(StoreError, match="does not exist; run `aggregator migrate`"), server.read() as connection:
        connection.execute(select(facts)).all()
    server.close()


def test_an_address_of_another_database_is_refused() -> None:
    with pytest.raises(StoreError, match=r"begins with sqlite:/// or postgresql://") as caught:
        open_database("no address: s3cret")
    assert "s3cret" not in str(caught.value)


WORDS = StoryWords(place=1, title="kuril kuril", text="islands", author="", category="", names="_")


def test_a_vector_holds_words_by_field_with_their_places() -> None:
    assert vector(WORDS) == "'tkuril':1A,2A 'xislands':1 'n_'"
    assert vector(replace(WORDS, text="a " * 256)).endswith("'~' 'n_'")


def test_what_goes_beyond_the_limits_of_a_vector_is_still_a_vector(database: Database) -> None:
    often, wide = replace(WORDS, text="a " * 20_000), replace(WORDS, text=" ".join(f"w{n:06}" for n in range(70_000)))
    with database.read() as connection:
        for words in (often, wide):
            assert connection.scalar(text("SELECT CAST(:words AS tsvector)"), {"words": vector(words)})
    assert vector(replace(WORDS, text=" ".join(f"w{n:07}" for n in range(MAX_OCTETS // 16)))) == f"'{UNREAD}'"
