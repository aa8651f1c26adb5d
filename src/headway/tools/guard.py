"""Guard: a session for tools known by name and JSON arguments, as in frameworks and MCP."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar, cast

from .. import bridge
from ..call import Call, Operation, Policy
from ..policies import build
from ..policies.freshness import Ttl
from ..stores import Store
from .effects import Effects
from .in_session import InSession, to_the_end, with_owner
from .keeping import keeping_of, refuse_policies, refuse_scope
from .overrides import Override, override_of
from .results import keeps_of_asked
from .session import ScopeOfResults
from .templates import MISSING

T = TypeVar("T")

Arguments = Mapping[str, object]


def _everything(result: object) -> bool:
    return True


class Guard:
    """Stands before one tool of a framework or a server, and decides as ``@tool`` does.

    Guards of one *server*, name and *version* stand for the same tool: they answer for one another,
    in every process that uses the same store. What ``headway.toml`` says of the tool, by its name
    or by ``server.name``, wins.

    Args:
        tool_name: what the tool is called.
        effects_of: what a call with given arguments reads and writes; if it fails, the call counts
            as a write of anything.
        ttl: how long a result is good.
        version: part of the key; change it when the tool begins to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
        server: whose tool it is; tools of the same name on two servers share nothing.
        store: where results rest, instead of in the session.
        copy: give each caller a deep copy of its own.
        volatile: names of arguments that do not count in the key.
        policies: what else stands around each call, such as ``Timeout("30s")``.
    """

    def __init__(
        self,
        tool_name: str,
        effects_of: Callable[[Arguments], Effects],
        *,
        ttl: Ttl = "5m",
        version: str = "",
        scope: ScopeOfResults = "session",
        server: str = "",
        store: Store | None = None,
        copy: bool = False,
        volatile: Iterable[str] = (),
        policies: Iterable[Policy] = (),
    ) -> None:
        name = f"{server}.{tool_name}" if server else tool_name
        refuse_scope(name, scope)
        self.tool_name, self.server, self.version = tool_name, server, version
        self._volatile, self._policies = frozenset(volatile), tuple(policies)
        refuse_policies(name, self._policies)
        override = override_of(name, tool_name)
        self._effects_of = _effects_said(override) or effects_of
        self._name = name
        self._in_session = InSession(
            lambda args, kwargs: self._effects_of(args[0]),
            keeping_of(name, ttl, copy, override),
            scope=scope,
            store=store,
            keeps_of=lambda call: cast(Callable[[Any], bool], call.args[2]),
        )
        self.operation = self._built(_run)
        self._enter = self.operation.enter_by_hand

    def _built(self, run: Callable[..., Any]) -> Operation:
        operation = build(
            run,
            (self._in_session, *self._policies),
            key=self._key,
            name=self._name,
            version=self.version,
            kind="tool",
            keeps=keeps_of_asked,
        )
        return with_owner(operation, self._in_session.scope)

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        arguments = args[0]
        if self._volatile:
            arguments = {name: arguments[name] for name in arguments if name not in self._volatile}
        return (self.server, self.tool_name, arguments)

    def effects(self, arguments: Arguments) -> Effects:
        """What a call with *arguments* reads and writes."""
        return self._in_session.effects(Call(self.operation, (arguments, None, _everything), {}))

    async def call(
        self,
        arguments: Arguments,
        run: Callable[[], Awaitable[T]],
        *,
        keeps: Callable[[T], bool] = _everything,
    ) -> T:
        """The result for *arguments*: kept, of equal work under way, or of *run*.

        A result that *keeps* refuses, such as an error, is for the one who asked alone. The result
        is to be treated as frozen.
        """
        return cast(T, await self._enter(Call(self.operation, (arguments, run, keeps), {})))

    def call_sync(
        self,
        arguments: Arguments,
        run: Callable[[], T],
        *,
        keeps: Callable[[T], bool] = _everything,
    ) -> T:
        """``call`` for a caller without an event loop; *run* is a plain function, on a thread."""
        operation = self._on_threads
        return cast(
            T, bridge.now_or_wait(operation.enter(Call(operation, (arguments, run, keeps), {})))
        )

    @functools.cached_property
    def _on_threads(self) -> Operation:
        return self._built(to_the_end(_run_on_a_thread, self._in_session))

    async def invalidate(self, arguments: Arguments) -> None:
        """Drop the result for *arguments* that is kept here, and keep none that is on its way."""
        await self._in_session.forget(Call(self.operation, (arguments, None, _everything), {}))


def _effects_said(override: Override | None) -> Callable[[Arguments], Effects] | None:
    """What ``headway.toml`` says of the effects; an argument that is not given stands for all."""
    if override is None or override.declaration is None:
        return None
    declared = override.declaration
    return lambda arguments: declared.effects(lambda name: arguments.get(name, MISSING))


async def _run(arguments: Arguments, run: Callable[[], Awaitable[Any]], keeps: object) -> Any:
    return await run()


def _run_on_a_thread(arguments: Arguments, run: Callable[[], Any], keeps: object) -> Any:
    return run()
