"""Content codings, undone whole and piece by piece."""

import gzip
import sys
import tracemalloc
import zlib
from itertools import pairwise

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_adapters.codings import MAX_FEED, Codings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODINGS = Codings()
MiB = 1024 * 1024


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("x-gzip", gzip.compress, id="x-gzip"),
    pytest.param("deflate", zlib.compress, id="deflate-zlib"),
    pytest.param("deflate", raw_deflate, id="deflate-raw"),
    pytest.param("br", brotli.compress, id="br"),
    pytest.param("zstd", zstd.compress, id="zstd"),
]
BODY = b'{"model":"m","text":"' + "grüße ".encode() * 5000 + b'"}'


def test_every_coding_that_can_be_undone_has_a_name():
    """The names are what a client may be told."""
    assert set(CODINGS.names) == {"identity", "gzip", "x-gzip", "deflate", "br", "zstd"}


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
@given(data=st.binary(min_size=0, max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_pieces_cut_anywhere_decode_to_the_whole(coding, pack, data, cuts):
    """Where the network cuts the coded bytes makes no difference."""
    packed = pack(data * 7)
    decoder = CODINGS.decoder(coding)
    edges = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    pieces = [decoder.feed(packed[start:end]) for start, end in pairwise(edges)]
    assert b"".join(pieces) == data * 7
    assert CODINGS.decode(packed, coding, limit=100_000) == data * 7


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
def test_byte_by_byte(coding, pack):
    """One byte at a time is a stream too."""
    decoder = CODINGS.decoder(coding)
    assert b"".join(decoder.feed(bytes([byte])) for byte in pack(BODY)) == BODY


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
def test_a_body_that_ends_too_early_is_broken(coding, pack):
    """Half a body is not passed off as a whole one."""
    packed = pack(BODY)
    for end in (0, 1, len(packed) // 2, len(packed) - 1):
        with pytest.raises(ValueError, match=coding):
            CODINGS.decode(packed[:end], coding, limit=MiB)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_something_else_is_broken(coding):
    """Plain JSON under a coding's name."""
    with pytest.raises(ValueError, match=coding):
        CODINGS.decode(b'{"model":"m"} ' * 20, coding, limit=MiB)
    with pytest.raises(ValueError, match=coding):
        CODINGS.decoder(coding).feed(b'{"model":"m"} ' * 20)


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
def test_the_limit_is_exact(coding, pack):
    """A body of exactly the limit passes, one byte more does not."""
    body = b"x" * 200_000
    assert CODINGS.decode(pack(body), coding, limit=200_000) == body
    with pytest.raises(OverflowError):
        CODINGS.decode(pack(body), coding, limit=199_999)


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
def test_a_bomb_is_never_unpacked(coding, pack):
    """A few kilobytes that stand for 64 MiB cost little more memory than the limit."""
    bomb = pack(bytes(64 * MiB))
    tracemalloc.start()
    try:
        with pytest.raises(OverflowError):
            CODINGS.decode(bomb, coding, limit=MiB)
        assert tracemalloc.get_traced_memory()[1] < 8 * MiB
    finally:
        tracemalloc.stop()


def test_a_bomb_in_an_answer_is_broken_data():
    """The side that reads usage gives up on it; a piece that decodes to the bound is still taken."""
    with pytest.raises(ValueError, match="far more"):
        CODINGS.decoder("gzip").feed(gzip.compress(bytes(MAX_FEED + 1)))


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_streams_that_follow_one_another_are_one_body(coding, pack):
    """gzip members and zstd frames may be concatenated, also with a cut between or inside them."""
    packed = pack(b"first ") + pack(b"") + pack(b"second")
    assert CODINGS.decode(packed, coding, limit=100) == b"first second"
    decoder = CODINGS.decoder(coding)
    assert b"".join(decoder.feed(bytes([byte])) for byte in packed) == b"first second"
    with pytest.raises(ValueError, match="too early"):
        CODINGS.decode(packed[:-1], coding, limit=100)


@pytest.mark.parametrize(("coding", "pack"), [("deflate", zlib.compress), ("br", brotli.compress)])
def test_bytes_after_the_end_are_broken_data(coding, pack):
    """These codings end once."""
    with pytest.raises(ValueError, match=coding):
        CODINGS.decode(pack(b"body") + b"tail", coding, limit=100)


def test_what_a_flush_has_completed_comes_out_at_once():
    """An event of a compressed stream is seen when it arrives, not when the stream ends."""
    packer = zlib.compressobj(wbits=31)
    decoder = CODINGS.decoder("gzip")
    for number in range(3):
        event = b"data: %d\n\n" % number
        assert decoder.feed(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)) == event


def test_identity_is_the_body_itself():
    """No coding, but the same limit."""
    assert CODINGS.decode(b"body", "identity", limit=4) == b"body"
    assert CODINGS.decoder("identity").feed(b"piece") == b"piece"
    with pytest.raises(OverflowError):
        CODINGS.decode(b"body", "identity", limit=3)
