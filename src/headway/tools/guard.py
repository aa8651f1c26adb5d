"""Guard: a session for tools known by name and JSON arguments, as in frameworks and MCP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar, cast

from ..call import Call, Operation, Policy
from ..policies import build
from ..policies.freshness import Ttl
from ..stores import Store
from .effects import Effects
from .in_session import InSession, with_owner
from .results import Keeping, keeps_of_asked
from .session import ScopeOfResults

T = TypeVar("T")

Arguments = Mapping[str, object]


class Guard:
    """Stands before one tool of a framework or a server, and decides as ``@tool`` does.

    Guards of the same *server*, name and *version* stand for the same tool: they answer for one
    another, in every process that uses the same store.

    Args:
        tool_name: what the tool is called.
        effects_of: what a call with given arguments reads and writes.
        ttl: how long a result is good.
        version: part of the key; change it when the tool begins to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
        server: whose tool it is; tools of the same name on two servers share nothing.
        store: where results rest, instead of in the session.
        copy: give each caller a deep copy of its own.
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
        policies: Iterable[Policy] = (),
    ) -> None:
        self.tool_name, self.server, self._effects_of = tool_name, server, effects_of
        in_session = InSession(
            lambda call: effects_of(call.args[0]),
            Keeping(ttl, copy),
            scope=scope,
            store=store,
            keeps_of=lambda call: cast(Callable[[Any], bool], call.args[2]),
        )
        self.operation: Operation = with_owner(
            build(
                _run,
                (in_session, *policies),
                key=self._key,
                name=f"{server}.{tool_name}" if server else tool_name,
                version=version,
                kind="tool",
                keeps=keeps_of_asked,
            ),
            scope,
        )
        self._enter = self.operation.enter_by_hand

    def effects(self, arguments: Arguments) -> Effects:
        """What a call with *arguments* reads and writes."""
        return self._effects_of(arguments)

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        return (self.server, self.tool_name, args[0])

    async def call(
        self,
        arguments: Arguments,
        run: Callable[[], Awaitable[T]],
        *,
        keeps: Callable[[T], bool] = lambda result: True,
    ) -> T:
        """The result for *arguments*: kept, of equal work under way, or of *run*.

        A result that *keeps* refuses, such as an error, is for the one who asked alone.
        """
        call = Call(self.operation, (arguments, run, keeps), {})
        result = cast(T, await self._enter(call))
        if call.source == "joined" and not keeps(result):
            return await run()
        return result


async def _run(arguments: Arguments, run: Callable[[], Awaitable[Any]], keeps: object) -> Any:
    return await run()
