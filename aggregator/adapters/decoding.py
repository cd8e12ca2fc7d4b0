"""Undoing Content-Encoding piece by piece, counted against one cap on what goes in and what comes out.

aiohttp would decode too, but takes a truncated gzip stream for a whole one: half a feed would be stored, and
the validators with it would hide the other half for ever.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

ACCEPTED = "gzip, deflate, br, zstd"
"""The value of Accept-Encoding that goes with this module."""

PIECE = 64 * 1024
"""Octets decoded at a time; the cap is checked after each piece."""
MOST_MEMBERS = 1000
"""Streams one after another in one body; blocked gzip has one per 64 KiB, and each costs us a new decoder."""
ZSTD_WINDOW_LOG = 23
"""8 MiB, the largest window that HTTP allows (RFC 9659 3)."""

Keep = Callable[[bytes], None]


class TooBig(Exception):
    """More octets than the cap came in or out."""


class BadEncoding(Exception):
    """The stream is not what Content-Encoding says, or ends too early."""


class Decoder:
    """Feeds on the octets of one answer and gives the whole body at the end."""

    def __init__(self, encoding: str, *, limit: int) -> None:
        """`encoding` is the value of Content-Encoding, `limit` the cap in octets; raises BadEncoding."""
        name = encoding.strip().lower()
        self._decode = _DECODERS[name]() if name in _DECODERS else None
        if self._decode is None and name not in ("", "identity"):
            raise BadEncoding(f"Content-Encoding {name[:40]!r} was not asked for")
        self._limit = limit
        self._taken = 0
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take some octets of the answer; raises TooBig or BadEncoding."""
        self._taken += len(data)
        if self._taken > self._limit:  # streams can go on for ever without giving anything
            raise TooBig
        if self._decode is None:
            self._keep(data)
            return
        try:
            for start in range(0, len(data), PIECE):
                self._decode.feed(data[start : start + PIECE], self._keep)
        except (zlib.error, brotli.error, ZstdError) as error:
            raise BadEncoding(f"broken compression: {error}") from error

    def body(self) -> bytes:
        """The whole decoded body; raises BadEncoding when the stream ended too early."""
        if self._decode is not None and self._taken and not self._decode.finished():
            raise BadEncoding("the compressed body ends too early")
        return bytes(self._body)

    def _keep(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._limit:
            raise TooBig


class _Stream(Protocol):
    def feed(self, data: bytes, keep: Keep) -> None: ...

    def finished(self) -> bool: ...


class _Members:
    """Counts the streams of one body."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> None:
        self._count += 1
        if self._count > MOST_MEMBERS:
            raise BadEncoding(f"more than {MOST_MEMBERS:,} compressed streams in one body")


class _Zlib:
    """gzip with any number of members, padded with zeros or not."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._members = _Members()

    def feed(self, data: bytes, keep: Keep) -> None:
        full = False
        while data or full:  # a full piece may leave more behind than the input not used
            if self._stream.eof:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._members.next()
                self._stream = zlib.decompressobj(self._wbits)
            piece = self._stream.decompress(data, PIECE)
            full = len(piece) == PIECE and not self._stream.eof
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            keep(piece)

    def finished(self) -> bool:
        return self._stream.eof


class _Deflate:
    """deflate with or without its zlib header, as servers disagree (RFC 9110 8.4.1.2)."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: _Zlib | None = None

    def feed(self, data: bytes, keep: Keep) -> None:
        if self._stream is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return
            self._stream = _Zlib(zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS)
        self._stream.feed(data, keep)

    def finished(self) -> bool:
        return self._stream is not None and self._stream.finished()


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950 2.2: method 8, and both octets together a multiple of 31."""
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes, keep: Keep) -> None:
        piece = self._stream.process(data, output_buffer_limit=PIECE)
        keep(piece)
        while len(piece) >= PIECE or not self._stream.can_accept_more_data():  # a full piece leaves more behind
            piece = self._stream.process(b"", output_buffer_limit=PIECE)
            keep(piece)

    def finished(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd:
    """zstd with any number of frames."""

    def __init__(self) -> None:
        self._stream = self._fresh()
        self._members = _Members()

    def _fresh(self) -> ZstdDecompressor:
        return ZstdDecompressor(options={DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})

    def feed(self, data: bytes, keep: Keep) -> None:
        while data or not self._stream.needs_input:
            if self._stream.eof:
                if not data:
                    return
                self._members.next()
                self._stream = self._fresh()
            keep(self._stream.decompress(data, PIECE))
            data = self._stream.unused_data if self._stream.eof else b""

    def finished(self) -> bool:
        return self._stream.eof


_DECODERS: dict[str, Callable[[], _Stream]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "x-gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
