"""``headway up``: the gateway, until it is told to end."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def up(
    context: typer.Context,
    config: Annotated[
        str, typer.Option(help="The settings file; default: headway.toml here, if there is one.")
    ] = "",
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT; port 0 is any that is free.")
    ] = None,
    admin: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of health, readiness, metrics and state; or off."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="So many processes serve the same port.")
    ] = None,
    drain: Annotated[
        str | None,
        typer.Option(help='How long requests under way may take to finish at the end: "30s".'),
    ] = None,
    log_level: Annotated[
        str, typer.Option(help='Log to stderr: "info", or by room: "gateway=debug".')
    ] = "",
) -> None:
    """Serve OpenAI's and Anthropic's wires through Headway's policies.

    SIGHUP reads the settings again; requests under way are not touched. SIGTERM or Ctrl-C accepts
    no more and finishes what is under way; a second one ends at once. Ends with 0 if all was
    finished, 1 if something was cut off, 2 for settings or an address that will not do.
    """
    import msgspec

    from ..gateway.options import Options

    common = context.parent.params if context.parent is not None else {}
    options = Options(
        config=config,
        listen=listen,
        admin=admin,
        workers=workers,
        drain=drain,
        log_levels=log_level or common.get("log_level") or "",
    )
    sys.stdout.flush()
    # A process of its own under this number, which does not keep the command line in memory.
    command = [sys.executable, "-P", "-m", "headway.gateway", msgspec.json.encode(options).decode()]
    os.execv(sys.executable, command)
