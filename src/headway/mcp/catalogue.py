"""Which tools of a server only read: told by the user, else learnt from the server's own lists."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec
from msgspec import Raw, UnsetType

Kind = Literal["read", "write"]


class _Annotations(msgspec.Struct):
    readOnlyHint: object = None  # noqa: N815 - as it is written on the wire


class _Tool(msgspec.Struct):
    name: str
    annotations: _Annotations | None = None


class _Page(msgspec.Struct):
    tools: list[_Tool]
    nextCursor: str | None = None  # noqa: N815 - as it is written on the wire


_page = msgspec.json.Decoder(_Page)


class Catalogue:
    """What is known of a server's tools; what nobody has declared to read is a write.

    Args:
        reads: names or patterns (``"get_*"``) of tools that read, whatever the server says.
        writes: likewise of tools that write. An exact name counts more than a pattern, and among
            equals a write more than a read.
    """

    def __init__(self, reads: Sequence[str] = (), writes: Sequence[str] = ()) -> None:
        self._told = _told(reads, writes)
        self._known: dict[str, Kind] = {}
        self._fresh: dict[str, Kind] = {}
        self._awaited: str | None = None
        self.edition = 0
        """Changes when the server says that its tools have changed."""
        self.is_complete = False

    def kind(self, tool: str) -> Kind | None:
        """Whether *tool* reads or writes; None if the server has to be asked."""
        if (told := self._told_of(tool)) is not None:
            return told
        return self._known.get(tool, "write" if self.is_complete else None)

    def _told_of(self, tool: str) -> Kind | None:
        matches = (kind for pattern, kind in self._told if fnmatchcase(tool, pattern))
        return next(matches, None)

    def forget(self) -> None:
        """Know nothing any more: the server has said that its tools have changed."""
        self.edition += 1
        self._known, self._fresh, self._awaited, self.is_complete = {}, {}, None, False

    def give_up(self) -> None:
        """Take what is known for all there is: the server cannot be asked."""
        self.is_complete = True

    def learn(self, result: Raw | UnsetType, cursor: str | None, edition: int) -> str | None:
        """Learn from a page of the list, asked for with *cursor*; the cursor of the next, if any.

        A page that was asked for in an earlier *edition* teaches nothing.
        """
        page = _read(result)
        if page is None or edition != self.edition:
            return None
        follows = cursor is None or cursor == self._awaited
        if cursor is None:
            self._fresh = {}
        for tool in page.tools:
            _note(self._known, tool)
            _note(self._fresh, tool)
        if follows:
            self._awaited = page.nextCursor
            if page.nextCursor is None:
                self._known, self.is_complete = dict(self._fresh), True
        return page.nextCursor


def _told(reads: Sequence[str], writes: Sequence[str]) -> list[tuple[str, Kind]]:
    told: list[tuple[str, Kind]] = [(pattern, "write") for pattern in writes]
    told += [(pattern, "read") for pattern in reads]
    return sorted(told, key=lambda each: any(letter in each[0] for letter in "*?["))


def _read(result: Raw | UnsetType) -> _Page | None:
    if isinstance(result, UnsetType):
        return None
    try:
        return _page.decode(result)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _note(known: dict[str, Kind], tool: _Tool) -> None:
    """One name with two meanings is the more careful of them."""
    reads = tool.annotations is not None and tool.annotations.readOnlyHint is True
    if not reads or known.get(tool.name) == "write":
        known[tool.name] = "write"
    else:
        known[tool.name] = "read"
