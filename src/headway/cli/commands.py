"""The sub-commands and the options they share."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import settings
from ..errors import BadSetup
from . import cache, demo, mcp, receipt, research, run_command, timeline, up


class OneLineErrors(TyperGroup):
    """Ends any sub-command with one line and exit code 2 if the set-up is wrong."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BadSetup as wrong:
            typer.echo(f"headway: {wrong}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    name="headway",
    cls=OneLineErrors,
    help="The performance layer for LLM agents: removes what need not run, and shows a receipt.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(name="demo")(demo.demo)
app.command(name="research")(research.research)
app.command(name="run", context_settings={"allow_interspersed_args": False})(run_command.run)
app.command(name="up")(up.up)
app.command(name="receipt")(receipt.receipt)
app.command(name="timeline")(timeline.timeline)
app.add_typer(cache.app, name="cache")
app.add_typer(mcp.mcp, name="mcp")


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
    chosen = settings.load()
    settings.switch_logging(log_level or chosen.log or "warning")
