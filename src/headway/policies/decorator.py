"""``@operation``: the face of an operation, a real function that frameworks accept."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

import msgspec

from .. import bridge
from ..call import Call, Operation, Place, Policy, Source
from ..errors import BadSetup
from ..keys import KeyOf, Without
from ..stream import Stream
from .batch import Batch
from .cache import Cache
from .watch import Watch

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
S = TypeVar("S")
Item = TypeVar("Item")


class Answer(msgspec.Struct, Generic[R], frozen=True):
    """A value, its source (ran, hit, joined or stale), and its age if it was kept."""

    value: R
    source: Source
    age_s: float | None


class AsyncOperation(Protocol[P, R]):
    """An async function with policies around it."""

    policies: tuple[Policy, ...]
    operation: Operation

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...

    def answer(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Answer[R]]:
        """The value with its source and age."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, None]:
        """Drop the kept answer to this very question, and do not keep one that is under way."""

    def explain(self) -> str:
        """The way in, outermost first."""

    @overload
    def __get__(self, instance: None, owner: type[object]) -> AsyncOperation[P, R]: ...
    @overload
    def __get__(
        self: AsyncOperation[Concatenate[S, Q], T], instance: S, owner: type[S]
    ) -> Callable[Q, Coroutine[Any, Any, T]]: ...


