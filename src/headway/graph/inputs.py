"""Which parameters a step has, and whether a run is given all it needs and nothing else."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Set

from ..errors import BadSetup

Parameters = Mapping[str, bool]
"""The parameters of a step by name, and whether each has a default."""


def parameters_of(function: Callable[..., object], step: str) -> Parameters:
    """What *function* wants to be given by name.

    Raises:
        BadSetup: it has a parameter that cannot be given by name.
    """
    found: dict[str, bool] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise BadSetup(
                f"{step}: {str(parameter)!r} names no step and no input; "
                "write every parameter so that it can be given by name"
            )
        found[parameter.name] = parameter.default is not parameter.empty
    return found


def check(graph: str, steps: Mapping[str, Parameters], given: Set[str]) -> None:
    """Pass if *given* are inputs, and all that the steps cannot do without.

    Raises:
        BadSetup: names the input, the step that needs it, and names that are near.
    """
    known = {
        name: None for parameters in steps.values() for name in parameters if name not in steps
    }
    for step, parameters in steps.items():
        for name, has_default in parameters.items():
            if name in known and name not in given and not has_default:
                raise BadSetup(_missing(graph, step, name, [*sorted(given - set(known)), *steps]))
    for name in given:
        if name in steps:
            raise BadSetup(
                f"{graph}: {name!r} is a step, not an input; its value comes from running it"
            )
        if name not in known:
            there_are = f"its inputs are {', '.join(known)}" if known else "it takes none"
            raise BadSetup(f"{graph} has no input {name!r}; {_near(name, known) or there_are}")


def _missing(graph: str, step: str, name: str, others: Iterable[str]) -> str:
    way_out = _near(name, others) or f"give {name}=..., or the parameter a default"
    return f"{graph}: step {step} needs {name!r}, which is no step and was not given; {way_out}"


def _near(name: str, others: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(others), 3)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""
