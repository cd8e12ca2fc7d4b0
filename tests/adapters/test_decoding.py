"""Content codings: whole bodies come out whole, everything else is refused within bounds."""

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import brotli
import pytest

from aggregator.adapters.decoding import MOST_MEMBERS, PIECE, BadEncoding, Decoder, TooBig

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 10 * 1024 * 1024
FEED = ("<rss><title>Économie</title>" + "".join(f"<item><title>n° {n}</title></item>" for n in range(9000))).encode()
MAKE_BIG = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile" / "make_big.py"


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def decode(encoding: str, data: bytes, *, step: int = PIECE, limit: int = LIMIT) -> bytes:
    decoder = Decoder(encoding, limit=limit)
    for start in range(0, len(data), step):
        decoder.feed(data[start : start + step])
    return decoder.body()


@pytest.mark.parametrize("step", [1, 7, 1000, 10**9])
@pytest.mark.parametrize("encoding", PACKED)
def test_whole_bodies_come_out_whole_however_they_arrive(encoding: str, step: int) -> None:
    assert decode(encoding, PACKED[encoding](FEED), step=step) == FEED
    assert decode(encoding.upper() + " ", PACKED[encoding](FEED), step=step) == FEED
    assert decode("deflate", raw_deflate(FEED), step=step) == FEED


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_plain_bodies_stay_as_they_are(encoding: str) -> None:
    assert decode(encoding, FEED) == FEED


@pytest.mark.parametrize("size", [*range(PIECE - 2, PIECE + 3), *range(3 * PIECE - 2, 3 * PIECE + 3), 1, 300])
@pytest.mark.parametrize("encoding", [*PACKED, "raw"])
def test_nothing_is_left_behind_at_the_edge_of_a_piece(encoding: str, size: int) -> None:
    body = bytes(size)
    packed = raw_deflate(body) if encoding == "raw" else PACKED[encoding](body)
    assert decode("deflate" if encoding == "raw" else encoding, packed) == body


@pytest.mark.parametrize("encoding", PACKED)
def test_every_truncation_is_an_error(encoding: str) -> None:
    packed = PACKED[encoding](FEED[:3000])
    for end in range(1, len(packed)):
        with pytest.raises(BadEncoding):
            decode(encoding, packed[:end])


def test_a_truncated_raw_deflate_is_an_error() -> None:
    packed = raw_deflate(FEED[:3000])
    for end in range(1, len(packed)):
        with pytest.raises(BadEncoding):
            decode("deflate", packed[:end])


@pytest.mark.parametrize("encoding", PACKED)
def test_an_empty_answer_is_empty_whatever_its_coding(encoding: str) -> None:
    assert decode(encoding, b"") == b""
    assert decode(encoding, PACKED[encoding](b"")) == b""


@pytest.mark.parametrize("encoding", PACKED)
def test_what_is_not_compressed_is_refused(encoding: str) -> None:
    with pytest.raises(BadEncoding):
        decode(encoding, FEED)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_check_sum_that_does_not_fit_is_an_error(encoding: str) -> None:
    packed = bytearray(PACKED[encoding](FEED[:3000]))
    packed[-5 if encoding == "gzip" else -1] ^= 0x55
    with pytest.raises(BadEncoding):
        decode(encoding, bytes(packed))


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,br", "compress", "exi", "aes128gcm", "utf-8", "gzip;q=1"])
def test_codings_we_did_not_ask_for_are_refused(encoding: str) -> None:
    with pytest.raises(BadEncoding, match="was not asked for"):
        Decoder(encoding, limit=LIMIT)


@pytest.mark.parametrize("step", [1, PIECE])
def test_members_padding_and_zeros_between_pieces(step: int) -> None:
    two = gzip.compress(FEED[:100]) + bytes(70) + gzip.compress(FEED[100:200]) + bytes(PIECE + 70)
    assert decode("gzip", two, step=step) == FEED[:200]
    frames = zstd.compress(FEED[:100]) + zstd.compress(FEED[100:200])
    assert decode("zstd", frames, step=step) == FEED[:200]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_streams_in_one_body_are_counted(encoding: str) -> None:
    empty = PACKED[encoding](b"")
    assert decode(encoding, empty * MOST_MEMBERS + PACKED[encoding](FEED)) == FEED
    with pytest.raises(BadEncoding, match="streams in one body"):
        decode(encoding, empty * (MOST_MEMBERS + 2))


def test_a_zstd_window_larger_than_http_allows_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1}
    compressor = zstd.ZstdCompressor(options=options)
    packed = compressor.compress(os.urandom(1000)) + compressor.flush()
    with pytest.raises(BadEncoding):
        decode("zstd", packed)


# --- bombs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", PACKED)
def test_the_cap_counts_what_comes_out(encoding: str) -> None:
    packed = PACKED[encoding](bytes(1000))
    assert decode(encoding, packed, limit=1000) == bytes(1000)
    with pytest.raises(TooBig):
        decode(encoding, packed, limit=999)


def test_the_cap_counts_what_goes_in() -> None:
    """Empty stored blocks (RFC 1951 3.2.4) go on for ever without giving an octet."""
    with pytest.raises(TooBig):
        decode("deflate", b"\x00\x00\x00\xff\xff" * (LIMIT // 5 + 1))


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not MAKE_BIG.is_file():
        pytest.skip(f"{MAKE_BIG} is not there")
    folder = tmp_path_factory.mktemp("bombs")
    subprocess.run([sys.executable, MAKE_BIG, folder], check=True, capture_output=True, timeout=120)
    huge = bytes(64 * 1024 * 1024)
    (folder / "bomb-64mb.zst").write_bytes(zstd.compress(huge))
    (folder / "bomb-64mb.br").write_bytes(brotli.compress(huge, quality=1))
    yield folder
    for path in folder.iterdir():
        path.unlink()


def outcome(encoding: str, path: Path) -> tuple[str, int]:
    """What became of a file, and the most memory its decoding held beside the compressed octets."""
    data = path.read_bytes()
    tracemalloc.start()
    try:
        decode(encoding, data)
        verdict = "whole"
    except (TooBig, BadEncoding) as error:
        verdict = type(error).__name__
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return verdict, peak


BOMBS = [
    ("bomb-64mb.gz", "gzip", "TooBig"),
    ("bomb-64mb.zlib", "deflate", "TooBig"),
    ("bomb-64mb.br", "br", "TooBig"),
    ("bomb-64mb.zst", "zstd", "TooBig"),
    ("bomb-nested.gz.gz", "gzip, gzip", "BadEncoding"),
    ("bomb-nested.gz.gz", "gzip", "whole"),  # one layer only is undone: what is inside is no feed
    ("gzip-trailing-garbage.gz", "gzip", "whole"),
    ("gzip-truncated.gz", "gzip", "BadEncoding"),
    ("gzip-not-gzip.gz", "gzip", "BadEncoding"),
    ("gzip-many-members.gz", "gzip", "BadEncoding"),
]


@pytest.mark.parametrize(("name", "encoding", "verdict"), BOMBS)
def test_bombs_of_the_corpus(bombs: Path, name: str, encoding: str, verdict: str) -> None:
    got, peak = outcome(encoding, bombs / name)
    assert got == verdict
    assert peak < 3 * LIMIT


def test_every_coded_file_of_the_corpus_is_in_the_table(bombs: Path) -> None:
    coded = {row["file"] for row in json.loads((bombs / "manifest.json").read_text()) if row["content_encoding"]}
    assert coded <= {name for name, *_ in BOMBS}
