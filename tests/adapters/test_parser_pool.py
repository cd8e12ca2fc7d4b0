"""A document that is too much for its reader costs its own feed a failure, and nothing else."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Semaphore

import pytest

from aggregator.adapters import parser_child, parser_pool
from aggregator.adapters.parser_child import Answer, Task, serve
from aggregator.adapters.parser_pool import ParserPool
from aggregator.errors import ChildError
from aggregator.flows.ingest import ingest
from aggregator.model.feed import Validators
from aggregator.model.poll import (
    Cause,
    Fetched,
    FetchFailed,
    FetchOutcome,
    NotModified,
    PollOutcome,
    Read,
    ServerWishes,
)
from aggregator.settings.values import Polling

SHARED = Path(__file__).parents[3] / "shared"
WAIT = 30.0


def fetched(feed_id: str, body: bytes = b"", *, max_age: int = 60) -> Fetched:
    return Fetched(
        feed_id=feed_id,
        url=f"https://{feed_id}.example/feed",
        status=200,
        body=body,
        content_type="application/xml",
        validators=Validators(etag=feed_id),
        wishes=ServerWishes(max_age=max_age),
    )


def scripted(document: Fetched) -> PollOutcome:
    """Does in the child what the body says."""
    match document.body.split(b" "):
        case [b"spin"]:
            while True:
                pass
        case [b"sleep"]:
            time.sleep(600)
        case [b"eat"]:
            hoard = [bytearray(1024 * 1024) for _ in range(100_000)]
            return _said(document, str(len(hoard)))
        case [b"raise"]:
            raise KeyError("a\nsurprise")
        case [b"exit"]:
            os._exit(7)
        case [b"signal", number]:
            os.kill(os.getpid(), int(number))
        case [b"pid"]:
            return _said(document, str(os.getpid()))
        case [b"environment"]:
            return _said(document, " ".join(sorted(os.environ)))
        case [b"signals"]:
            ignored = [signal.getsignal(number) is signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM)]
            return _said(document, str(ignored))
        case [b"wait", path]:
            Path(path.decode() + ".started").touch()
            while not Path(path.decode()).exists():
                time.sleep(0.01)
    return _said(document, document.body.decode())


def _said(document: Fetched, message: str) -> FetchFailed:
    return FetchFailed(feed_id=document.feed_id, cause=Cause.EMPTY, message=message)


def polling(*, processes: int = 1, cpu: float = 10, memory: int = 512) -> Polling:
    return Polling(parse_processes=processes, parse_cpu=timedelta(seconds=cpu), parse_memory=memory * 1024 * 1024)


def outcomes(pool: ParserPool, given: Iterable[FetchOutcome]) -> dict[str, PollOutcome]:
    return {outcome.feed_id: outcome for batch in pool.parse(given) for outcome in batch}


def said(pool: ParserPool, body: str) -> str:
    (outcome,) = outcomes(pool, [fetched("a", body.encode())]).values()
    assert isinstance(outcome, FetchFailed)
    return outcome.message


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool(polling(cpu=0.5, memory=200), read=scripted) as pool:
        yield pool


def eventually(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_what_needs_no_reading_passes_and_what_does_is_read() -> None:
    rss = b"<rss version='2.0'><channel><title>T</title><item><title>One</title></item></channel></rss>"
    given = [
        NotModified(feed_id="same", validators=Validators(etag="x")),
        FetchFailed(feed_id="down", cause=Cause.DNS, message="no such name"),
        fetched("good", rss),
        fetched("page", b"<html>"),
    ]
    with ParserPool(polling(processes=2), read=ingest) as pool:
        found = outcomes(pool, given)
    assert (found["same"], found["down"]) == (given[0], given[1])
    good, page = found["good"], found["page"]
    assert isinstance(good, Read)
    assert (good.validators.etag, good.wishes.max_age) == ("good", 60)
    assert [entry.title for entry in good.reading.feed.entries] == ["One"]
    assert isinstance(page, FetchFailed)
    assert (page.cause, page.wishes.max_age) == (Cause.NOT_A_FEED, 60)


@pytest.mark.parametrize(
    ("body", "cause", "message"),
    [
        (b"spin", Cause.PARSE_LIMIT, "not read within 0.5 s of CPU time"),
        (b"sleep", Cause.PARSE_LIMIT, "not read within 1.5 s"),
        (b"eat", Cause.PARSE_LIMIT, "reading it needs more than 200 MiB of memory"),
        (b"signal 6", Cause.PARSE_LIMIT, "reading it crashed, or needs more than 200 MiB of memory"),
        (b"signal 11", Cause.PARSE_LIMIT, "reading it crashed (SIGSEGV)"),
        (b"signal 9", Cause.PARSE_LIMIT, "reading it crashed (SIGKILL)"),
        (b"exit", Cause.PARSE_LIMIT, "reading it crashed (exit code 7)"),
        (b"raise", Cause.PARSE, "unreadable: KeyError: 'a\\nsurprise'"),
    ],
)
def test_a_document_beyond_the_limits_fails_alone(
    monkeypatch: pytest.MonkeyPatch, pool: ParserPool, body: bytes, cause: Cause, message: str
) -> None:
    monkeypatch.setattr(parser_pool, "WALL_FACTOR", 3 if body == b"sleep" else 100)
    found = outcomes(pool, [fetched("before", b"fine"), fetched("bad", body, max_age=7), fetched("after", b"fine")])
    bad = found.pop("bad")
    assert isinstance(bad, FetchFailed)
    assert (bad.cause, bad.message, bad.status, bad.wishes.max_age) == (cause, message, 200, 7)
    assert [outcome.message for outcome in found.values() if isinstance(outcome, FetchFailed)] == ["fine", "fine"]


def test_a_child_is_kept_for_many_documents_and_replaced_when_it_is_lost(pool: ParserPool) -> None:
    first = said(pool, "pid")
    assert said(pool, "pid") == first
    assert said(pool, "raise").startswith("unreadable")
    assert said(pool, "pid") == first
    said(pool, "signal 9")
    assert said(pool, "pid") != first


def test_a_child_that_died_while_idle_costs_no_feed_anything(pool: ParserPool) -> None:
    pid = int(said(pool, "pid"))
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
    assert said(pool, "fine") == "fine"


def test_the_limit_of_time_counts_from_each_document_anew(pool: ParserPool) -> None:
    first = said(pool, "pid")
    rss = "<rss version='2.0'><channel>" + "<item><title>x</title></item>" * 300 + "</channel></rss>"
    with ParserPool(polling(cpu=0.5), read=ingest) as reader:
        found = outcomes(reader, [fetched(str(number), rss.encode()) for number in range(20)])
    assert all(isinstance(outcome, Read) for outcome in found.values())
    assert said(pool, "pid") == first


def test_a_child_sees_no_secret_and_leaves_signals_to_its_parent(
    monkeypatch: pytest.MonkeyPatch, pool: ParserPool
) -> None:
    monkeypatch.setenv("AGGREGATOR_SECRET", "s3cret")
    said(pool, "signal 9")
    assert set(said(pool, "environment").split()) <= {*parser_pool.INHERITED, "PYTHONPATH", "LC_CTYPE"}
    assert said(pool, "signals") == "[True, True]"


def test_a_slow_document_holds_up_no_other(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    given = [fetched("slow", f"wait {gate}".encode()), *(fetched(str(number), b"fine") for number in range(60))]
    with ParserPool(polling(processes=2), read=scripted) as pool:
        seen: list[str] = []
        for batch in pool.parse(given):
            assert len(batch) <= parser_pool.BATCH
            seen += [outcome.feed_id for outcome in batch]
            if len(seen) == 60:
                assert "slow" not in seen
                gate.touch()
        assert seen[-1] == "slow"
        assert len(seen) == 61


def test_what_is_ready_is_given_while_the_fetcher_waits(pool: ParserPool) -> None:
    answered = Event()

    def slow_network() -> Iterator[FetchOutcome]:
        yield fetched("quick", b"fine")
        assert answered.wait(WAIT)
        yield fetched("late", b"fine")

    batches = pool.parse(slow_network())
    assert [outcome.feed_id for outcome in next(batches)] == ["quick"]
    answered.set()
    assert [outcome.feed_id for batch in batches for outcome in batch] == ["late"]


def test_the_number_of_documents_on_the_way_is_bounded(pool: ParserPool) -> None:
    taken = Semaphore(0)
    count = 0

    def endless() -> Iterator[FetchOutcome]:
        nonlocal count
        for number in range(10_000):
            count += 1
            taken.release()
            yield NotModified(feed_id=str(number), validators=Validators())

    batches = pool.parse(endless())
    delivered = len(next(batches))
    for _ in range(delivered + parser_pool.ON_THE_WAY):
        assert taken.acquire(timeout=WAIT)
    assert count <= delivered + parser_pool.ON_THE_WAY + 1
    assert delivered + sum(map(len, batches)) == 10_000


def test_a_round_left_early_leaves_the_pool_ready_for_the_next(pool: ParserPool) -> None:
    closed = Event()

    def many() -> Iterator[FetchOutcome]:
        try:
            for number in range(10_000):
                yield fetched(str(number), b"fine")
        finally:
            closed.set()

    batches = pool.parse(many())
    assert next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert closed.wait(WAIT)
    assert said(pool, "fine") == "fine"


def test_what_stops_the_fetcher_stops_the_flow(pool: ParserPool) -> None:
    def broken() -> Iterator[FetchOutcome]:
        yield fetched("a", b"fine")
        raise OSError("too many open files")

    with pytest.raises(OSError, match="too many open files"):
        outcomes(pool, broken())


def test_a_pool_that_is_closed_ends_its_children_and_blames_no_feed(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    pool = ParserPool(polling(), read=scripted)
    pid = int(said(pool, "pid"))
    batches = pool.parse([fetched("a", f"wait {gate}".encode()), fetched("b", b"fine")])

    def close_when_started() -> Iterator[FetchOutcome]:
        yield fetched("a", f"wait {gate}".encode())
        assert eventually(gate.with_name("gate.started").exists)
        pool.close()

    batches = pool.parse(close_when_started())
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(RuntimeError):
        said(pool, "fine")


def test_a_reader_that_cannot_start_stops_the_flow_and_names_no_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_pool, "PROGRAM", "raise SystemExit(3)")
    with (
        ParserPool(polling(), read=scripted) as pool,
        pytest.raises(ChildError, match=r"does not start: .*exit code 3"),
    ):
        said(pool, "fine")


def test_a_machine_without_room_for_a_child_stops_the_flow_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with ParserPool(polling(), read=scripted) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", full)
            with pytest.raises(ChildError, match=r"does not start: Resource temporarily unavailable; see how many"):
                said(pool, "fine")
        assert said(pool, "fine")


PARENT = """
import os, sys
from aggregator.adapters.parser_pool import ParserPool
from tests.adapters.test_parser_pool import fetched, polling, scripted
pool = ParserPool(polling(processes=2), read=scripted)
def given():
    yield fetched("a", b"pid")
    yield fetched("b", b"wait " + sys.argv[1].encode())
