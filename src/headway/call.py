"""The one way in: a Call travels inward through policies to the function that does the work."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from enum import IntEnum
from itertools import count
from typing import Any, ClassVar, Literal, Protocol

from . import bridge
from .errors import BadSetup
from .keys import KeyOf, Without, bind, key_from_function, key_from_signature
from .stream import Stream

Source = Literal["ran", "hit", "joined", "stale"]


class Place(IntEnum):
    """Where a policy stands, outermost first: an early answer pays for nothing further in."""

    WATCH, CACHE, SHARE, BATCH, FALLBACK, RETRY, LIMIT, TIMEOUT = range(8)


class Call:
    """One use of an operation, on its way in; policies note on it how it was answered."""

    __slots__ = ("_key", "age_s", "args", "kwargs", "operation", "source", "tier")

    def __init__(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.operation, self.args, self.kwargs = operation, args, kwargs
        self.source: Source = "ran"
        self.age_s: float | None = None
        self.tier: str | None = None  # of the store that had the answer
        self._key: Hashable = None

    @property
    def key(self) -> Hashable:
        """Equal for equal questions; made on first use, so uncached calls never pay for it."""
        if self._key is None:
            operation = self.operation
            self._key = (operation.identity, operation.key_of(self.args, self.kwargs))
        return self._key

    @property
    def arguments(self) -> Mapping[str, object]:
        """The arguments by name, defaults filled in."""
        return self.operation.bind(self.args, self.kwargs)

    def asking(self, *args: object) -> Call:
        """A call of the same operation with other arguments."""
        return Call(self.operation, args, {})


Proceed = Callable[[Call], Coroutine[Any, Any, Any]]


class Policy(Protocol):
    """Stands around a call: may answer it, hold it, repeat it, redirect it, or let it proceed.

    A policy may also have ``check(operation)``, which raises ``BadSetup`` for one it cannot serve.
    """

    @property
    def place(self) -> Place:
        """Where it stands; a plain class attribute will do."""

    def around(self, call: Call, proceed: Proceed) -> Coroutine[Any, Any, Any]:
        """The answer to *call*; must let errors and cancellation through."""


class Operation:
    """A function and the policies around every call of it, folded once into one way in."""

    _serial: ClassVar[count[int]] = count(1)

    def __init__(
        self,
        run: Callable[..., Any],
        policies: Iterable[Policy],
        *,
        key: KeyOf | Without | None = None,
        name: str | None = None,
        version: str = "",
        kind: str = "call",
        keeps: Callable[[Any], bool] | None = None,
    ) -> None:
        self.run, self.kind, self.version, self.keeps = run, kind, version, keeps
        self.name = name or f"{run.__module__}.{run.__qualname__}"
        # Closures of one factory, and lambdas, share a qualified name, and must not share answers.
        self.is_local = not name and not {"<locals>", "<lambda>"}.isdisjoint(self.name.split("."))
        # Every script is called so, and so is its copy in a process that it spawns.
        self.is_of_script = not name and run.__module__ in ("__main__", "__mp_main__")
        self.identity = (self.name, version, next(self._serial) if self.is_local else 0)
        self.is_method = next(iter(inspect.signature(run).parameters), "") == "self"
        self.has_self_in_key = self.is_method and (
            key is None or (isinstance(key, Without) and "self" not in key.names)
        )
        self.key_of = _key_of(key, run)
        self.bind = bind(run)
        self.policies = tuple(sorted(policies, key=lambda policy: policy.place))
        self.is_stream = inspect.isasyncgenfunction(run)
        self.is_async = self.is_stream or inspect.iscoroutinefunction(run)
        for policy in self.policies:
            if (check := getattr(policy, "check", None)) is not None:
                check(self)
        self.enter = self._folded() if self.is_async else self.enter_by_hand

    @functools.cached_property
    def enter_by_hand(self) -> Proceed:
        """The way in for a driver by hand, who has no task yet: see ``bridge.now_or_task``."""
        return self._folded(has_gate=True)

    def _folded(self, *, has_gate: bool = False) -> Proceed:
        way = _innermost(self.run)
        for policy in reversed(self.policies):
            if has_gate and policy.place <= Place.SHARE:
                way, has_gate = _inward(_through_the_gate, way), False
            way = _inward(policy.around, way)
        return _inward(_through_the_gate, way) if has_gate else way

    def explain(self) -> str:
        """The way in, outermost first: 'Watch > Cache > Retry > shop.get_price'."""
        return " > ".join([*(type(policy).__name__ for policy in self.policies), self.name])


def _key_of(key: KeyOf | Without | None, run: Callable[..., Any]) -> KeyOf:
    if key is None:
        return key_from_signature(run)
    return key.build(run) if isinstance(key, Without) else key_from_function(key)


def _innermost(run: Callable[..., Any]) -> Proceed:
    if inspect.isasyncgenfunction(run):
        return lambda call: Stream.start(run(*call.args, **call.kwargs))
    if inspect.iscoroutinefunction(run):
        return lambda call: run(*call.args, **call.kwargs)

    async def on_a_thread(call: Call) -> Any:
        await bridge.on_a_loop()
        answer = await bridge.in_thread(functools.partial(run, *call.args, **call.kwargs))
        if inspect.iscoroutine(answer):  # kept, it would be awaited twice
            answer.close()
            raise BadSetup(f"{call.operation.name} gives a coroutine; write it as `async def`")
        return answer

    return on_a_thread


def _inward(around: Callable[[Call, Proceed], Coroutine[Any, Any, Any]], way: Proceed) -> Proceed:
    # A closure: a partial with a keyword costs half as much again on every call.
    return lambda call: around(call, way)


async def _through_the_gate(call: Call, way: Proceed) -> Any:
    """What stands inside Share may need a loop; a caller without one leaves for it here."""
    await bridge.on_a_loop()
    return await way(call)
