"""``headway mcp``: the proxy in front of an MCP server."""

from __future__ import annotations

import asyncio
from typing import Any

import typer
from typer.core import TyperGroup

_SERVER = "headway.mcp.server"


class ServerAfterDashes(TyperGroup):
    """What stands after ``--`` is a server's command line, never a sub-command of ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the server's command line out of *args*."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_SERVER] = args[at + 1 :]
            args = args[:at]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


mcp = typer.Typer(
    cls=ServerAfterDashes,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Stand between an MCP client and a server: headway mcp [OPTIONS] -- SERVER [ARGS]...",
)


@mcp.callback()
def proxy(context: typer.Context) -> None:
    """Stand between an MCP client and a server: headway mcp [OPTIONS] -- SERVER [ARGS]..."""
    command: list[str] = context.meta.get(_SERVER, [])
    if context.invoked_subcommand is not None:
        if command:
            raise typer.BadParameter(f"`{context.invoked_subcommand}` takes no server after `--`")
        return
    if not command:
        raise typer.BadParameter("name the server: headway mcp -- some-mcp-server its-arguments")
    from ..mcp.serve import serve

    raise typer.Exit(asyncio.run(serve(command)))
