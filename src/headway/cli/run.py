"""Running a research from the command line: bad input, interruption, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer

from ..apps.research import UnknownTicker, WrongModel
from ..errors import BadSetup

T = TypeVar("T")

REFUSED, INTERRUPTED = 2, 130


def run_or_exit(work: Coroutine[Any, Any, T], kept_in: str) -> T:
    """The result of *work*; ends the process in good order on bad input or Ctrl-C.

    Exit codes: 2 for an unknown ticker or a model that cannot be asked, 130 after Ctrl-C.
    """
    try:
        return asyncio.run(work)
    except (UnknownTicker, WrongModel, BadSetup) as wrong:
        refuse(str(wrong))
    except KeyboardInterrupt:
        _stop(INTERRUPTED, f"headway: stopped; what was finished is in {kept_in}")


def refuse(message: str) -> NoReturn:
    """End the process because of how it was used."""
    _stop(REFUSED, f"headway: {message}")


def _stop(code: int, message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
