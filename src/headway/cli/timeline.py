"""``headway timeline``: a recorded run as one HTML page, to look at and to pass on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .. import settings
from .receipt import recorded_run, refuse


def timeline(
    run: Annotated[str, typer.Argument(help='A run\'s id or file, or "last".')] = "last",
    out: Annotated[
        str, typer.Option(help='The file to write, "-" for stdout; default: timeline-RUN.html.')
    ] = "",
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Draw a recorded run: agents as lanes, calls as bars, the critical path."""
    from ..runs.timeline import timeline as page_of

    recorded = recorded_run(run, Path(settings.load().folder))
    page = page_of(recorded)
    if out == "-":
        typer.echo(page)
        return
    path = Path(out or f"timeline-{_file_name(recorded.header.run)}.html")
    try:
        _write(path, page)
    except OSError as error:
        refuse(f"{path} cannot be written: {error.strerror or error}")
    typer.echo(path)
    if show:
        _open(path)


def _file_name(run: str) -> str:
    """The id of a run as part of a file name, whoever chose it."""
    return "".join(each if each.isalnum() or each in "-_" else "_" for each in run)[:80]


def _write(path: Path, page: str) -> None:
    """All of *page* at *path*, or what was there before."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _open(path: Path) -> None:
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        typer.echo(f"headway: no browser could be started; open {path} yourself", err=True)