class SyncOperation(Protocol[P, R]):
    """A plain function with policies around it; an answer that is at hand enters no event loop."""

    policies: tuple[Policy, ...]
    operation: Operation

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def answer(self, *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        """The value with its source and age."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop the kept answer to this very question, and do not keep one that is under way."""

    def explain(self) -> str:
        """The way in, outermost first."""

    @overload
    def __get__(self, instance: None, owner: type[object]) -> SyncOperation[P, R]: ...
    @overload
    def __get__(
        self: SyncOperation[Concatenate[S, Q], T], instance: S, owner: type[S]
    ) -> Callable[Q, T]: ...


class Decorator(Protocol):
    """Turns a function into an operation of the same signature."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, run: Callable[P, AsyncIterator[T]]
    ) -> AsyncOperation[P, Stream[T]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, run: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncOperation[P, R]: ...
    @overload
    def __call__(self, run: Callable[P, R]) -> SyncOperation[P, R]: ...


Key: TypeAlias = KeyOf | Without


class BatchedDecorator(Protocol):
    """Turns a function, or a method, of a list into an operation of one item."""

    @overload
    def __call__(
        self, run: Callable[[list[Item]], Coroutine[Any, Any, Iterable[R]]]
    ) -> AsyncOperation[[Item], R]: ...
    @overload
    def __call__(
        self, run: Callable[[S, list[Item]], Coroutine[Any, Any, Iterable[R]]]
    ) -> AsyncOperation[[S, Item], R]: ...


def operation(
    *policies: Policy,
    key: Key | None = None,
    name: str | None = None,
    version: str | int = "",
    kind: str = "call",
    keeps: Callable[[Any], bool] | None = None,
) -> Decorator:
    """Run every call of the decorated function through *policies*, given in any order.

    Takes async functions, async generators (the operation then returns a ``Stream``), plain
    functions, and methods. The result is a real function of the same kind that also carries
    ``answer``, ``invalidate``, ``explain`` and ``policies``. Every operation is watched: a
    ``Watch`` is put outermost unless one is listed.

    Args:
        key: ``without("request_id")`` leaves arguments out of the key; a function of (args, kwargs)
            makes it anew.
        name: what the operation is called in keys, receipts and logs; default module and qualified
            name.
        version: part of the key; change it when the function begins to answer differently.
        kind: what it is, for receipts: tool, model, step, query ...
        keeps: which answers a ``Cache`` may keep, as a function of the answer; default: all.
    """
    if len(policies) == 1 and inspect.isroutine(policies[0]):
        raise BadSetup("write @operation() with brackets, also without policies")
    if key is not None and not (callable(key) or isinstance(key, Without)):
        raise BadSetup(f"operation(key={key!r}); use without(...) or a function of (args, kwargs)")

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        return _face(
            build(run, policies, key=key, name=name, version=version, kind=kind, keeps=keeps)
        )

    return decorate  # type: ignore[return-value]


def batched(
    *policies: Policy,
    max_items: int = 64,
    max_wait: float | str = "5ms",
    key: Key | None = None,
    name: str | None = None,
    version: str | int = "",
    kind: str = "call",
) -> BatchedDecorator:
    """Write the function for many, ask it with one: ``Batch`` with the types to match."""
    batch = Batch(max_items=max_items, max_wait=max_wait)
    return operation(batch, *policies, key=key, name=name, version=version, kind=kind)  # type: ignore[return-value]


def build(
    run: Callable[..., Any],
    policies: Iterable[Policy],
    *,
    key: Key | None = None,
    name: str | None = None,
    version: str | int = "",
    kind: str = "call",
    keeps: Callable[[Any], bool] | None = None,
) -> Operation:
    """The operation itself, watched, without the function around it."""
    listed = tuple(policies)
    _refuse_what_is_no_function(run)
    _refuse_what_is_no_policy(run, listed)
    if not any(policy.place == Place.WATCH for policy in listed):
        listed = (Watch(), *listed)
    return Operation(run, listed, key=key, name=name, version=str(version), kind=kind, keeps=keeps)


def _refuse_what_is_no_function(run: object) -> None:
    if isinstance(run, (staticmethod, classmethod, property)):
        raise BadSetup(f"put @operation under @{type(run).__name__}, next to the function")
    if not (inspect.isfunction(run) or inspect.ismethod(run) or inspect.isbuiltin(run)):
        raise BadSetup(
            f"@operation takes a function, not {run!r}; write @operation(...) with brackets"
        )
    if inspect.isgeneratorfunction(run):
        raise BadSetup(
            f"{run.__qualname__} is a plain generator, used up by one reader; make it async"
        )


def _refuse_what_is_no_policy(run: Callable[..., Any], policies: tuple[object, ...]) -> None:
    for policy in policies:
        if isinstance(policy, type) or not (hasattr(policy, "around") and hasattr(policy, "place")):
            raise BadSetup(
                f"{run.__qualname__}: {policy!r} is no policy; use one such as Cache('15m')"
            )
    if len({id(policy) for policy in policies}) < len(policies):
        raise BadSetup(
            f"{run.__qualname__}: one policy object is listed twice and would wait for itself; "
            "list it once, or make two"
        )


def _face(body: Operation) -> Callable[..., Any]:
    face = _async_face(body) if body.is_async else _sync_face(body)
    face.operation = body  # type: ignore[attr-defined]
    face.policies = body.policies  # type: ignore[attr-defined]
    face.explain = body.explain  # type: ignore[attr-defined]
    return face


def _async_face(body: Operation) -> Callable[..., Any]:
    enter = body.enter

    @functools.wraps(body.run)
    async def face(*args: Any, **kwargs: Any) -> Any:
        return await enter(Call(body, args, kwargs))

    async def answer(*args: Any, **kwargs: Any) -> Answer[Any]:
        _refuse_lost_self(body, args)
        call = Call(body, args, kwargs)
        return Answer(await enter(call), call.source, call.age_s)

    async def invalidate(*args: Any, **kwargs: Any) -> None:
        _refuse_lost_self(body, args)
        await _forget(Call(body, args, kwargs))

    face.answer, face.invalidate = answer, invalidate  # type: ignore[attr-defined]
    return face


def _sync_face(body: Operation) -> Callable[..., Any]:
    enter = body.enter

    @functools.wraps(body.run)
    def face(*args: Any, **kwargs: Any) -> Any:
        return bridge.now_or_wait(enter(Call(body, args, kwargs)))

    def answer(*args: Any, **kwargs: Any) -> Answer[Any]:
        _refuse_lost_self(body, args)
        call = Call(body, args, kwargs)
        return Answer(bridge.now_or_wait(enter(call)), call.source, call.age_s)

    def invalidate(*args: Any, **kwargs: Any) -> None:
        _refuse_lost_self(body, args)
        bridge.now_or_wait(_forget(Call(body, args, kwargs)))

    face.answer, face.invalidate = answer, invalidate  # type: ignore[attr-defined]
    return face


def _refuse_lost_self(body: Operation, args: tuple[Any, ...]) -> None:
    """Attributes of a bound method are those of its function: ``self`` must be given again."""
    if not body.is_method or (args and hasattr(type(args[0]), body.run.__name__)):
        return
    owner, _, method = body.run.__qualname__.rpartition(".")
    raise BadSetup(
        f"{body.name}: `answer` and `invalidate` of a method need the object: write "
        f"{owner.rpartition('.')[2]}.{method}.answer(the_object, ...)"
    )


async def _forget(call: Call) -> None:
    caches = [policy for policy in call.operation.policies if isinstance(policy, Cache)]
    if not caches:
        raise BadSetup(f"{call.operation.name} keeps nothing to invalidate; put a Cache around it")
    for cache in caches:
        await cache.forget(call)
