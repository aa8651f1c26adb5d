"""Content encodings of an answer, flushed at each event so that a stream stays a stream."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

from .fault import Encoding


class Encoder(Protocol):
    """Encodes a body in pieces."""

    def encode(self, data: bytes) -> bytes:
        """The encoded piece; a client can decode it at once."""

    def finish(self) -> bytes:
        """The bytes behind the last piece."""


class _Identity:
    def encode(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._compressor = zlib.compressobj(wbits=window_bits)

    def encode(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class StoredBrotli:
    """Valid Brotli (RFC 7932) that holds its data uncompressed: all a decoder has to be shown.

    The standard library has no Brotli; blocks that store instead of compress need twenty lines.
    """

    _BLOCK = 65_536  # the most that a length of four half-bytes can say

    def __init__(self) -> None:
        # A stream begins with its window size; the single bit 0 means 64 KiB. A block's header
        # then starts in the same byte, and each later one in a byte of its own.
        self._offset = 1

    def encode(self, data: bytes) -> bytes:
        blocks = (data[at : at + self._BLOCK] for at in range(0, len(data), self._BLOCK))
        return b"".join(self._header(len(block)) + block for block in blocks)

    def _header(self, length: int) -> bytes:
        # Bits from the lowest: not last (0), 4 half-bytes (00), length - 1 (16), stored (1).
        bits = (((length - 1) << 3) | (1 << 19)) << self._offset
        self._offset = 0
        return bits.to_bytes(3, "little")

    def finish(self) -> bytes:
        return bytes([0b11 << self._offset])  # last, and empty


def encoder_for(encoding: Encoding) -> Encoder:
    """A new encoder."""
    if encoding == "gzip":
        return _Zlib(31)
    if encoding == "deflate":
        return _Zlib(15)
    return StoredBrotli() if encoding == "br" else _Identity()


def encoded(encoding: Encoding, body: bytes) -> bytes:
    """A whole body, encoded."""
    encoder = encoder_for(encoding)
    return encoder.encode(body) + encoder.finish()


def negotiated(accepted: str, offered: Sequence[Encoding]) -> Encoding:
    """The first encoding offered that the client's accept-encoding takes."""
    takes: dict[str, float] = {}
    for wish in accepted.lower().split(","):
        name, _, weight = wish.strip().partition(";q=")
        takes[name.strip()] = _weight(weight)
    usable = (one for one in offered if takes.get(one, takes.get("*", 0.0)) > 0.0)
    return next(usable, "identity")


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
