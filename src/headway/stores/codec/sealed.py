"""Kept entries, read and written again without a look at their values.

A command does not know the classes of the programs whose answers it shows or moves, and need not:
the value stays the bytes that it is, and what stands around it can be read, and marked anew.
"""

from __future__ import annotations

import hmac

import msgspec

from ..entry import Entry
from . import compression
from .codec import (
    _BODY_AT,
    _COMPRESSED,
    _FLAGS_OF,
    _HEADS,
    _PROOF_AT,
    _SIGNED,
    _TYPED,
    Codec,
)


class SealedValue(msgspec.Struct, frozen=True):
    """A value as it was written, and how."""

    written: msgspec.Raw
    flags: int


class _Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    made_at: float
    fresh_until: float
    stale_until: float
    tags: tuple[str, ...]
    version: str
    mark: int
    value: msgspec.Raw


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


class SealedCodec(Codec):
    """Gives entries whose values are ``SealedValue``, proved against damage; takes no others."""

    def encode(self, name: str, entry: Entry) -> bytes:
        """*entry* as bytes, with a value that ``decode`` gave."""
        value: SealedValue = entry.value
        times = (entry.made_at, entry.fresh_until, entry.stale_until)
        body = _encode((*times, entry.tags, entry.version, entry.mark, value.written))
        if value.flags & _COMPRESSED:
            body = compression.fold(body)
        head = _HEADS[value.flags]
        return b"".join((head, self._proof(head, name, body), body))

    def _decoded(self, name: str, written: bytes) -> Entry | None:
        head, body = written[:_PROOF_AT], written[_BODY_AT:]
        flags = _FLAGS_OF.get(head)
        if flags is None or flags & ~(_COMPRESSED | _TYPED):
            return None
        if not hmac.compare_digest(written[_PROOF_AT:_BODY_AT], self._proof(head, name, body)):
            return None
        unfolded = compression.unfold(body) if flags & _COMPRESSED else body
        return None if unfolded is None else _entry_of(_decode(unfolded), flags)


def is_signed(written: bytes) -> bool:
    """Whether the entry was written with a secret, so that none can be read here."""
    return bool(_FLAGS_OF.get(written[:_PROOF_AT], 0) & _SIGNED)


def _entry_of(body: _Body, flags: int) -> Entry:
    return Entry(
        SealedValue(body.value, flags),
        made_at=body.made_at,
        fresh_until=body.fresh_until,
        stale_until=body.stale_until,
        tags=body.tags,
        version=body.version,
        mark=body.mark,
    )
