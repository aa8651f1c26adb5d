"""JSON-RPC on lines: where messages begin and end, and a peek into them; bytes stay as they are."""

from __future__ import annotations

import json

import msgspec
from msgspec import UNSET, Raw, UnsetType

Id = int | str
"""What a request is known by; the two never mean each other, ``1`` is not ``"1"``."""

_BLANKS = b" \t\r"


class Lines:
    """Cuts a stream of bytes into lines, whatever the pieces it comes in; linear in its length."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that *piece* ends, each without its line feed."""
        if b"\n" not in piece:
            self._begun.append(piece)
            return []
        if self._begun:
            piece = b"".join([*self._begun, piece])
        *lines, rest = piece.split(b"\n")
        self._begun = [rest] if rest else []
        return lines

    def rest(self) -> bytes:
        """What came after the last line feed; called at the end of the stream."""
        rest, self._begun = b"".join(self._begun), []
        return rest


class Message(msgspec.Struct):
    """The parts of one message that say what it is, everything inside them unread.

    A request has ``id`` and ``method``, a notification ``method``, a response ``id`` and one of
    ``result`` and ``error``.
    """

    id: Raw | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Odd(Message):
    """A message that only lenient readers can read: no more is told of it than what it asks for.

    There is NaN in it, or half a surrogate pair, or its method is no text; or it nests so deep that
    not even these two are told.
    """


_message = msgspec.json.Decoder(Message)
_messages = msgspec.json.Decoder(list[Raw])
_id: msgspec.json.Decoder[Id] = msgspec.json.Decoder(int | str)


def peek(line: bytes) -> Message | list[bytes] | None:
    """The parts of the message on *line*, or the messages of a batch; None if it is no message."""
    is_batch = line.lstrip(_BLANKS).startswith(b"[")
    try:
        if is_batch:
            return _batch([bytes(raw) for raw in _messages.decode(line)])
        return _message.decode(line)
    except (msgspec.MsgspecError, ValueError):
        return _as_others_see(line)
    except RecursionError:
        return _too_deep(line)


def _batch(parts: list[bytes]) -> list[bytes] | None:
    return parts if parts and all(part.lstrip().startswith(b"{") for part in parts) else None


def _as_others_see(line: bytes) -> Message | list[bytes] | None:
    try:
        value: object = json.loads(line)
    except RecursionError:
        return _too_deep(line)
    except ValueError:
        return None
    if isinstance(value, list):
        return _batch([json.dumps(part).encode() for part in value])
    return _odd(value) if isinstance(value, dict) else None


def _too_deep(line: bytes) -> Message | None:
    return Odd() if line.lstrip(_BLANKS).startswith((b"{", b"[{")) else None


def _odd(value: dict[str, object]) -> Odd:
    id, method = value.get("id", UNSET), value.get("method")
    return Odd(
        id=UNSET if id is UNSET else Raw(json.dumps(id).encode()),
        method=method if isinstance(method, str) else UNSET,
        params=Raw(json.dumps(value["params"]).encode()) if "params" in value else UNSET,
    )


def identity(raw: Raw | UnsetType) -> Id | None:
    """The id that *raw* writes down, None if it is neither an integer nor a text."""
    if isinstance(raw, UnsetType):
        return None
    try:
        return _id.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        return None


def request(own_id: str, method: str, params: object) -> bytes:
    """A request as one line, its line feed included."""
    return _line({"jsonrpc": "2.0", "id": own_id, "method": method, "params": params})


def notification(method: str, params: object) -> bytes:
    """A notification as one line, its line feed included."""
    return _line({"jsonrpc": "2.0", "method": method, "params": params})


def response(asked: bytes, result: bytes) -> bytes:
    """The answer to the request whose id is written *asked*: *result* as it is, on one line."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (asked, result)


def _line(message: object) -> bytes:
    return msgspec.json.encode(message) + b"\n"
