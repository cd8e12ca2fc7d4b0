"""Why a fetch failed: the cause that is counted and one line for a person, without addresses that may hold secrets."""

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponseError,
    ClientSSLError,
    ConnectionTimeoutError,
    InvalidURL,
    ServerDisconnectedError,
)

from aggregator.adapters.guard import Blocked
from aggregator.model.poll import Cause

LONGEST_LINE = 300


def explain(error: Exception) -> tuple[Cause, str] | None:
    """The cause and the words for an error of the network's or of the server's; None for a fault of ours."""
    blocked = _blocked_below(error)
    if blocked is not None:
        return Cause.BLOCKED_ADDRESS, str(blocked)
    match error:
        case ClientConnectorDNSError():
            return Cause.DNS, f"the name {error.host!r} cannot be looked up"
        case ClientConnectorCertificateError():
            return Cause.TLS, f"the certificate of {error.host!r} is not valid: {error.certificate_error}"
        case ClientSSLError():
            return Cause.TLS, f"no secure connection to {error.host!r}"
        case ClientConnectorError():
            return Cause.CONNECT, f"no connection to {error.host!r}: {error.os_error.strerror or error.os_error}"
        case ConnectionTimeoutError():
            return Cause.TIMEOUT, "no connection in time"
        case TimeoutError():
            return Cause.TIMEOUT, "no whole answer in time"
        case ServerDisconnectedError():
            return Cause.CONNECT, "the server closed the connection without an answer"
        case ClientPayloadError():
            return Cause.CONNECT, "the connection ended before the whole body had come"
        case InvalidURL():
            return Cause.BLOCKED_ADDRESS, "the address is not a valid http address"
        case ClientResponseError():
            return Cause.CONNECT, f"the answer is not valid HTTP: {error.message}"
        case ClientError() | OSError():
            return Cause.CONNECT, f"the connection failed: {type(error).__name__}"
        case _:
            return None


def one_line(text: str) -> str:
    """`text` fit for a table, a terminal and a log: servers choose some of these words."""
    return "".join(character if character.isprintable() else "?" for character in text[:LONGEST_LINE])


def _blocked_below(error: BaseException) -> Blocked | None:
    """The Blocked that lies under an error of aiohttp's."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Blocked):
        cause = cause.__cause__
    return cause
