"""Server-sent events: a reader for every legal framing, and a writer."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import BadSetup

MAX_EVENT_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_LF, _CR, _COLON = b"\n\r:"
_MOST_DIGITS = 16
_LINE_END = re.compile(r"\r\n|\n|\r")


class ServerEvent(NamedTuple):
    """One event of a stream.

    Attributes:
        event: Its name, or None.
        data: The lines of data, joined by line feeds.
        id: Its own id, or None.
        retry_ms: The time to wait before reconnecting, if it says one.
        start: Where its first line begins, in bytes from the start of the stream. Comments before
            it belong to no event.
        end: The first byte after the blank line that ends it.
    """

    event: str | None
    data: str
    id: str | None
    retry_ms: int | None
    start: int
    end: int


PlainEvents = tuple[list[bytes], list[bytes] | None]
"""Events as ``feed_plain`` gives them: their data, and their names if they have any."""

_USUAL_END = b"\n\n"


def size_as_usual(events: PlainEvents, count: int) -> int:
    """How many bytes the first *count* of *events* were written in."""
    data, names = events
    size = sum(map(len, data[:count])) + len(b"data: \n\n") * count
    if names is not None:
        size += sum(map(len, names[:count])) + len(b"event: \n") * count
    return size


def _nameless_events(stream: bytes) -> PlainEvents | None:
    if stream[:6] != b"data: ":
        return None
    lines = stream.count(b"\n")
    data = [stream[6:-2]] if lines == 2 else stream[6:-2].split(b"\n\ndata: ")
    return (data, None) if lines == 2 * len(data) else None


def _named_events(stream: bytes) -> PlainEvents | None:
    data: list[bytes] = []
    names: list[bytes] = []
    for event in stream[:-2].split(_USUAL_END):
        name, _, line = event.partition(b"\n")
        if name[:7] != b"event: " or line[:6] != b"data: " or b"\n" in line:
            return None
        names.append(name[7:])
        data.append(line[6:])
    return data, names


class EventReader:
    """Reads events from pieces of bytes, cut anywhere; linear in time, bounded in memory.

    Lines may end in CRLF, LF or CR, in any mixture; invalid UTF-8 becomes U+FFFD; a byte order mark
    is skipped. As the specification says, a block without data is no event. An event of more than
    *max_event_bytes* is dropped and counted in ``oversized``.

    A blank line that ends in CR right at the end of a piece waits for the next byte, because a LF
    there would still belong to it.

    Attributes:
        comments: Comment lines so far.
        oversized: Events dropped because of their size.
        incomplete: After ``finish``: the stream ended in the middle of an event.
        size: Bytes read so far.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.comments = 0
        self.oversized = 0
        self.incomplete = False
        self.size = 0
        self._max_event_bytes = max_event_bytes
        self._part = bytearray()  # of the line that has not ended yet
        self._line_at = 0
        self._after_cr = False  # a LF at the start of the next piece belongs to the last line
        self._blank_waits = False  # ... which is blank and ends an event
        self._event_at: int | None = None
        self._data: list[bytes] = []
        self._event: str | None = None
        self._id: str | None = None
        self._retry_ms: int | None = None

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that are complete with *data*, in their order."""
        events: list[ServerEvent] = []
        if not data:
            return events
        if self._after_cr:
            data = self._pass_lf(data, events)
        lines = data.splitlines(keepends=True)
        last = lines.pop() if lines and not data.endswith(b"\n") else b""
        for line in lines:
            self.size += len(line)
            self._end_line(line.rstrip(b"\r\n"), events)
        if last:
            self.size += len(last)
            self._keep_last(last, events)
        return events

    @property
    def is_under_way(self) -> bool:
        """Whether a line or an event has begun that has not ended, or may not have."""
        return bool(self._part) or self._event_at is not None or self._after_cr

    def feed_plain(self, data: bytes) -> PlainEvents | None:
        """The events of *data* if there are only whole ones, written as is usual.

        That is one line of data, perhaps after a name (all events have one, or none has), no
        comment, and every line ends in LF. Or else None, and nothing is read. ``feed`` reads the
        same of it, and takes longer.
        """
        if data[-2:] != _USUAL_END or len(data) > self._max_event_bytes:
            return None
        if self._part or self._event_at is not None or self._after_cr or b"\r" in data:
            return None
        events = _named_events(data) if data[:1] == b"e" else _nameless_events(data)
        if events is not None:
            self.size += len(data)
            self._line_at = self.size
        return events

    def finish(self) -> list[ServerEvent]:
        """Say that no bytes will follow; gives the last event if it only waited for a LF."""
        events: list[ServerEvent] = []
        if self._blank_waits:
            self._blank_waits = False
            self._end_event(events)
        rest = bytes(self._part[:4])
        if self._line_at == 0:
            rest = rest.removeprefix(_BOM)
        self.incomplete = self._event_at is not None or rest[:1] not in (b"", b":")
        return events

    def _pass_lf(self, data: bytes, events: list[ServerEvent]) -> bytes:
        self._after_cr = False
        if data[0] == _LF:
            data = data[1:]
            self.size += 1
            self._line_at = self.size
        if self._blank_waits:
            self._blank_waits = False
            self._end_event(events)
        return data

    def _keep_last(self, line: bytes, events: list[ServerEvent]) -> None:
        if line[-1] != _CR:
            self._keep_part(line)
            return
        self._after_cr = True
        if len(line) == 1 and not self._part:
            self._line_at = self.size
            self._blank_waits = True
        else:
            self._end_line(line[:-1], events)

    def _keep_part(self, part: bytes) -> None:
        """Remember the beginning of a line; of a comment, and of what is too long, only a sign."""
        line = self._part
        line += part
        sign = line[3:4] if self._line_at == 0 and line.startswith(_BOM) else line[:1]
        if sign == b":":
            line[:] = sign
        elif self._is_oversized(self._line_at):
            line[:] = b"?"
            self._data.clear()

    def _end_line(self, content: bytes, events: list[ServerEvent]) -> None:
        """Read the line that ends at ``size``; *content* is what was not kept of it before."""
        begun_at, self._line_at = self._line_at, self.size
        if self._part:
            content = bytes(self._part) + content
            self._part.clear()
        if begun_at == 0:
            content = content.removeprefix(_BOM)
        if not content:
            self._end_event(events)
        elif content[0] == _COLON:
            self.comments += 1
        else:
            self._read_field(content, begun_at)

    def _read_field(self, content: bytes, begun_at: int) -> None:
        if self._event_at is None:
            self._event_at = begun_at
        if self._is_oversized(begun_at):
            self._data.clear()
            return
        name, _, value = content.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) < _MOST_DIGITS:
            self._retry_ms = int(value)

    def _is_oversized(self, line_at: int) -> bool:
        begun_at = line_at if self._event_at is None else self._event_at
        return self.size - begun_at > self._max_event_bytes

    def _end_event(self, events: list[ServerEvent]) -> None:
        begun_at = self._event_at
        if begun_at is None:
            return
        if self._is_oversized(begun_at):
            self.oversized += 1
        elif self._data:
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(
                ServerEvent(self._event, data, self._id, self._retry_ms, begun_at, self._line_at)
            )
        self._forget_event()

    def _forget_event(self) -> None:
        self._event_at = self._event = self._id = self._retry_ms = None
        self._data = []


def write_event(data: str, *, event: str | None = None, id: str | None = None) -> bytes:
    """The bytes of one event, which ``EventReader`` reads as it was.

    A carriage return in *data* arrives as a line feed: the format has no way to write it.

    Raises:
        BadSetup: *event* or *id* does not fit on one line, or *id* holds a NUL.
    """
    lines = [f"{name}: {value}" for name, value in (("event", event), ("id", id)) if value]
    if any(map(_LINE_END.search, lines)) or "\0" in (id or ""):
        raise BadSetup(
            f"an event's name and id are one line of text without NUL; got {event!r} and {id!r}"
        )
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode("utf-8")