batches = pool.parse(given())
print(next(batches)[0].message, flush=True)
next(batches)
"""


def test_no_child_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(gate)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        parent.stdout.readline()
        assert eventually(gate.with_name("gate.started").exists)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        pids = {
            int(pid)
            for thread in Path(f"/proc/{parent.pid}/task").iterdir()
            for pid in (thread / "children").read_text().split()
        }
        assert len(pids) == 2, children
        parent.kill()
    gate.touch()  # the busy one ends with its document
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


# --- the child, seen from inside ------------------------------------------------------------------


class Line:
    """A parent that sends what it was given and keeps what it gets."""

    def __init__(self, *sent: object) -> None:
        self._sent = list(sent)
        self.got: list[object] = []

    def recv(self) -> object:
        if not self._sent:
            raise EOFError
        return self._sent.pop(0)

    def send(self, value: object) -> None:
        self.got.append(value)

    def send_bytes(self, value: bytes) -> None:
        self.got.append(parser_child.pickle.loads(value))


def greedy(document: Fetched) -> PollOutcome:
    if document.body == b"eat":
        raise MemoryError
    return scripted(document)


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_child, "_limit_memory", lambda octets: None)


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize(
    ("setting", "value", "bodies", "spent"),
    [
        ("MAX_DOCUMENTS", 2, (b"fine", b"fine", b"unseen"), [False, True]),
        ("MAX_RESIDENT", 0, (b"fine", b"unseen"), [True]),
        ("MAX_DOCUMENTS", 5, (b"eat", b"unseen"), [True]),
    ],
    ids=["many documents", "much memory", "out of memory"],
)
def test_a_child_says_when_it_is_spent(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: int, bodies: tuple[bytes, ...], spent: list[bool]
) -> None:
    monkeypatch.setattr(parser_child, "_resident", lambda: 1)  # this process is no child, and as large as its tests
    monkeypatch.setattr(parser_child, setting, value)
    line = Line(Task(read=greedy, cpu=10, memory=1024**3), *(fetched("a", body) for body in bodies))
    serve(line)  # type: ignore[arg-type]
    ready, *answers = line.got
    assert ready is None
    assert [answer.spent for answer in answers if isinstance(answer, Answer)] == spent


def test_a_spent_child_is_replaced_before_the_next_document(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "from aggregator.adapters import parser_child; parser_child.MAX_DOCUMENTS = 2; parser_child.main()"
    monkeypatch.setattr(parser_pool, "PROGRAM", program)
    with ParserPool(polling(), read=scripted) as pool:
        pids = [said(pool, "pid") for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


@pytest.mark.parametrize(
    ("most", "limit"),
    [(resource.RLIM_INFINITY, 1024), (4096, 1024), (512, 512)],
    ids=["no limit", "a higher one", "a lower one"],
)
def test_a_limit_of_memory_that_the_system_has_set_stays(
    monkeypatch: pytest.MonkeyPatch, most: int, limit: int
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (most, most))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: seen.append(limits))
    parser_child._limit_memory(1024)
    assert seen == [(limit, limit)]


# --- hostile documents, as they come --------------------------------------------------------------


@pytest.mark.skipif(not SHARED.exists(), reason=f"the hostile documents are not at {SHARED}")
def test_every_hostile_document_ends_within_its_limits(tmp_path: Path) -> None:
    script = SHARED / "corpus/hostile/make_big.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    paths = [path for path in sorted(tmp_path.iterdir()) if path.name != "manifest.json"]
    paths += sorted((SHARED / "corpus/hostile/xml").iterdir())
    rss = b"<rss version='2.0'><channel><title>T</title><item><title>One</title></item></channel></rss>"
    given = [item for path in paths for item in (fetched(path.name, path.read_bytes()), fetched(f"{path.name}+", rss))]
    with ParserPool(polling(processes=2, cpu=5), read=ingest) as pool:
        found = outcomes(pool, given)
    assert len(found) == len(given) > 120
    innocent = [outcome for feed_id, outcome in found.items() if feed_id.endswith("+")]
    assert all(isinstance(outcome, Read) for outcome in innocent)
    limited = {
        feed_id
        for feed_id, outcome in found.items()
        if isinstance(outcome, FetchFailed) and outcome.cause is Cause.PARSE_LIMIT
    }
    assert limited <= {"many-attrs.xml", "many-namespaces.xml", "deep-100k.xml"}
    assert all("\n" not in outcome.message for outcome in found.values() if isinstance(outcome, FetchFailed))
