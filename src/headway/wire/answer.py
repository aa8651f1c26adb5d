"""Reads along while an answer comes in, and says what it turned out to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .facts import AnswerFacts, Wire, shared
from .json_values import MOST_BYTES, NotJson
from .reading import Reading
from .reading_chat import ChatReading
from .reading_lists import CountReading, EmbeddingReading, ModelsReading, OtherReading
from .reading_messages import MessageReading
from .reading_responses import ResponseReading
from .request_facts import RequestFacts
from .sse import EventReader, PlainEvents, ServerEvent, size_as_usual

_OK = 200
_USUAL_END = b"\n\n"
_DONE, _DONE_TEXT = b"[DONE]", "[DONE]"


class AnswerReader:
    """Takes the bytes of an answer, cut anywhere, and gives its facts at any time.

    The bytes must be decoded (no gzip). The same facts come out however they are cut. Of an answer
    that is no stream at most *max_bytes* are held, of a stream one event and its tool calls.
    """

    __slots__ = (
        "_body",
        "_events",
        "_finished",
        "_first_content_at",
        "_flaw",
        "_is_whole",
        "_max_bytes",
        "_reading",
        "_size",
        "_status",
        "_wire",
    )

    def __init__(
        self,
        request: RequestFacts,
        status: int,
        headers: Mapping[str, str],
        *,
        max_bytes: int = MOST_BYTES,
    ) -> None:
        self._status = status
        self._wire = request.wire
        self._reading = _reading_for(request)
        self._events = EventReader() if _is_stream(headers, request) else None
        self._body: bytes | bytearray = b""  # if it is no stream
        self._max_bytes = max_bytes
        self._size = 0
        self._first_content_at: int | None = None
        self._finished: bool | None = None  # None while it comes in, then whether it ended cleanly
        self._is_whole = True  # a body that is no stream could be parsed
        self._flaw: str | None = None

    @property
    def first_content_at(self) -> int | None:
        """Where the first content begins, as soon as it has come in; cheap to ask."""
        return self._first_content_at

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes."""
        if self._finished is not None:
            return
        self._size += len(chunk)
        if self._events is not None:
            begun_at = self._events.size
            plain = self._events.feed_plain(chunk)
            if plain is None:
                self._read_cut(self._events, chunk)
            else:
                self._read_plain(plain, begun_at)
        elif self._size <= self._max_bytes:
            self._body = self._with(chunk) if self._body else chunk
        else:
            self._body = b""
            self._flaw = f"it is longer than {self._max_bytes} bytes"

    def _with(self, chunk: bytes) -> bytearray:
        body = bytearray(self._body) if isinstance(self._body, bytes) else self._body
        body += chunk
        return body

    def finish(self, *, clean: bool = True) -> AnswerFacts:
        """The facts of the whole answer.

        Args:
            clean: All bytes came that were promised; False if the connection broke off.
        """
        if self._finished is None:
            self._finished = clean
            if self._events is None:
                self._read_body()
            else:
                self._end_events(self._events)
        return self.facts()

    def facts(self) -> AnswerFacts:
        """What is known so far."""
        reading = self._reading
        why_incomplete = self._why_incomplete()
        why_not = why_incomplete or self._why_not()
        model, finish_reason = shared(reading.model, reading.finish_reason)
        return AnswerFacts(
            why_incomplete is None,
            self._status >= 400 or reading.has_failed,
            why_not is None,
            why_not,
            model,
            reading.usage,
            finish_reason,
            reading.tool_calls(),
            reading.text_size,
            self._first_content_at,
        )

    def _why_incomplete(self) -> str | None:
        if not self._finished:
            return "it is still coming in" if self._finished is None else "the connection broke off"
        if self._events is None:
            return None if self._is_whole else "its body is not JSON"
        if self._events.incomplete:
            return "the stream ended in the middle of an event"
        if not self._reading.is_ended:
            return f"the stream ended without {self._reading.terminal}"
        return None

    def _why_not(self) -> str | None:
        if self._status != _OK:
            return f"its status is {self._status}"
        if self._reading.has_failed:
            return "it reports an error"
        return self._flaw or self._reading.objection()

    def _read_cut(self, events: EventReader, chunk: bytes) -> None:
        """Read *chunk* in the quick way where it holds whole events, elsewhere in the other one."""
        begun = chunk.find(_USUAL_END) + 2 if events.is_under_way else 0
        ended = chunk.rfind(_USUAL_END) + 2
        if ended < len(_USUAL_END):
            self._read_any(events, chunk)
            return
        if begun:
            self._read_any(events, chunk[:begun])
        whole, begun_at = chunk[begun:ended], events.size
        plain = events.feed_plain(whole)
        if plain is None:
            self._read_any(events, whole)
        else:
            self._read_plain(plain, begun_at)
        if ended < len(chunk):
            self._read_any(events, chunk[ended:])

    def _read_plain(self, events: PlainEvents, begun_at: int) -> None:
        all_data, names = events
        for position, data in enumerate(all_data):
            name = None if names is None else names[position].decode("utf-8", "replace")
            if self._has_content(name, data) and self._first_content_at is None:
                self._first_content_at = begun_at + size_as_usual(events, position)

    def _read_any(self, events: EventReader, chunk: bytes) -> None:
        for event in events.feed(chunk):
            self._read_event(event)

    def _read_event(self, event: ServerEvent) -> None:
        if self._has_content(event.event, event.data) and self._first_content_at is None:
            self._first_content_at = event.start

    def _has_content(self, name: str | None, data: bytes | str) -> bool:
        """Read an event; whether it holds content of the answer."""
        reading = self._reading
        if data[:6] == (_DONE_TEXT if isinstance(data, str) else _DONE):
            reading.read_done()
        elif reading.is_ended:
            if name != "ping":
                self._flaw = "the stream went on after its end"
        else:
            try:
                return reading.read_data(name, data)
            except NotJson:
                self._flaw = "an event of the stream is not JSON"
                return reading.read_event(name, {})
        return False

    def _end_events(self, events: EventReader) -> None:
        for event in events.finish():
            self._read_event(event)
        if events.oversized:
            self._flaw = "an event of the stream is too large"

    def _read_body(self) -> None:
        if self._flaw is not None:
            return
        body = bytes(self._body)
        try:
            self._reading.read_whole(body)
        except NotJson:
            self._is_whole = self._wire == "other" or self._status != _OK
            return
        if body and self._status == _OK and not self._reading.has_failed:
            self._first_content_at = 0


def _reading_for(request: RequestFacts) -> Reading:
    if request.wire == "openai.embeddings":
        return EmbeddingReading(request.message_count)
    return _READINGS[request.wire]()


_READINGS: dict[Wire, Callable[[], Reading]] = {
    "openai.chat": ChatReading,
    "openai.responses": ResponseReading,
    "anthropic.messages": MessageReading,
    "anthropic.count_tokens": CountReading,
    "models": ModelsReading,
    "other": OtherReading,
}


def _is_stream(headers: Mapping[str, str], request: RequestFacts) -> bool:
    """Some servers name no type, or plain text, for the stream that they were asked for."""
    kind = headers.get("content-type", "")
    if kind == "application/json":
        return False
    kind = kind.partition(";")[0].strip().lower()
    return kind == "text/event-stream" or (request.streams and kind in ("", "text/plain"))
