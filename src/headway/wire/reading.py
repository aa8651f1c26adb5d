"""What the readers of all wires share: the state of an answer, and tool calls in the making."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import msgspec

from .facts import UNKNOWN, ToolCall
from .json_values import as_list, as_object, as_text, read_leniently

_T = TypeVar("_T")
MOST_TOOL_TEXT = 16 * 1024 * 1024
_COST_OF_A_CALL = 200


class Reading:
    """An answer as far as it has been read; one subclass for each wire.

    Attributes:
        is_ended: The event came that ends the stream.
        has_failed: The answer reports an error.
        terminal: What the stream has to end with, in words.
    """

    terminal = "its last event"
    model: str | None = None
    usage = UNKNOWN
    finish_reason: str | None = None
    text_size = 0
    is_ended = False
    has_failed = False
    _calls: CallDrafts | None = None

    @property
    def calls(self) -> CallDrafts:
        """The tool calls that it asks for, to be added to."""
        if self._calls is None:
            self._calls = CallDrafts()
        return self._calls

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that it asks for, as far as they have come in."""
        return () if self._calls is None else self._calls.done()

    def read_data(self, name: str | None, data: bytes | str) -> bool:
        """Read the data of one event, as it was sent; whether it holds content of the answer.

        Raises:
            NotJson: it cannot be read.
        """
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        return self.read_event(name, as_object(read_leniently(text)))

    def read_event(self, name: str | None, value: dict[str, object]) -> bool:
        """Read the value of one event; whether it holds content of the answer."""
        self.has_failed = self.has_failed or name == "error" or reports_error(value)
        return False

    def read_done(self) -> None:
        """Note the event ``[DONE]``, which ends chats and means nothing elsewhere."""

    def read_whole(self, body: bytes) -> None:
        """Read the bytes of an answer that is no stream.

        Raises:
            NotJson: they cannot be read.
        """
        self.read_body(read_leniently(body))

    def read_body(self, value: object) -> None:
        """Read the value of an answer that is no stream."""

    def objection(self) -> str | None:
        """Why the answer, complete and without error, may not be kept; None if it may."""
        return None if self._calls is None else self._calls.objection()

    def add_text(self, value: object) -> bool:
        """Count *value* if it is text of the answer; whether there is any."""
        size = len(value if isinstance(value, str) else _text_of_parts(value))
        self.text_size += size
        return size > 0


def _text_of_parts(value: object) -> str:
    return "".join(as_text(as_object(part).get("text")) or "" for part in as_list(value))


def reports_error(value: dict[str, object]) -> bool:
    """Whether a body or an event is a provider's report of a failure."""
    return value.get("error") not in (None, False) or value.get("type") == "error"


def decode_usual(decode: Callable[[bytes], _T], body: bytes) -> _T | None:
    """*body* decoded straight into what counts of it; None if it does not fit in, or is no JSON."""
    try:
        if not body.isascii():
            body.decode("utf-8")  # what is passed over has to be text as well
        return decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


class CallDrafts:
    """Tool calls that come in pieces, several at a time, each under its own place."""

    def __init__(self, without_arguments: str = "") -> None:
        self._without_arguments = without_arguments
        self._drafts: dict[Hashable, _Draft] = {}
        self._size = 0

    def knows(self, place: Hashable) -> bool:
        """Whether a call has begun at *place*."""
        return place in self._drafts

    def add(
        self,
        place: Hashable,
        *,
        id: object = None,
        name: object = None,
        piece: object = None,
        whole: object = None,
    ) -> None:
        """Take in what came for the call at *place*; *whole* replaces its pieces."""
        draft = self._drafts.get(place)
        if draft is None:
            if not self._fits(_COST_OF_A_CALL):
                return
            draft = self._drafts[place] = _Draft()
        if isinstance(id, str) and id and self._fits(len(id)):
            draft.id = id
        if isinstance(name, str) and name and self._fits(len(name)):
            draft.name = name
        if isinstance(whole, str) and self._fits(len(whole)):
            draft.pieces = [whole]
        elif isinstance(piece, str) and self._fits(len(piece) + 1):
            draft.pieces.append(piece)

    def _fits(self, size: int) -> bool:
        self._size += size
        return self._size <= MOST_TOOL_TEXT

    def objection(self) -> str | None:
        """Why these calls cannot be relied on."""
        return "its tool calls are too long to read" if self._size > MOST_TOOL_TEXT else None

    def done(self) -> tuple[ToolCall, ...]:
        """The calls in the order in which they began."""
        return tuple(
            ToolCall(draft.id, draft.name, "".join(draft.pieces) or self._without_arguments)
            for draft in self._drafts.values()
            if draft.name
        )


class _Draft:
    __slots__ = ("id", "name", "pieces")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.pieces: list[str] = []
