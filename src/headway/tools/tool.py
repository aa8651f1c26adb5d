"""``@tool``: a function of an agent's, with what it reads and writes."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Hashable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from .. import bridge
from ..call import Call, Operation, Policy
from ..clock import Duration
from ..errors import BadSetup
from ..keys import KeyOf, Without, bind, without
from ..keys.identity import owner
from ..policies import AsyncOperation, Limit, SyncOperation, Timeout, operation
from ..policies.freshness import Ttl
from ..stream import Stream
from .declaration import Declaration, Resources, look_in
from .effects import Effects
from .in_session import InSession, to_the_end, with_owner
from .keeping import keeping_of, refuse_policies, refuse_scope
from .overrides import override_of
from .session import ScopeOfResults

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Normalise = Callable[[dict[str, Any]], Mapping[str, object]]


class AsyncTool(AsyncOperation[P, R], Protocol[P, R]):
    """An async function that says what it reads and writes."""

    def effects(self, *args: P.args, **kwargs: P.kwargs) -> Effects:
        """What a call with these arguments reads and writes."""


class SyncTool(SyncOperation[P, R], Protocol[P, R]):
    """A plain function that says what it reads and writes."""

    def effects(self, *args: P.args, **kwargs: P.kwargs) -> Effects:
        """What a call with these arguments reads and writes."""


class ToolDecorator(Protocol):
    """Turns a function into a tool of the same signature."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, run: Callable[P, AsyncIterator[T]]
    ) -> AsyncTool[P, Stream[T]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, run: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncTool[P, R]: ...
    @overload
    def __call__(self, run: Callable[P, R]) -> SyncTool[P, R]: ...


def tool(
    misplaced: None = None,
    /,
    *,
    reads: Resources | None = None,
    writes: Resources | None = None,
    exclusive: bool | None = None,
    ttl: Ttl = "5m",
    version: str | int = "",
    scope: ScopeOfResults = "session",
    volatile: Collection[str] = (),
    normalise: Normalise | None = None,
    keeps: Callable[[Any], bool] | None = None,
    copy: bool = False,
    timeout: Duration | None = None,
    at_once: int | None = None,
    name: str | None = None,
    policies: Collection[Policy] = (),
) -> ToolDecorator:
    """Let agents share what the decorated function reads, as long as nobody has written it.

    Inside ``with session():`` equal reads run once, whoever asks. A write is never kept nor merged
    with another; it makes results void when it begins and when it ends. With nothing declared a
    tool may write anything. What ``headway.toml`` says under ``[tools."name or pattern"]`` wins.
    Results are to be treated as frozen, unless *copy* is given.

    Args:
        reads: resources with arguments filled in, ``["company:{symbol}"]``, or a function of the
            tool's arguments. Empty: the result depends on the arguments alone.
        writes: the same, of what it changes.
        exclusive: it may write anything, and runs alone in a batch.
        ttl: how long a result is good; or a function of the result that says so.
        version: part of the key; change it when the function begins to answer differently.
        scope: who may be given a result: the ``"session"``, the ``"tenant"`` (missing is an error),
            or everyone, ``"global"``. The last two also outside of sessions.
        volatile: names of arguments that do not count in the key, such as a request id.
        normalise: turns the arguments by name into what counts in the key.
        keeps: which results may be kept and shared, as a function of the result; default: all.
        copy: give each caller a deep copy of its own.
        timeout: what ``Timeout`` takes.
        at_once: how many calls may run at a time.
        name: what the tool is called in keys, receipts and settings; default: module and qualified
            name; in ``headway.toml`` the function's own name will do.
        policies: what else stands around each call, such as ``Retry(3, on=TimeoutError)``.
    """
    if misplaced is not None:
        raise BadSetup("write @tool(...) with brackets, and say what it reads and writes")

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        known_as = name or f"{run.__module__}.{run.__qualname__}"
        override = override_of(known_as, known_as.rpartition(".")[2])
        declared = Declaration(reads, writes, exclusive, said_by=f"{known_as}:")
        if override is not None and override.declaration is not None:
            declared = override.declaration
        declared.refuse_unknown_gaps(run)
        refuse_scope(known_as, scope)
        in_session = InSession(
            _effects_by(declared, run),
            keeping_of(known_as, ttl, copy, override),
            scope=scope,
            always_reads=declared.always_reads,
        )
        face: Any = operation(
            in_session,
            *_around(known_as, timeout, at_once, policies),
            key=_key(run, volatile, normalise),
            name=name,
            version=version,
            kind="tool",
            keeps=keeps,
        )(_to_the_end(run, in_session, declared))
        return _with_effects(face, in_session, normalise)

    return decorate  # type: ignore[return-value]


def _effects_by(
    declared: Declaration, run: Callable[..., Any]
) -> Callable[[tuple[Any, ...], dict[str, Any]], Effects]:
    looking = look_in(run)
    return lambda args, kwargs: declared.effects(looking(args, kwargs), args, kwargs)


def _around(
    name: str, timeout: Duration | None, at_once: int | None, policies: Collection[Policy]
) -> list[Policy]:
    refuse_policies(name, policies)
    listed = list(policies)
    if timeout is not None:
        listed.append(Timeout(timeout))
    if at_once is not None:
        listed.append(Limit(at_once=at_once))
    return listed


def _to_the_end(
    run: Callable[..., Any], by: InSession, declared: Declaration
) -> Callable[..., Any]:
    is_async = inspect.iscoroutinefunction(run) or inspect.isasyncgenfunction(run)
    if declared.always_reads or is_async or not inspect.isfunction(run):
        return run
    return to_the_end(run, by)


def _key(
    run: Callable[..., Any], volatile: Collection[str], normalise: Normalise | None
) -> KeyOf | Without | None:
    if isinstance(volatile, str):
        raise BadSetup(f"tool(volatile={volatile!r}): give a list of names, [{volatile!r}]")
    if normalise is not None:
        return _normalised(run, frozenset(volatile), normalise)
    return without(*volatile) if volatile else None


def _normalised(run: Callable[..., Any], volatile: frozenset[str], normalise: Normalise) -> KeyOf:
    if volatile:
        without(*volatile).build(run)  # refuses names that it has not
    arguments_of = bind(run)

    def key_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        arguments = arguments_of(args, kwargs)
        itself = (owner(arguments.pop("self")),) if "self" in arguments else ()
        counting = {name: value for name, value in arguments.items() if name not in volatile}
        return (*itself, dict(normalise(counting)))

    return key_of


def _with_effects(
    face: Any, in_session: InSession, normalise: Normalise | None
) -> Callable[..., Any]:
    body: Operation = with_owner(face.operation, in_session.scope)
    if normalise is not None and body.is_method:
        body.has_self_in_key = True

    def effects(*args: Any, **kwargs: Any) -> Effects:
        return in_session.effects(Call(body, args, kwargs))

    async def forget(*args: Any, **kwargs: Any) -> None:
        await in_session.forget(Call(body, args, kwargs))

    def forget_now(*args: Any, **kwargs: Any) -> None:
        bridge.now_or_wait(forget(*args, **kwargs))

    face.effects = effects
    face.invalidate = forget if body.is_async else forget_now
    tool_face: Callable[..., Any] = face
    return tool_face
