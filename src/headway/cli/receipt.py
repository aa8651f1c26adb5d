"""``headway receipt``: what a recorded run asked, ran and shared, and where its time went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from .. import settings

if TYPE_CHECKING:
    from ..runs import RecordedRun


def receipt(
    run: Annotated[str, typer.Argument(help='A run\'s id or file, or "last".')] = "last",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    calls: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=200,
            help="Show so many calls of tools by their ids, the slowest first; default: up to 5 "
            "that ran for more than 1 s.",
        ),
    ] = None,
) -> None:
    """Show the receipt of a recorded run."""
    import msgspec

    from ..runs import render

    shown = recorded_run(run, Path(settings.load().folder)).receipt()
    typer.echo(msgspec.json.encode(shown) if json else render(shown, calls=calls))


def recorded_run(run: str, folder: Path) -> RecordedRun:
    """The run of this id, in this file, or the last one; ends the process if there is none."""
    from ..runs import latest_run, list_runs, read_run

    if run == "last":
        if (latest := latest_run(folder)) is not None:
            return latest
        refuse(f"no run is recorded in {folder}; `headway demo` records two")
    if Path(run).is_file():
        return read_run(run)
    listed = list_runs(folder)
    for each in listed:
        if each.run == run:
            return read_run(*each.paths)
    known = ", ".join(each.run for each in listed[:3]) or "none"
    return refuse(f"{run!r} is no file and no run in {folder}; the newest there: {known}")


def refuse(message: str) -> NoReturn:
    """End the process with exit code 2 and one line."""
    typer.echo(f"headway: {message}", err=True)
    raise typer.Exit(2)
