"""The arguments of a call in the order of the signature, defaults filled in, without a binding.

``inspect.Signature.bind`` costs some 20 bare awaits; it is asked only to say what does not fit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from inspect import Parameter
from types import FunctionType, MethodType
from typing import NamedTuple

Arguments = tuple[object, ...]
Keywords = dict[str, object]
Function = Callable[..., object]

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class _Rest(NamedTuple):
    """What there is to say of the other parameters when so and so many came by position.

    ``defaults`` are those of all of them, or None if one has to be given; ``before`` are those that
    no keyword can change, ``fallbacks`` what stands for the others until a keyword does.
    """

    defaults: Arguments | None
    before: Arguments
    fallbacks: dict[str, object]
    required: frozenset[str]


class Parameters:
    """What a function takes.

    ``names`` are the parameters that have a name of their own, those by position first, and
    ``defaults`` those of them that have one; ``more_args`` and ``more_kwargs`` are the names of
    ``*args`` and ``**kwargs``, or None.
    """

    def __init__(self, function: Function) -> None:
        self.title = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
        self.signature = _signature(function)
        every = self.signature.parameters.values()
        named = [one for one in every if one.kind in (*_BY_POSITION, Parameter.KEYWORD_ONLY)]
        self.names = tuple(one.name for one in named)
        self.defaults = {one.name: one.default for one in named if one.default is not one.empty}
        self.positions = sum(one.kind in _BY_POSITION for one in named)
        self.more_args = _name_of_kind(Parameter.VAR_POSITIONAL, self.signature)
        self.more_kwargs = _name_of_kind(Parameter.VAR_KEYWORD, self.signature)
        self._by_keyword = frozenset(one.name for one in named if one.kind in _BY_KEYWORD)
        self._rests = tuple(self._rest(self.names[given:]) for given in range(self.positions + 1))

    def _rest(self, names: tuple[str, ...]) -> _Rest:
        required = frozenset(names) - self.defaults.keys()
        by_name = {name: self.defaults.get(name) for name in names}
        before = tuple(by_name[name] for name in names if name not in self._by_keyword)
        fallbacks = {name: by_name[name] for name in names if name in self._by_keyword}
        return _Rest(None if required else tuple(by_name.values()), before, fallbacks, required)

    def in_order(self, args: Arguments, kwargs: Keywords) -> Arguments:
        """The values of ``names``, for a function without ``*args`` and ``**kwargs``.

        Raises:
            TypeError: the arguments do not fit, said as Python says it.
        """
        if len(args) <= self.positions:
            defaults, before, fallbacks, required = self._rests[len(args)]
            if not kwargs and defaults is not None:
                return args + defaults
            filled = {**fallbacks, **kwargs}
            # A keyword that is no parameter makes it longer; the order is that of the signature.
            if len(filled) == len(fallbacks) and required <= kwargs.keys():
                return args + before + tuple(filled.values())
        raise self._misfit(args, kwargs)

    def in_parts(self, args: Arguments, kwargs: Keywords) -> tuple[Arguments, Arguments, Keywords]:
        """The values of ``names``, of ``*args`` and of ``**kwargs``, for any function.

        Raises:
            TypeError: the arguments do not fit, said as Python says it.
        """
        first, more = args[: self.positions], args[self.positions :]
        _, before, fallbacks, required = self._rests[len(first)]
        given = {name: value for name, value in kwargs.items() if name in fallbacks}
        rest = {name: value for name, value in kwargs.items() if name not in fallbacks}
        fits = required <= given.keys() and self._by_keyword.isdisjoint(rest)
        if not fits or (more and self.more_args is None) or (rest and self.more_kwargs is None):
            raise self._misfit(args, kwargs)
        return (*first, *before, *{**fallbacks, **given}.values()), more, rest

    def _misfit(self, args: Arguments, kwargs: Keywords) -> TypeError:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            return TypeError(f"{self.title}() {error}")
        return TypeError(f"{self.title}() does not take these arguments")


def unwrapped(run: Function) -> tuple[Function, Arguments, Keywords]:
    """The function under partials, methods and callable objects, and what they add to a call."""
    if isinstance(run, partial):
        function, args, kwargs = unwrapped(run.func)
        return function, args + run.args, {**kwargs, **run.keywords}
    if isinstance(run, MethodType):
        function, args, kwargs = unwrapped(run.__func__)
        return function, (*args, run.__self__), kwargs
    call = getattr(type(run), "__call__", None)  # noqa: B004 - the method itself is wanted
    if isinstance(call, FunctionType) and not isinstance(run, type):
        return call, (run,), {}
    return run, (), {}


def _signature(function: Function) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:  # some functions written in C do not say what they take
        return inspect.signature(_anything)


def _anything(*args: object, **kwargs: object) -> None:
    """Stands for a function that does not say what it takes."""


def _name_of_kind(kind: object, signature: inspect.Signature) -> str | None:
    return next((one.name for one in signature.parameters.values() if one.kind is kind), None)
