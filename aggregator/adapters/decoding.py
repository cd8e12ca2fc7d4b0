"""Undoing Content-Encoding piece by piece, counted against the cap on what comes out (RELIABILITY of bombs).

aiohttp would decode too, but takes a truncated gzip stream for a whole one: half a feed would be stored, and
the validators with it would hide the other half for ever.
"""

import sys
import zlib
from collections.abc import Callable

import brotli

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

ACCEPTED = "gzip, deflate, br, zstd"
"""The value of Accept-Encoding that goes with this module."""

PIECE = 64 * 1024
"""Octets decoded at a time; the cap is checked after each piece."""


class TooBig(Exception):
    """More octets than the cap came out."""


class BadEncoding(Exception):
    """The stream is not what Content-Encoding says, or ends too early."""


class Decoder:
    """Feeds on the octets of one answer and gives the whole body at the end."""

    def __init__(self, encoding: str, *, limit: int) -> None:
        """`encoding` is the value of Content-Encoding, `limit` the cap in decoded octets; raises BadEncoding."""
        name = encoding.strip().lower()
        self._decode = _DECODERS[name]() if name in _DECODERS else None
        if self._decode is None and name not in ("", "identity"):
            raise BadEncoding(f"Content-Encoding {name[:40]!r} was not asked for")
        self._limit = limit
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take some octets of the answer; raises TooBig or BadEncoding."""
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
        if self._decode is not None and self._body and not self._decode.finished():
            raise BadEncoding("the compressed body ends too early")
        return bytes(self._body)

    def _keep(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._limit:
            raise TooBig


Keep = Callable[[bytes], None]


class _Zlib:
    """gzip with any number of members; deflate with or without its zlib header, as servers disagree."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._fresh = True

    def feed(self, data: bytes, keep: Keep) -> None:
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(self._wbits)
            keep(self._first(data) if self._fresh else self._stream.decompress(data, PIECE))
            data = self._stream.unused_data.lstrip(b"\0") if self._stream.eof else self._stream.unconsumed_tail

    def _first(self, data: bytes) -> bytes:
        self._fresh = False
        try:
            return self._stream.decompress(data, PIECE)
        except zlib.error:
            if self._wbits != zlib.MAX_WBITS:
                raise
            self._wbits = -zlib.MAX_WBITS
            self._stream = zlib.decompressobj(self._wbits)
            return self._stream.decompress(data, PIECE)

    def finished(self) -> bool:
        return self._stream.eof


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes, keep: Keep) -> None:
        keep(self._stream.process(data, output_buffer_limit=PIECE))
        while not self._stream.can_accept_more_data():
            keep(self._stream.process(b"", output_buffer_limit=PIECE))

    def finished(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd:
    def __init__(self) -> None:
        self._stream = ZstdDecompressor()

    def feed(self, data: bytes, keep: Keep) -> None:
        while data or not self._stream.needs_input:
            if self._stream.eof:
                if not data:
                    return
                self._stream = ZstdDecompressor()
            keep(self._stream.decompress(data, PIECE))
            data = self._stream.unused_data if self._stream.eof else b""

    def finished(self) -> bool:
        return self._stream.eof


_DECODERS: dict[str, Callable[[], _Zlib | _Brotli | _Zstd]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "x-gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
