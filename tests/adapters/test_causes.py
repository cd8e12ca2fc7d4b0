"""What a person reads when a fetch failed."""

import socket

import pytest
from aiohttp import ClientError, ConnectionTimeoutError, InvalidURL, ServerDisconnectedError

from aggregator.adapters.causes import LONGEST_LINE, explain, one_line
from aggregator.adapters.guard import Blocked
from aggregator.model.poll import Cause


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (ConnectionTimeoutError(), Cause.TIMEOUT, "no connection in time"),
        (TimeoutError(), Cause.TIMEOUT, "no whole answer in time"),
        (ServerDisconnectedError(), Cause.CONNECT, "without an answer"),
        (InvalidURL("http://x?token=s3cret"), Cause.BLOCKED_ADDRESS, "not a valid http address"),
        (Blocked("10.0.0.1 is private"), Cause.BLOCKED_ADDRESS, "10.0.0.1 is private"),
        (ClientError("token=s3cret"), Cause.CONNECT, "ClientError"),
        (ConnectionResetError(104, "token=s3cret"), Cause.CONNECT, "ConnectionResetError"),
        (socket.gaierror("token=s3cret"), Cause.CONNECT, "gaierror"),
    ],
)
def test_errors_of_the_network_have_a_cause_and_words_without_secrets(
    error: Exception, cause: Cause, words: str
) -> None:
    explained = explain(error)
    assert explained is not None
    assert explained[0] is cause
    assert words in explained[1]
    assert "s3cret" not in explained[1]


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), AssertionError(), RecursionError(), MemoryError()])
def test_other_errors_are_ours_to_mend(error: Exception) -> None:
    assert explain(error) is None


def test_a_guards_word_is_found_under_what_the_client_makes_of_it() -> None:
    outer = OSError("multiple")
    outer.__cause__ = ClientError()
    outer.__cause__.__cause__ = Blocked("private")
    assert explain(outer) == (Cause.BLOCKED_ADDRESS, "private")


def test_a_line_is_one_line_of_bounded_length() -> None:
    assert one_line("a\r\nb\x1b[31m\udce9é") == "a??b?[31m?é"
    assert len(one_line("x" * 9999)) == LONGEST_LINE
