"""``headway mcp``: the proxy in front of an MCP server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import clock, settings
from ..errors import BadSetup

_SERVER = "headway.mcp.server"
DEFAULT_TTL = "5m"


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
def proxy(
    context: typer.Context,
    ttl: Annotated[str, typer.Option(help="How long an answer is good.")] = DEFAULT_TTL,
    store: Annotated[
        str | None,
        typer.Option(help="Where answers rest, such as disk; several proxies may share one."),
    ] = None,
    read: Annotated[
        list[str] | None,
        typer.Option(help="A tool that only reads, or a pattern: 'get_*'. May be repeated."),
    ] = None,
    write: Annotated[
        list[str] | None, typer.Option(help="A tool that writes, whatever the server says.")
    ] = None,
    meta: Annotated[
        list[str] | None,
        typer.Option(help="A name in _meta on which answers depend. May be repeated."),
    ] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="Only watch, and say what could be saved.")
    ] = False,
) -> None:
    """Stand between an MCP client and a server: headway mcp [OPTIONS] -- SERVER [ARGS]..."""
    command: list[str] = context.meta.get(_SERVER, [])
    said = {"--store": [store] if store else [], "--read": read or [], "--write": write or []}
    said |= {"--meta": meta or [], "--ttl": [ttl] if ttl != DEFAULT_TTL else []}
    context.obj = [
        word for name, values in said.items() for value in values for word in (name, value)
    ]
    context.obj += ["--observe"] if observe else []
    if context.invoked_subcommand is not None:
        if command:
            raise typer.BadParameter(f"`{context.invoked_subcommand}` takes no server after `--`")
        return
    if not command:
        raise typer.BadParameter("name the server: headway mcp -- some-mcp-server its-arguments")
    raise typer.Exit(_serve(command, ttl, store, read or (), write or (), meta or (), observe))


def _serve(
    command: list[str],
    ttl: str,
    where: str | None,
    reads: Sequence[str],
    writes: Sequence[str],
    meta: Sequence[str],
    observe: bool,
) -> int:
    from ..mcp.answers import META_IN_KEY
    from ..mcp.catalogue import Catalogue
    from ..mcp.keeping import Answers, Kept, Observed
    from ..mcp.serve import serve
    from ..stores.opening import open_store

    ttl_s = _seconds(ttl)
    if observe:
        catalogue = Catalogue(reads, writes)
        answers: Answers = Observed(ttl_s=ttl_s)
    else:
        store = open_store(where)
        server = _identity(command) if store.is_shared else "here"
        catalogue = Catalogue(reads, writes, server=server)
        answers = Kept(catalogue, server=server, ttl_s=ttl_s, store=store)
    in_key = META_IN_KEY.union(meta)
    work = serve(command, answers=answers, catalogue=catalogue, in_key=in_key, asks=not observe)
    run = os.environ.get("HEADWAY_RUN")
    if run is None:
        return asyncio.run(work)
    from ..runs.record import record

    with record(f"mcp {Path(command[0]).name}", run=run):
        return asyncio.run(work)


def _seconds(ttl: str) -> float:
    try:
        return clock.seconds(ttl)
    except ValueError as wrong:
        raise BadSetup(f"--ttl: {wrong}") from None


def _identity(command: list[str]) -> str:
    from ..mcp.server_identity import server_identity
    from ..stores.installation import installation_secret

    secret = installation_secret(settings.current().folder)
    return server_identity(command, os.getcwd(), os.environ, secret)


_File = Annotated[Path, typer.Argument(help="A client's configuration, such as .mcp.json.")]


@mcp.command()
def wrap(context: typer.Context, file: _File = Path(".mcp.json")) -> None:
    """Put the proxy before each server in a client's configuration.

    The options of `headway mcp` go before `wrap`: headway mcp --store disk wrap .mcp.json
    """
    from ..mcp.client_file import wrap_file

    wrapped = wrap_file(file, _headway(), context.obj)
    _say_what_was_left(wrapped.left)
    _say(wrapped.done, "go through headway now", "no server that is started by a command", file)


@mcp.command()
def unwrap(file: _File = Path(".mcp.json")) -> None:
    """Take the proxy away again; the file is then, byte for byte, what it was."""
    from ..mcp.client_file import unwrap_file

    unwrapped, is_as_before = unwrap_file(file)
    if unwrapped.done and not is_as_before:
        typer.echo(f"{file}: it was edited since; those changes stay", err=True)
    _say(unwrapped.done, "are started directly again", "no server that is wrapped", file)


def _say(done: Sequence[str], what: str, nothing: str, file: Path) -> None:
    typer.echo(f"{file}: {', '.join(done)}: {what}" if done else f"{file}: {nothing}")


def _say_what_was_left(left: Mapping[str, str]) -> None:
    for name, why in left.items():
        typer.echo(f"{name} stays as it is: {why}", err=True)


def _headway() -> str:
    """The command that a client can start; by its path if it is not to be found without."""
    beside = Path(sys.executable).with_name("headway")
    return "headway" if shutil.which("headway") or not beside.exists() else str(beside)
