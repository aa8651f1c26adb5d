"""What the user of a door says of tools, joined with what the framework knows of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import msgspec

from ..errors import BadSetup
from ..keys.identity import owner, token_of
from ..policies.freshness import Ttl
from ..tools import UNKNOWN, Effects, Guard, effects_of_hints
from ..tools.declaration import Declaration
from ..tools.session import ScopeOfResults
from ..tools.templates import MISSING

Arguments = Mapping[str, object]
EffectsOf = Callable[[Arguments], Effects]

CONTEXT: Final = "(context)"
"""What a result depends on beside its arguments stands in the key under this name."""


class Described(NamedTuple):
    """A tool as a framework describes it.

    ``function``: the Python function behind it, or the object that stands for one; two tools of one
    name share results only if it is the same. ``server``: the MCP server it belongs to instead.
    ``metadata``: where a key ``"headway"`` may declare effects. ``hints``: MCP's annotations.
    ``form``: what a server's results are made into, where frameworks differ in that.
    """

    name: str
    function: object = None
    server: str = ""
    metadata: Mapping[str, object] = {}
    hints: Mapping[str, object] = {}
    form: str = ""


class Declared:
    """Which effects tools have, and for how long and for whom their results are good.

    Args:
        effects: by name or pattern such as ``"get_*"``: ``Effects``, in which ``{symbol}`` stands
            for an argument, or a function of the arguments that gives them.
        agents: tools that only run another agent; what they do is what its tools do.
        ttl: how long a result is good.
        version: part of the key of every result.
        scope: who may be given a result: the session, the tenant, everyone ("global").
    """

    def __init__(
        self,
        effects: Mapping[str, Effects | EffectsOf] | None,
        agents: Collection[str],
        ttl: Ttl,
        version: str,
        scope: ScopeOfResults,
    ) -> None:
        if isinstance(agents, str):
            raise BadSetup(f"agents={agents!r} would be one name a letter; write [{agents!r}]")
        self._effects = {name: _effects_of(name, said) for name, said in (effects or {}).items()}
        self._agents = frozenset(agents)
        self._ttl, self._version, self._scope = ttl, version, scope

    def guard(self, tool: Described) -> Guard | None:
        """The guard of *tool*; None for one that runs an agent, or shares its results by itself."""
        if tool.name in self._agents or _shares_by_itself(tool.function):
            return None
        return Guard(
            tool.name,
            without_context(self.effects_of(tool)),
            ttl=self._ttl,
            version=" ".join(part for part in (self._version, _identity(tool), tool.form) if part),
            scope=self._scope,
            server=tool.server or _module(tool.function),
        )

    def effects_of(self, tool: Described) -> EffectsOf:
        """What a call of *tool* reads and writes: as declared here, by the tool, by its hints."""
        for pattern, effects_of in self._effects.items():
            if pattern == tool.name:
                return effects_of
        for pattern, effects_of in self._effects.items():
            if fnmatchcase(tool.name, pattern):
                return effects_of
        if (own := tool.metadata.get("headway")) is not None:
            said_by = f"tool {tool.name!r}: metadata['headway']"
            return _filled(said_by, _written(said_by, own))
        hinted = _hinted(tool)
        return lambda arguments: hinted


def without_context(effects_of: EffectsOf) -> EffectsOf:
    """*effects_of*, asked with the arguments alone."""

    def of_arguments(arguments: Arguments) -> Effects:
        return effects_of({name: arguments[name] for name in arguments if name != CONTEXT})

    return of_arguments


def _effects_of(name: str, said: object) -> EffectsOf:
    if isinstance(said, Effects):
        return _filled(f"effects[{name!r}]:", said)
    if not callable(said):
        raise BadSetup(f"effects[{name!r}] is {said!r}; use Effects(...) or a function giving them")
    return said


def _filled(said_by: str, effects: Effects) -> EffectsOf:
    if effects.exclusive:
        return lambda arguments: UNKNOWN
    declaration = Declaration(effects.reads, effects.writes, None, said_by=said_by)

    def of_arguments(arguments: Arguments) -> Effects:
        return declaration.effects(lambda name: arguments.get(name, MISSING))

    return of_arguments


def _written(said_by: str, said: object) -> Effects:
    """Effects as a tool's metadata gives them: the object itself, or a mapping of its fields."""
    if isinstance(said, Effects):
        return said
    if not isinstance(said, Mapping) or not set(said) <= set(Effects.__struct_fields__):
        raise BadSetup(f"{said_by} {said!r}; use Effects(...) or the fields of one by name")
    try:
        return msgspec.convert(said, Effects)
    except msgspec.ValidationError as wrong:
        raise BadSetup(f"{said_by} {said!r}: {wrong}") from None


def _hinted(tool: Described) -> Effects:
    """What MCP's annotations promise, in the spelling of the wire or of Python."""
    read_only = _hint(tool.hints, "readOnlyHint", "read_only_hint")
    if read_only is None:
        return UNKNOWN
    return effects_of_hints(
        read_only,
        _hint(tool.hints, "idempotentHint", "idempotent_hint"),
        _hint(tool.hints, "destructiveHint", "destructive_hint"),
        reads=(f"server:{tool.server}:*",) if tool.server else ("*",),
    )


def _hint(hints: Arguments, *names: str) -> bool | None:
    said = next((hints[name] for name in names if name in hints), None)
    return said if isinstance(said, bool) else None


# --- whose tool it is --------------------------------------------------------------------------


def _shares_by_itself(function: object) -> bool:
    """Whether it was made with ``headway.tool``."""
    return hasattr(function, "operation") and hasattr(function, "effects")


def _module(function: object) -> str:
    return str(getattr(function, "__module__", None) or "")


def _identity(tool: Described) -> str:
    """Which function of its module it is; of one that no name leads to, a token of its own."""
    function = tool.function
    if function is None:
        return ""
    qualname = getattr(function, "__qualname__", None)
    if not isinstance(qualname, str):
        return token_of(function).written.hex()
    bound_to = getattr(function, "__self__", None)
    if bound_to is not None:
        return f"{qualname} {_of_object(bound_to)}"
    if {"<locals>", "<lambda>"}.isdisjoint(qualname.split(".")):
        return qualname
    return f"{qualname} {token_of(function).written.hex()}"


def _of_object(bound_to: object) -> str:
    from ..keys import digest

    return digest(owner(bound_to))


def defaults_of(function: object) -> dict[str, object]:
    """The defaults of a function's parameters that are plain values, by name.

    Calls that leave a default out are those that give it.
    """
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {}
    return {each.name: each.default for each in parameters if _is_plain(each.default)}


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float, str)
