"""From the calls of a batch to what can be run: tools found, arguments read, references noted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

import msgspec

from .. import settings
from ..call import Call, Operation, Place
from ..errors import BadSetup, HeadwayError, NoKey
from ..policies.decorator import build
from . import references
from .effects import UNKNOWN, Effects
from .outcome import ToolCall, name_of
from .plan import Ask

Tool = Callable[..., Any]
Tools = Mapping[str, Tool] | Iterable[Tool]


class _Known:
    """A tool as a batch uses it.

    ``first`` is what stands before the arguments: the object, if the tool is a bound method.
    """

    __slots__ = ("effects", "first", "fresh", "name", "operation")

    def __init__(self, name: str, tool: Tool, *, skips_cache: bool) -> None:
        found = getattr(tool, "operation", None)
        is_operation = isinstance(found, Operation)
        self.name = name
        self.operation = found if isinstance(found, Operation) else _as_operation(name, tool)
        self.fresh = _uncached(self.operation) if skips_cache else self.operation
        self.first = (tool.__self__,) if is_operation and inspect.ismethod(tool) else ()
        effects = getattr(tool, "effects", None)
        self.effects: Callable[..., Effects] | None = effects if callable(effects) else None

    def way(self, effects: Effects) -> Operation:
        """The operation to ask: writes are never let past what makes results void."""
        return self.fresh if effects.is_read else self.operation


class Asked:
    """One call of a batch: the request to make, or why none can be made."""

    __slots__ = ("arguments", "ask", "call", "known", "refusal", "request")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.known: _Known | None = None
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
        self._known: dict[object, _Known] = {}
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

    def _ask(self, known: _Known, asked: Asked, refers_to: tuple[int, ...]) -> Ask:
        arguments = asked.arguments
        if refers_to:
            effects = _effects_before_values(known, arguments)
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

    def _tool(self, call: ToolCall) -> _Known:
        tool = call.tool
        by = tool if isinstance(tool, str) else id(tool)
        known = self._known.get(by)
        if known is None:
            found = self._find(tool) if isinstance(tool, str) else tool
            known = self._known.get(id(found)) or _Known(
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


def _uncached(operation: Operation) -> Operation:
    """*operation* without what keeps answers."""
    policies = [one for one in operation.policies if one.place is not Place.CACHE]
    if len(policies) == len(operation.policies):
        return operation
    fresh = Operation(
        operation.run,
        policies,
        name=operation.name,
        version=operation.version,
        kind=operation.kind,
        keeps=operation.keeps,
    )
    fresh.key_of, fresh.identity = operation.key_of, operation.identity
    return fresh


def _as_operation(name: str, tool: Tool) -> Operation:
    """An operation of a callable that is none: watched, with nothing else around it."""
    if not (inspect.isfunction(tool) or inspect.ismethod(tool) or inspect.isbuiltin(tool)):
        called = tool

        async def run(**arguments: object) -> object:
            answer = called(**arguments)
            return await answer if inspect.isawaitable(answer) else answer

        tool = run
    return build(tool, (), name=name, kind="tool")


def _key(known: _Known, asked: Asked) -> Hashable:
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


def _effects_before_values(known: _Known, arguments: dict[str, object]) -> Effects:
    """What a call does whose arguments are not all known yet: anything, if nobody can tell."""
    if known.effects is None:
        return UNKNOWN
    veiled = {name: _veiled(value) for name, value in arguments.items()}
    try:
        return known.effects(*known.first, **veiled)
    except _LookedAt:
        return UNKNOWN


def _veiled(value: object) -> object:
    """*value* with ``VEILED`` for what stands for a value that is not there yet."""
    if isinstance(value, references.Reference | references.Text):
        return VEILED
    if isinstance(value, dict):
        return {key: _veiled(of_key) for key, of_key in value.items()}
    return [_veiled(item) for item in value] if isinstance(value, list | tuple) else value


class _LookedAt(BaseException):  # no error of the tool's, which would be logged as one
    """Effects depend on a value that is not there yet."""


def _looked_at(*args: object) -> NoReturn:
    raise _LookedAt


class _Veiled:
    """Stands for a value that is not there yet.

    A template takes it for all, ``company:*``, as it does with whatever is no text; a function that
    wants to know what it is cannot tell its effects yet.
    """

    __slots__ = ()
    __str__ = __repr__ = __format__ = __bool__ = __len__ = __iter__ = __contains__ = _looked_at
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _looked_at
    __getattr__ = __getitem__ = __call__ = __int__ = __index__ = __float__ = _looked_at
    __add__ = __radd__ = __mod__ = __rmod__ = __fspath__ = _looked_at


VEILED: Final = _Veiled()


def _not_made(call: ToolCall, wrong: Exception) -> Exception:
    if isinstance(wrong, HeadwayError):
        return wrong
    made = BadSetup(f"{call.name}: the arguments do not fit: {wrong}")
    made.__cause__ = wrong
    return made
