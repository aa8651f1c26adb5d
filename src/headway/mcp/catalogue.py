"""What the tools of a server do: told by the user, else learnt from the server's own lists."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from ..tools import UNKNOWN, Effects, effects_of_hints
from ..tools.overrides import Override, override_of
from ..tools.templates import MISSING

log = logging.getLogger("headway.mcp")

Arguments = Mapping[str, object]


class _Hints(msgspec.Struct, rename="camel"):
    read_only_hint: object = None
    destructive_hint: object = None


class _Tool(msgspec.Struct):
    name: str
    annotations: _Hints | None = None


class _Page(msgspec.Struct, rename="camel"):
    tools: list[_Tool]
    next_cursor: str | None = None


_page: Final = msgspec.json.Decoder(_Page)


class Catalogue:
    """What is known of a server's tools; one that nobody has declared may write anything.

    Args:
        reads: names or patterns (``"get_*"``) of tools that read, whatever the server says.
        writes: likewise of tools that write. An exact name counts more than a pattern, and among
            equals a write more than a read. After these comes ``[tools]`` of ``headway.toml``.
        server: who the server is; part of the resources that its tools read.
    """

    def __init__(
        self, reads: Sequence[str] = (), writes: Sequence[str] = (), *, server: str = "here"
    ) -> None:
        self._undeclared = f"mcp/{server}/undeclared"
        self._reading = Effects(reads=(self._undeclared,))
        self._told = _told(reads, self._reading, writes)
        self._overrides: dict[str, Override | None] = {}
        self._known: dict[str, Effects] = {}
        self._fresh: dict[str, Effects] = {}
        self._awaited: str | None = None
        self.edition = 0
        """Changes when the server says that its tools have changed."""
        self.is_complete = False

    def effects(self, tool: str, arguments: Arguments) -> Effects | None:
        """What a call of *tool* reads and writes; None if the server has to be asked."""
        told = next((does for name, does in self._told if fnmatchcase(tool, name)), None)
        if told is not None:
            return told
        override = self.override(tool)
        if override is not None and override.declaration is not None:
            return self._declared(tool, override, arguments)
        return self._known.get(tool, UNKNOWN if self.is_complete else None)

    def override(self, tool: str) -> Override | None:
        """What ``headway.toml`` says of *tool*."""
        if tool not in self._overrides:
            self._overrides[tool] = override_of(tool)
        return self._overrides[tool]

    def is_kept(self, tool: str) -> bool:
        """Whether answers of *tool*, if it reads, may be kept."""
        override = self.override(tool)
        return override is None or override.cache

    def _declared(self, tool: str, override: Override, arguments: Arguments) -> Effects:
        assert override.declaration is not None
        try:
            said = override.declaration.effects(lambda name: arguments.get(name, MISSING))
        except Exception as wrong:
            log.warning("a call of %s counts as a write of anything: %s", tool, wrong)
            return UNKNOWN
        if said.is_read or said.exclusive:
            return said
        # What nobody has declared may have read what this writes.
        return Effects(said.reads, (*said.writes, self._undeclared))

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
            self._note(tool)
        if follows:
            self._awaited = page.next_cursor
            if page.next_cursor is None:
                self._known, self.is_complete = dict(self._fresh), True
        return page.next_cursor

    def _note(self, tool: _Tool) -> None:
        """One name with two meanings is the more careful of them."""
        hints = tool.annotations or _Hints()
        effects = effects_of_hints(
            hints.read_only_hint is True,
            destructive=hints.destructive_hint is True,
            reads=self._reading.reads,
        )
        is_twice = self._fresh.get(tool.name) == UNKNOWN
        self._known[tool.name] = self._fresh[tool.name] = UNKNOWN if is_twice else effects


def _told(
    reads: Sequence[str], reading: Effects, writes: Sequence[str]
) -> list[tuple[str, Effects]]:
    told = [(pattern, UNKNOWN) for pattern in writes] + [(pattern, reading) for pattern in reads]
    return sorted(told, key=lambda each: any(letter in each[0] for letter in "*?["))


def _read(result: Raw | UnsetType) -> _Page | None:
    if isinstance(result, UnsetType):
        return None
    try:
        return _page.decode(result)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
