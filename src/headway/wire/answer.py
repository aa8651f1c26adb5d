"""Reads along while an answer comes in, and says what it turned out to be."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import AnswerFacts
from .json_values import MOST_BYTES, NotJson, as_object, read_leniently
from .reading import Reading
from .reading_chat import ChatReading
from .reading_lists import CountReading, EmbeddingReading, ModelsReading, OtherReading
from .reading_messages import MessageReading
from .reading_responses import ResponseReading
from .request_facts import RequestFacts
from .sse import EventReader, ServerEvent

_OK = 200


class AnswerReader:
    """Takes the bytes of an answer, cut anywhere, and gives its facts at any time.

    The bytes must be decoded (no gzip). The same facts come out however they are cut. Of an answer
    that is no stream at most *max_bytes* are held, of a stream one event and its tool calls.
    """

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
        self._content_type = _content_type(headers)
        is_stream = _is_stream(self._content_type, request)
        self._events = EventReader() if is_stream else None
        self._body = bytearray()
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
            for event in self._events.feed(chunk):
                self._read_event(event)
        elif self._size <= self._max_bytes:
            self._body += chunk
        else:
            self._body.clear()
            self._flaw = f"it is longer than {self._max_bytes} bytes"

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
        return AnswerFacts(
            is_complete=why_incomplete is None,
            is_error=self._status >= 400 or reading.has_failed,
            may_keep=why_not is None,
            why_not=why_not,
            model=reading.model,
            usage=reading.usage,
            finish_reason=reading.finish_reason,
            tool_calls=reading.calls.done(),
            text_size=reading.text_size,
            first_content_at=self._first_content_at,
        )

    def _why_incomplete(self) -> str | None:
        if self._finished is None:
            return "it is still coming in"
        if not self._finished:
            return "the connection broke off"
        if self._events is not None and self._events.incomplete:
            return "the stream ended in the middle of an event"
        if self._events is not None and not self._reading.is_ended:
            return f"the stream ended without {self._reading.terminal}"
        return None if self._is_whole else "its body is not JSON"

    def _why_not(self) -> str | None:
        if self._status != _OK:
            return f"its status is {self._status}"
        if self._reading.has_failed:
            return "it reports an error"
        return self._flaw or self._reading.objection()

    def _read_event(self, event: ServerEvent) -> None:
        if event.data.startswith("[DONE]"):
            self._reading.read_done()
            return
        if self._reading.is_ended:
            if event.event != "ping":
                self._flaw = "the stream went on after its end"
            return
        try:
            value = as_object(read_leniently(event.data))
        except NotJson:
            value = {}
            self._flaw = "an event of the stream is not JSON"
        if self._reading.read_event(event.event, value) and self._first_content_at is None:
            self._first_content_at = event.start

    def _end_events(self, events: EventReader) -> None:
        for event in events.finish():
            self._read_event(event)
        if events.oversized:
            self._flaw = "an event of the stream is too large"

    def _read_body(self) -> None:
        if self._flaw is not None:
            return
        try:
            value = read_leniently(bytes(self._body))
        except NotJson:
            self._is_whole = self._wire == "other" or self._status != _OK
            return
        self._reading.read_body(value)
        if self._body and self._status == _OK and not self._reading.has_failed:
            self._first_content_at = 0


def _reading_for(request: RequestFacts) -> Reading:
    match request.wire:
        case "openai.chat":
            return ChatReading()
        case "openai.responses":
            return ResponseReading()
        case "openai.embeddings":
            return EmbeddingReading(request.message_count)
        case "anthropic.messages":
            return MessageReading()
        case "anthropic.count_tokens":
            return CountReading()
        case "models":
            return ModelsReading()
        case _:
            return OtherReading()


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_stream(content_type: str, request: RequestFacts) -> bool:
    """Some servers name no type, or plain text, for the stream that they were asked for."""
    if content_type == "text/event-stream":
        return True
    return request.streams and content_type in ("", "text/plain")
