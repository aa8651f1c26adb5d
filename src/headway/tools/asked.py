"""From the calls of a batch to what can be run: tools found, arguments read, references noted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

import msgspec

from .. import settings
from ..call import Call, Operation
from ..errors import BadSetup, HeadwayError, NoKey
from . import references
from .effects import UNKNOWN, Effects
from .known_tool import KnownTool, Tool
from .outcome import ToolCall, name_of
from .plan import Ask
from .veiled import effects_before_values

Tools = Mapping[str, Tool] | Iterable[Tool]


class Asked:
    """One call of a batch: the request to make, or why none can be made."""

    __slots__ = ("arguments", "ask", "call", "known", "refusal", "request")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.known: KnownTool | None = None
        self.arguments: dict[str, object] = {}
        self.request: Call | None = None
        self.ask = _NOTHING
        self.refusal: Exception | None = None

    @property
    def operation(self) -> Operation | None:
        """The tool's operation; None if there is no such tool."""
        return None if self.known is None else self.known.operation

    def filled(self, value_of: Callable[[references.Reference], object]) -> Call:
        """The request, once the calls that it refers to have their values."""
        known = self.known
        assert known is not None, self.refusal
        arguments = {
            name: references.filled(value, value_of) for name, value in self.arguments.items()
        }
        return Call(known.way(self.ask.effects), known.first, arguments)


_NOTHING = Ask(Effects())


class Desk:
    """Reads calls; a tool is looked up once for a batch.

    Args:
        tools: the tools that calls may name.
        skip_cache: equal reads do not run once, and kept answers are not asked for.
        share_writes: equal writes, with nothing in between, run once.
        always_run: names of tools of which every call runs.
    """

    def __init__(
        self,
        tools: Tools | None,
        *,
        skip_cache: bool,
        share_writes: bool,
        always_run: Collection[str],
    ) -> None:
        self._named = _by_name(tools)
        self._known: dict[object, KnownTool] = {}
        off = settings.off_at_construction() or settings.switched_off
        self._skip_cache = skip_cache
        self._shares_reads, self._shares_writes = not (off or skip_cache), share_writes and not off
        self._always_run = _names(always_run)

    def read(self, calls: Sequence[ToolCall]) -> list[Asked]:
        """What is asked by each call; one that cannot be made has its ``refusal``.

        Raises:
            BadSetup: two calls have one id, or a reference leads to no earlier call.
        """
        names = references.Names(_ids(calls))
        return [self._read(call, place, names) for place, call in enumerate(calls)]

    def _read(self, call: ToolCall, place: int, names: references.Names) -> Asked:
        asked = Asked(call)
        try:
            arguments = _parsed(call)
        except ValueError as wrong:
            asked.refusal = wrong
            return asked
        refers_to: tuple[int, ...] = ()
        if not call.literal and any(type(value) not in _PLAIN for value in arguments.values()):
            try:
                arguments = {
                    name: references.read(value, names, place) for name, value in arguments.items()
                }
            except RecursionError:
                asked.refusal = BadSetup(f"{call.name}: the arguments nest too deep")
                return asked
            refers_to = tuple(dict.fromkeys(references.places(arguments)))
        asked.arguments = arguments
        try:
            asked.known = known = self._tool(call)
            asked.ask = self._ask(known, asked, refers_to)
        except Exception as wrong:  # of the tool's own reckoning of effects or of its key
            asked.refusal = _not_made(call, wrong)
            asked.ask = Ask(Effects(), None, refers_to)
        return asked

    def _ask(self, known: KnownTool, asked: Asked, refers_to: tuple[int, ...]) -> Ask:
        arguments = asked.arguments
        if refers_to:
            effects = effects_before_values(known.effects, known.first, arguments)
        elif known.effects is None:
            effects = UNKNOWN
        else:
            effects = known.effects(*known.first, **arguments)
        if not refers_to:
            asked.request = Call(known.way(effects), known.first, arguments)
        shares = self._shares_reads if effects.is_read else self._shares_writes
        if not shares or known.name in self._always_run:
            return Ask(effects, None, refers_to)
        return Ask(effects, _key(known, asked), refers_to)

    def _tool(self, call: ToolCall) -> KnownTool:
        tool = call.tool
        by = tool if isinstance(tool, str) else id(tool)
        known = self._known.get(by)
        if known is None:
            found = self._find(tool) if isinstance(tool, str) else tool
            known = self._known.get(id(found)) or KnownTool(
                call.name, found, skips_cache=self._skip_cache
            )
            self._known[by] = self._known[id(found)] = known
        return known

    def _find(self, name: str) -> Tool:
        found = self._named.get(name) or self._by_full_name(name)
        if found is None:
            there = ", ".join(self._named) or "none; give them by tools="
            raise BadSetup(f"there is no tool {name!r}; there are {there}")
        return found

    def _by_full_name(self, name: str) -> Tool | None:
        """The tool that receipts and settings call *name*."""
        tools = self._named.values()
        operations = ((tool, getattr(tool, "operation", None)) for tool in tools)
        return next((tool for tool, of in operations if of is not None and of.name == name), None)


_PLAIN = frozenset({int, float, bool, type(None)})


def _by_name(tools: Tools | None) -> dict[str, Tool]:
    if tools is None:
        return {}
    if isinstance(tools, Mapping):
        return dict(tools)
    if callable(tools):
        raise BadSetup(f"tools={tools!r}: give a list of tools, or names and tools as a dict")
    named: dict[str, Tool] = {}
    for tool in tools:
        if not callable(tool):
            raise BadSetup(f"tools=: {tool!r} is no tool; give functions")
        name = name_of(tool)
        if named.setdefault(name, tool) is not tool:
            raise BadSetup(f"tools=: two tools are called {name!r}; give a dict of other names")
    return named


def _names(names: Collection[str]) -> frozenset[str]:
    if isinstance(names, str):
        raise BadSetup(f"always_run={names!r} would be one tool a letter; write ({names!r},)")
    return frozenset(names)


def _ids(calls: Sequence[ToolCall]) -> list[str]:
    ids = [call.id for call in calls]
    if len(set(ids)) < len(ids):
        twice = next(id for place, id in enumerate(ids) if id in ids[:place])
        raise BadSetup(
            f"two calls of the batch have the id {twice!r}; a result is sent back by its id, so "
            "give each call its own"
        )
    return ids


def _parsed(call: ToolCall) -> dict[str, object]:
    arguments = call.arguments
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments or "{}")
        except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
            raise BadSetup(f"{call.name}: the arguments are no JSON: {wrong}") from None
    if not isinstance(arguments, Mapping):
        raise BadSetup(
            f"{call.name}: the arguments are no object of names and values but "
            f"{type(arguments).__name__}"
        )
    return arguments if type(arguments) is dict else dict(arguments)


def _key(known: KnownTool, asked: Asked) -> Hashable:
    """Equal for equal questions to the same tool; None if the question has no key."""
    if asked.request is None:
        try:
            return known.operation, known.operation.key_of(known.first, asked.arguments)
        except Exception:  # of a key function that looked into an argument that is not there yet
            return None
    try:
        return known.operation, asked.request.key
    except NoKey:
        return None


def _not_made(call: ToolCall, wrong: Exception) -> Exception:
    if isinstance(wrong, HeadwayError):
        return wrong
    made = BadSetup(f"{call.name}: the arguments do not fit: {wrong}")
    made.__cause__ = wrong
    return made
