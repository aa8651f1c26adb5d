"""Reading along: a decoded copy of a body that goes to the client encoded, untouched."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol

MOST_DECODED_BYTES: Final = 64 * 1024 * 1024
"""A body that unfolds to more than this is no longer read along."""

_PIECE: Final = 1024 * 1024


class Undecodable(Exception):
    """The bytes are not what the header says, or nothing here can decode them."""


class Decoder(Protocol):
    """Gives the plain bytes of an encoded body, piece by piece."""

    def __call__(self, data: bytes, /) -> bytes:
        """The plain bytes of the next piece; raises ``Undecodable``."""


def decoder_of(content_encoding: str | None) -> Decoder:
    """A decoder for the value of a ``content-encoding`` header.

    Raises:
        Undecodable: an encoding that nothing installed here can decode.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    steps = [_ENCODINGS[name]() for name in reversed(names) if name in _ENCODINGS]
    if any(name not in _ENCODINGS and name not in ("", "identity") for name in names):
        raise Undecodable(f"content-encoding: {content_encoding}")
    if not steps:
        return _plain
    return _Bounded(steps)


def _plain(data: bytes) -> bytes:
    return data


class _Bounded:
    """Decoders one after another, until they have given too much."""

    def __init__(self, steps: list[Callable[[bytes], bytes]]) -> None:
        self._steps, self._given = steps, 0

    def __call__(self, data: bytes) -> bytes:
        try:
            for step in self._steps:
                data = step(data)
        except Undecodable:
            raise
        except Exception as wrong:  # each library has errors of its own
            raise Undecodable(str(wrong)) from wrong
        self._given += len(data)
        if self._given > MOST_DECODED_BYTES:
            raise Undecodable(f"more than {MOST_DECODED_BYTES} bytes")
        return data


class _Zlib:
    """gzip or deflate, the latter with or without its header of two bytes."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self._may_be_bare = window_bits == zlib.MAX_WBITS
        self._begun = b""

    def __call__(self, data: bytes) -> bytes:
        if not self._may_be_bare:
            return self._decoded(data)
        self._begun += data
        self._may_be_bare = len(self._begun) < 2
        try:
            return self._decoded(data)
        except zlib.error:
            self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._decoded(self._begun)

    def _decoded(self, data: bytes) -> bytes:
        pieces, size = [], 0
        while data:
            piece = self._inner.decompress(data, _PIECE)
            pieces.append(piece)
            size += len(piece)
            if size > MOST_DECODED_BYTES:
                raise Undecodable(f"more than {MOST_DECODED_BYTES} bytes")
            data = self._inner.unconsumed_tail
        return b"".join(pieces)


def _gzip() -> Callable[[bytes], bytes]:
    return _Zlib(zlib.MAX_WBITS | 16)


def _deflate() -> Callable[[bytes], bytes]:
    return _Zlib(zlib.MAX_WBITS)


def _brotli() -> Callable[[bytes], bytes]:
    inner: Any = _installed("brotli", "brotlicffi").Decompressor()
    decode: Callable[[bytes], bytes] = getattr(inner, "decompress", None) or inner.process
    return decode


def _zstd() -> Callable[[bytes], bytes]:
    inner: Any = _installed("compression.zstd", "backports.zstd", "zstandard").ZstdDecompressor()
    inner = inner.decompressobj() if hasattr(inner, "decompressobj") else inner
    decode: Callable[[bytes], bytes] = inner.decompress
    return decode


def _installed(*names: str) -> Any:
    """The first of these modules there is: a client offers an encoding only if one is."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise Undecodable(f"none of {', '.join(names)} is installed")


_ENCODINGS: Final[dict[str, Callable[[], Callable[[bytes], bytes]]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
