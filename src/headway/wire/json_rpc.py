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


_message = msgspec.json.Decoder(Message)
_messages = msgspec.json.Decoder(list[Raw])
_id: msgspec.json.Decoder[Id] = msgspec.json.Decoder(int | str)


def peek(line: bytes) -> Message | list[bytes] | None:
    """The parts of the message on *line*, or the messages of a batch; None if it is none of these.

    None says only that nothing can be told of it: see ``is_message``.
    """
    try:
        if line.lstrip(_BLANKS).startswith(b"["):
            return [bytes(raw) for raw in _messages.decode(line)]
        return _message.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def is_message(line: bytes) -> bool:
    """Whether *line* is a JSON object or a batch of them, as lenient readers see it."""
    if not line.lstrip(_BLANKS).startswith((b"{", b"[")):
        return False
    seen = peek(line)
    if seen is None:
        return _is_read_by_others(line)
    return isinstance(seen, Message) or _are_objects(seen)


def _is_read_by_others(line: bytes) -> bool:
    """NaN, a method that is no text, half a surrogate pair: odd, but for its reader to judge."""
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) or (isinstance(value, list) and _are_dicts(value))


def _are_dicts(values: list[object]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _are_objects(parts: list[bytes]) -> bool:
    return bool(parts) and all(part.lstrip().startswith(b"{") for part in parts)


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
