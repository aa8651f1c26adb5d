"""The sub-commands and the options they share."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .. import settings
from ..errors import BadSetup
from . import demo, receipt, research

app = typer.Typer(
    name="headway",
    help="The performance layer for LLM agents: removes what need not run, and shows a receipt.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(name="demo")(demo.demo)
app.command(name="research")(research.research)
app.command(name="receipt")(receipt.receipt)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"headway {version('headway')}")
        raise typer.Exit


@app.callback()
def common(
    log_level: Annotated[
        str,
        typer.Option(help='Log to stderr: "debug", or by room: "stores=debug,runs=info".'),
    ] = "",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options for every sub-command."""
    try:
        settings.switch_logging(log_level or os.environ.get("HEADWAY_LOG") or "warning")
    except BadSetup as wrong:
        typer.echo(f"headway: {wrong}", err=True)
        raise typer.Exit(2) from None
