import gzip
import sys
import types
import zlib

import pytest

from headway.adapters.http.decoding import Undecodable, decoder_of

TEXT = b"A moat keeps rivals out. " * 50


def in_pieces(decode: object, data: bytes, step: int) -> bytes:
    assert callable(decode)
    return b"".join(decode(data[at : at + step]) for at in range(0, len(data), step))


def bare_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("X-GZIP", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare_deflate(TEXT)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
        ("identity", TEXT),
        ("", TEXT),
        (None, TEXT),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_what_was_encoded_is_decoded(name: str | None, encoded: bytes, step: int) -> None:
    assert in_pieces(decoder_of(name), encoded, step) == TEXT


@pytest.mark.parametrize("name", ["compress", "gzip, unheard-of"])
def test_an_unknown_encoding_is_said_to_be_one(name: str) -> None:
    with pytest.raises(Undecodable, match="content-encoding"):
        decoder_of(name)


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_what_is_not_encoded_as_said_is_undecodable(name: str) -> None:
    with pytest.raises(Undecodable):
        decoder_of(name)(b"plainly not compressed")


def test_a_body_that_unfolds_too_far_is_given_up() -> None:
    bomb = gzip.compress(bytes(80_000_000))
    with pytest.raises(Undecodable, match="more than"):
        decoder_of("gzip")(bomb)
    halves = decoder_of("gzip")
    with pytest.raises(Undecodable, match="more than"):
        in_pieces(halves, bomb, len(bomb) // 2 + 1)


class Reversing:
    """Stands for a library's decoder: nothing here brings one."""

    def decompress(self, data: bytes) -> bytes:
        return data[::-1]


@pytest.mark.parametrize(
    ("name", "module", "maker"),
    [
        ("br", "brotli", "Decompressor"),
        ("zstd", "backports.zstd", "ZstdDecompressor"),
    ],
)
def test_an_encoding_is_decoded_by_the_library_that_is_installed(
    name: str, module: str, maker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, other, None)
    with pytest.raises(Undecodable, match="is installed"):
        decoder_of(name)
    library = types.ModuleType(module)
    setattr(library, maker, Reversing)
    monkeypatch.setitem(sys.modules, module, library)
    assert decoder_of(name)(b"abc") == b"cba"
