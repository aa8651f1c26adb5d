"""``headway run``: any program behind Headway, with no change to it, and the receipt at the end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import settings
from ..errors import BadSetup

if TYPE_CHECKING:
    from ..gateway.base_urls import BaseUrls
    from ..gateway.plan import Plan, Rules
    from ..runs import Receipt, Run
    from .why_no_call import Ended

GATEWAY = "HEADWAY_GATEWAY"
DRAIN_S = 2.0
"""How long calls that the program's own children have under way may go on after its end."""
MOST_BODY_BYTES = 1024 * 1024 * 1024
MISSING = """headway run needs {name}, which is not installed.
Install it with:  pip install 'headway[gateway,cli]'"""


def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="The command and its arguments.", metavar="-- COMMAND [ARGS]"),
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Keep repeatable answers, and give them again.")
    ] = False,
    coalesce: Annotated[
        bool, typer.Option("--coalesce", help="Ask once what is asked at the same time.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="The receipt as JSON, as the last line of stderr.")
    ] = False,
    name: Annotated[
        str, typer.Option(help="What the run is called; runs of one name can be compared.")
    ] = "",
) -> None:
    """Run a program behind Headway, and show the receipt at its end: headway run -- COMMAND.

    Only watches unless asked. The program's output, terminal, signals and exit code are its own;
    everything from Headway goes to stderr.
    """
    if not command:
        raise typer.BadParameter("name the command: headway run -- python my_agent.py")
    try:
        from ..gateway.child import CannotStart, refuse_unless_found
        from ..gateway.gateway import Gateway  # noqa: F401  what it needs may not be installed
    except ModuleNotFoundError as missing:
        typer.echo(MISSING.format(name=missing.name), err=True)
        raise typer.Exit(2) from None
    try:
        refuse_unless_found(command)
        code = _run(command, _rules(cache, coalesce), name or _name_of(command), json)
    except CannotStart as wrong:
        typer.echo(f"headway run: {wrong}", err=True)
        code = wrong.code
    raise typer.Exit(code)


def _rules(cache: bool, coalesce: bool) -> Rules:
    from ..gateway.plan import OBSERVE, Rules

    if settings.current().off or not (cache or coalesce):
        return OBSERVE
    return Rules(ttl_s=Rules().ttl_s if cache else None, share=coalesce, attempts=1)


_INTERPRETERS = ("python", "pypy", "node", "bun", "deno", "uv", "npx", "ruby", "bash", "sh", "env")


_MODULE = re.compile(r"\w+(\.\w+)*")


def _name_of(command: Sequence[str]) -> str:
    """What stands for the command: its program, or the script that an interpreter is given.

    Nothing else of it, for it is recorded: keys may stand in arguments.
    """
    from .dot_env import script_of

    program = Path(command[0]).name
    if program.rstrip("0123456789.") not in _INTERPRETERS:
        return program
    if command[1:2] == ["-m"] and _MODULE.fullmatch("".join(command[2:3])):
        return command[2]
    script = script_of(command)
    return program if script is None else script.name


def _run(command: Sequence[str], rules: Rules, name: str, json: bool) -> int:
    from ..gateway.child import signals_held
    from ..gateway.loops import new_loop
    from ..runs import record

    urls = _base_urls(command)
    with signals_held() as held:
        with (
            record(name, run=_run_id(), overheard=True) as recorded,
            asyncio.Runner(loop_factory=new_loop) as runner,
        ):
            ended = runner.run(_behind_a_gateway(command, _plan(urls, rules), urls, held))
        _say(recorded, ended, json)
    return ended.code


def _base_urls(command: Sequence[str]) -> BaseUrls:
    from ..gateway.base_urls import known_variables, read_base_urls
    from .dot_env import said_by_dot_env

    said, path = said_by_dot_env(command, known_variables(), os.environ)
    if path is not None:
        typer.echo(f"headway run: {', '.join(said)} as {path} says", err=True)
    return read_base_urls({**os.environ, **said})


def _run_id() -> str | None:
    """None for the run that the environment names, if any; inside of another one it is new."""
    from ..scope import new_run_id

    return new_run_id() if GATEWAY in os.environ else None


def _plan(urls: BaseUrls, rules: Rules) -> Plan:
    from ..gateway.plan import Plan

    store = settings.current().store if rules.ttl_s is not None else "memory"
    return Plan(upstreams=urls.upstreams, rules=rules, max_body_bytes=MOST_BODY_BYTES, store=store)


async def _behind_a_gateway(
    command: Sequence[str], plan: Plan, urls: BaseUrls, held: frozenset[signal.Signals]
) -> Ended:
    """Serve *plan* for as long as *command* runs."""
    from ..gateway.child import run_child
    from ..gateway.collecting import collect_seldom
    from ..gateway.gateway import Gateway
    from ..scope import current
    from .why_no_call import Ended

    gateway = Gateway(plan)
    try:
        port = await gateway.listen()
        collect_seldom()
        changed = urls.variables(port, os.environ)
        own = {"HEADWAY_RUN": current.get().run or "", GATEWAY: gateway.url}
        code = await run_child(command, {**os.environ, **changed, **own}, held)
        await gateway.drain(DRAIN_S)
    finally:
        await gateway.aclose()
    return Ended(command, code, {turned.variable: turned.shown(port) for turned in urls.turned})


def _say(recorded: Run, ended: Ended, json: bool) -> None:
    """The receipt, on stderr; nobody may read it any more."""
    import msgspec

    from ..runs import write_receipt
    from .why_no_call import why_no_call, why_unreached

    receipt = _receipt(recorded)
    if sys.stderr is None:  # closed before we began
        return
    with suppress(OSError, ValueError):
        os.set_blocking(sys.stderr.fileno(), True)  # the program, whose it is too, may not wait
        if unreached := why_unreached(receipt):
            print(unreached, file=sys.stderr)
        if why := why_no_call(receipt, ended):
            print(why, file=sys.stderr)
        if json:
            print(msgspec.json.encode(receipt).decode(), file=sys.stderr)
        elif not why:
            sys.stderr.write("\n")
            write_receipt(receipt, sys.stderr, colour=_is_coloured())
        sys.stderr.flush()


def _receipt(recorded: Run) -> Receipt:
    """Of this process, and of those below it that recorded into the same run, if readable."""
    from ..runs import list_runs, read_run

    own = recorded.receipt()
    if recorded.path is None or recorded.lost:
        return own
    with suppress(BadSetup, OSError):
        listed = list_runs(recorded.path.parent.parent)
        found = next((each for each in listed if each.run == recorded.id), None)
        if found is not None and len(found.paths) > 1:
            return read_run(*found.paths).receipt()
    return own


def _is_coloured() -> bool:
    is_bare = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not is_bare
