"""From a question to a key (interim)."""
from __future__ import annotations
import enum, dataclasses, hashlib, inspect, itertools, os, struct, weakref
from collections.abc import Callable, Hashable
from typing import Any
from .errors import BadSetup, NoKey

KeyOf = Callable[[tuple[Any, ...], dict[str, Any]], Hashable]
_count = itertools.count(1)
_tokens: dict[int, tuple[Any, int]] = {}

class Without:
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = frozenset(names)
    def build(self, run: Callable[..., object]) -> KeyOf:
        known = inspect.signature(run).parameters
        for name in self.names:
            if name not in known:
                raise BadSetup(f"without({name!r}): no such parameter; there are {', '.join(known)}")
        return key_from_signature(run, leave_out=self.names)

def without(*names: str) -> Without:
    """Leave arguments out of the key."""
    return Without(names)

def bind(run: Callable[..., object]) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, object]]:
    signature = inspect.signature(run)
    def bound(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, object]:
        b = signature.bind(*args, **kwargs)
        b.apply_defaults()
        return dict(b.arguments)
    return bound

def _token(obj: object) -> int:
    known = _tokens.get(id(obj))
    if known is not None and known[0]() is obj:
        return known[1]
    i = id(obj)
    n = next(_count)
    try:
        _tokens[i] = (weakref.ref(obj, lambda _: _tokens.pop(i, None)), n)
    except TypeError:
        raise NoKey(f"a {type(obj).__name__} cannot be part of a key") from None
    return n

def key_from_signature(run: Callable[..., object], *, leave_out: frozenset[str] = frozenset()) -> KeyOf:
    bound = bind(run)
    first = next(iter(inspect.signature(run).parameters), None)
    def key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        named = {n: v for n, v in bound(args, kwargs).items() if n not in leave_out}
        parts = [(n, b"self" + str(_token(v)).encode() if n == "self" and n == first else canonical(v)) for n, v in named.items()]
        return tuple(parts)
    return key

def canonical(value: object) -> bytes:
    t = type(value)
    def wrap(tag: str, body: bytes) -> bytes:
        return f"{tag}{len(body)}:".encode() + body
    if value is None: return b"N"
    if t is bool: return b"T" if value else b"F"
    if t is int: return wrap("i", str(value).encode())
    if t is float: return wrap("f", b"nan" if value != value else struct.pack(">d", value))
    if t is str: return wrap("s", value.encode("utf-8", "surrogatepass"))  # type: ignore
    if t is bytes: return wrap("b", value)  # type: ignore
    if t in (list, tuple): return wrap(t.__name__, b"".join(map(canonical, value)))  # type: ignore
    if t in (set, frozenset): return wrap(t.__name__, b"".join(sorted(map(canonical, value))))  # type: ignore
    if t is dict: return wrap("d", b"".join(sorted(canonical(k) + canonical(v) for k, v in value.items())))  # type: ignore
    if isinstance(value, enum.Enum): return wrap("e", f"{t.__module__}.{t.__qualname__}.{value.name}".encode())
    if dataclasses.is_dataclass(value): return wrap("c", f"{t.__module__}.{t.__qualname__}".encode() + b"".join(canonical(getattr(value, f.name)) for f in dataclasses.fields(value)))
    raise NoKey(f"a {t.__name__} cannot be part of a key")

def digest(key: Hashable) -> str:
    return hashlib.blake2b(canonical(key), digest_size=16).hexdigest()
