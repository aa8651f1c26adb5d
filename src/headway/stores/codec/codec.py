"""Codec: an entry as bytes that any process can turn back into the same entry, or not at all.

Format 1, after which nothing follows::

    "HWE"        3 bytes
    format       1 byte
    flags        1 byte: signed, compressed, typed
    proof        32 bytes: SHA-256, or HMAC-SHA-256 with a secret, of all else and of the name
    body         MessagePack: made_at, fresh_until, stale_until, tags, version, mark, value

A value of plain types (None, bool, int, float, str, bytes, list, dict by text) stands in the body
as MessagePack has it; any other in the form that ``values`` describes.
"""

from __future__ import annotations

import hmac
import logging
from hashlib import sha256
from typing import Any, Final

import msgspec

from ...errors import BadSetup, Unstorable
from ..entry import Entry
from ..size import parse_bytes
from . import compression
from .classes import register
from .layouts import type_name
from .values import from_form, is_plain, to_form

__all__ = ["Codec", "register"]

log = logging.getLogger("headway.stores")

FORMAT: Final = 1
LEAST_SECRET_BYTES: Final = 16

_MAGIC: Final = b"HWE"
_SIGNED, _COMPRESSED, _TYPED = 1, 2, 4
_HEADS: Final = [_MAGIC + bytes((FORMAT, flags)) for flags in range(8)]
_FLAGS_OF: Final = {head: flags for flags, head in enumerate(_HEADS)}
_PROOF_AT: Final = len(_MAGIC) + 2
_BODY_AT: Final = _PROOF_AT + 32


class _Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    made_at: float
    fresh_until: float
    stale_until: float
    tags: tuple[str, ...]
    version: str
    mark: int
    value: Any


_NOT_IN_MESSAGE_PACK: Final = (OverflowError, UnicodeEncodeError)
"""What an int of more than 64 bits, and half a character, raise."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


class Codec:
    """Writes entries down, and reads back only what is whole, genuine and of this format.

    What comes back equals what went in, type for type at every depth; what cannot be written down
    so is refused (see ``values``). Nothing is ever pickled. Everything written is proved against
    damage; with a *secret* also against forgery, and then entries without a signature count as
    damaged. Without one, whoever can write to the store can decide what its readers get.

    Args:
        secret: signs every entry (HMAC-SHA-256); the same in every process that shares a store.
        compress_over: bytes, or text such as ``"4KB"``, from which a body is compressed by
            Zstandard if that makes it smaller. None compresses nothing, but reads what is.

    Raises:
        BadSetup: the secret is shorter than 16 bytes, or the library to compress with is missing.
    """

    def __init__(
        self, *, secret: bytes | str | None = None, compress_over: int | str | None = None
    ) -> None:
        self._secret = _checked(secret)
        self.compress_over = _bound(compress_over)

    @property
    def is_signing(self) -> bool:
        """Whether entries are signed, and unsigned ones not read."""
        return self._secret is not None

    def encode(self, name: str, entry: Entry) -> bytes:
        """*entry* as bytes that can be read under *name* and no other.

        Raises:
            Unstorable: its value has no form that comes back as the same.
        """
        flags, body = _body_of(entry)
        over = self.compress_over
        if over is not None and over < len(body) <= compression.MOST_UNFOLDED_BYTES:
            folded = compression.fold(body)
            if len(folded) < len(body):
                flags, body = flags | _COMPRESSED, folded
        head = _HEADS[flags if self._secret is None else flags | _SIGNED]
        return b"".join((head, self._proof(head, name, body), body))

    def decode(self, name: str, written: bytes) -> Entry | None:
        """The entry that was written under *name*; None for anything else, never an error."""
        try:
            return self._decoded(name, written)
        except Exception as wrong:  # whatever a body may do to those who read it: it is a miss
            log.debug("%s: an entry cannot be read: %s", name, type(wrong).__name__)
            return None

    def _decoded(self, name: str, written: bytes) -> Entry | None:
        head, body = written[:_PROOF_AT], written[_BODY_AT:]
        flags = _FLAGS_OF.get(head)
        if flags is None or bool(flags & _SIGNED) is not self.is_signing:
            return None
        if not hmac.compare_digest(written[_PROOF_AT:_BODY_AT], self._proof(head, name, body)):
            return None
        if flags & _COMPRESSED:
            unfolded = compression.unfold(body)
            if unfolded is None:
                return None
            body = unfolded
        return _entry_of(_decode(body), flags)

    def _proof(self, head: bytes, name: str, body: bytes) -> bytes:
        named = name.encode("utf-8", "surrogatepass")
        # Its length is before the name, so that no name runs into a body.
        proved = b"".join((head, len(named).to_bytes(4, "big"), named, body))
        if self._secret is None:
            return sha256(proved).digest()
        return hmac.digest(self._secret, proved, "sha256")


def _checked(secret: bytes | str | None) -> bytes | None:
    if secret is None:
        return None
    written = secret.encode() if isinstance(secret, str) else bytes(secret)
    if len(written) < LEAST_SECRET_BYTES:
        raise BadSetup(
            f"Codec(secret=...): {len(written)} bytes are too few; use {LEAST_SECRET_BYTES} or "
            "more, such as secrets.token_hex(32) gives, and the same in every process"
        )
    return written


def _bound(compress_over: int | str | None) -> int | None:
    if compress_over is None:
        return None
    compression.require_zstd(f"Codec(compress_over={compress_over!r})")
    try:
        return parse_bytes(compress_over)
    except BadSetup:
        raise BadSetup(
            f'Codec(compress_over={compress_over!r}) is no size; write a number or text like "4KB"'
        ) from None


def _body_of(entry: Entry) -> tuple[int, bytes]:
    """The flags of the body, and the body."""
    value = entry.value
    try:
        if is_plain(value):
            try:
                return 0, _written(entry, value)
            except _NOT_IN_MESSAGE_PACK:
                pass
        else:
            try:
                return _TYPED, _written(entry, to_form(value))
            except _NOT_IN_MESSAGE_PACK:
                pass
        return _TYPED, _written(entry, to_form(value, is_sure=True))
    except Unstorable:
        raise
    except Exception as wrong:  # of the classes in it, or while somebody changes it
        raise Unstorable(
            f"a value of type {type_name(type(value))} cannot be written down: {wrong!r}"
        ) from wrong


def _written(entry: Entry, value: object) -> bytes:
    return _encode(
        (
            entry.made_at,
            entry.fresh_until,
            entry.stale_until,
            entry.tags,
            entry.version,
            entry.mark,
            value,
        )
    )


def _entry_of(body: _Body, flags: int) -> Entry | None:
    if not body.made_at < float("inf") or body.fresh_until != body.fresh_until:
        return None
    if body.stale_until != body.stale_until:  # not a number: its time would never be over
        return None
    return Entry(
        from_form(body.value) if flags & _TYPED else body.value,
        made_at=body.made_at,
        fresh_until=body.fresh_until,
        stale_until=body.stale_until,
        tags=body.tags,
        version=body.version,
        mark=body.mark,
    )
