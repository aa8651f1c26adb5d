"""What the author of a tool says of its effects, and what that means for one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from ..errors import BadSetup
from .effects import UNKNOWN, Effects
from .templates import MISSING, Template

Resources = Sequence[str] | Callable[..., Sequence[str] | str]
"""Templates such as ``"company:{symbol}"``, or a function of the tool's arguments."""


class Declaration:
    """What a tool reads and writes, said once for all calls.

    Nothing said: it may write anything.

    Raises:
        BadSetup: the words contradict one another; *said_by* tells where they stand.
    """

    def __init__(
        self,
        reads: Resources | None,
        writes: Resources | None,
        exclusive: bool | None,
        *,
        said_by: str,
    ) -> None:
        _refuse_contradictions(reads, writes, exclusive, said_by)
        self.is_unknown = bool(exclusive) or (reads is None and writes is None)
        self.always_reads = not self.is_unknown and not callable(writes) and not writes
        self._reads = _Side(reads, f"{said_by} reads")
        self._writes = _Side(writes, f"{said_by} writes")

    def refuse_unknown_gaps(self, run: Callable[..., Any]) -> None:
        """Raise ``BadSetup`` for a template with a gap that no argument of *run* fills."""
        known = inspect.signature(run).parameters
        if not any(each.kind is Parameter.VAR_KEYWORD for each in known.values()):
            for template in (*self._reads.templates, *self._writes.templates):
                template.refuse_unknown(known)

    def effects(
        self,
        look: Callable[[str], object],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Effects:
        """The effects of the call with *args* and *kwargs*, which *look* gives by name."""
        if self.is_unknown:
            return UNKNOWN
        named = kwargs or {}
        return Effects(self._reads.of(look, args, named), self._writes.of(look, args, named))


class _Side:
    """What is read, or what is written."""

    def __init__(self, resources: Resources | None, said_by: str) -> None:
        self._said_by = said_by
        self._function = resources if callable(resources) else None
        texts = () if resources is None or callable(resources) else resources
        self.templates = tuple(Template(text, said_by) for text in texts)

    def of(
        self, look: Callable[[str], object], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[str, ...]:
        if self._function is not None:
            told = self._function(*args, **kwargs)
            return (told,) if isinstance(told, str) else tuple(told)
        templates = self.templates
        if len(templates) == 1:
            return templates[0].fill(look)
        return tuple(resource for template in templates for resource in template.fill(look))


def look_in(run: Callable[..., Any]) -> Callable[[tuple[Any, ...], Mapping[str, Any]], Any]:
    """What turns the arguments of a call of *run* into a look-up by name, without binding them."""
    parameters = inspect.signature(run).parameters
    positions = {
        name: place
        for place, (name, each) in enumerate(parameters.items())
        if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    }
    rest = next((n for n, each in parameters.items() if each.kind is Parameter.VAR_POSITIONAL), "")
    defaults = {
        name: MISSING if each.default is Parameter.empty else each.default
        for name, each in parameters.items()
    }

    def looking(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[str], object]:
        def look(name: str) -> object:
            if name in kwargs:
                return kwargs[name]
            place = positions.get(name, len(args))
            if place < len(args):
                return args[place]
            return args[len(positions) :] if name == rest else defaults.get(name, MISSING)

        return look

    return looking


def _refuse_contradictions(reads: object, writes: object, exclusive: object, said_by: str) -> None:
    for name, resources in (("reads", reads), ("writes", writes)):
        if isinstance(resources, str):
            raise BadSetup(
                f"{said_by} {name}={resources!r} would be one resource a letter; "
                f"write {name}=[{resources!r}]"
            )
        if not (resources is None or callable(resources) or isinstance(resources, (list, tuple))):
            raise BadSetup(
                f"{said_by} {name}={resources!r}: give a list of resources, or a function of the "
                "tool's arguments"
            )
    if exclusive not in (None, True, False):
        raise BadSetup(f"{said_by} exclusive={exclusive!r}: use True or False")
    if exclusive and (reads is not None or writes is not None):
        raise BadSetup(
            f"{said_by}: an exclusive tool may write anything, so reads and writes say nothing; "
            "leave out one or the other"
        )
    if exclusive is False and reads is None and writes is None:
        raise BadSetup(
            f"{said_by} exclusive=False: say what it reads or writes; reads=[] is a tool whose "
            "result depends on its arguments alone"
        )
