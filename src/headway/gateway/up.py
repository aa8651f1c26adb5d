"""``headway up`` from its start to its end: serve, reload, show, drain."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import Final, Protocol, TextIO

import msgspec

from .. import clock
from ..settings import switch_logging
from .addresses import HostPort, address_of, listening, listening_together
from .admin_on_demand import AdminOnDemand
from .chosen import Chosen, choose, what_needs_a_restart
from .options import Options
from .plan import Plan
from .reports import Phase, Reload, Reports

log = logging.getLogger("headway.gateway")

CUT: Final = 1
"""The exit code if not all that was under way could be finished."""
NO_ADMIN: Final = (
    "the admin side is off: it needs starlette and uvicorn, which are not installed; "
    "pip install 'headway[gateway]', or --admin off"
)


LENT: Final = (
    "whoever reaches {} is lent the credential of a key_env, for there are no client keys; "
    "add a [gateway.keys.NAME]"
)


class Crew(Protocol):
    """Who serves: ``Alone``, or ``Workers``."""

    async def start(self) -> None:
        """Return when all serve."""

    async def reload(self, plan: Plan) -> str | None:
        """New requests by the new plan; what kept a worker from it."""

    async def reports(self) -> Reports:
        """How they fare."""

    async def drain(self, within_s: float) -> bool:
        """Accept no more, finish what is under way; True if all of it ended by itself."""

    async def aclose(self) -> None:
        """End at once."""


async def up(options: Options, environment: Mapping[str, str]) -> int:
    """Serve until a signal says otherwise; the exit code.

    Raises:
        BadSetup: the settings, an address or the store will not do.
    """
    environment, signals = dict(environment), Signals()
    chosen = choose(options, environment)
    switch_logging(chosen.log_levels)
    # The secret by which processes find each other's answers lies there, for workers as well.
    os.environ["HEADWAY_FOLDER"] = chosen.folder
    async with AsyncExitStack() as until_the_end:
        admin_socket = None
        if chosen.admin is not None:
            admin_socket = until_the_end.enter_context(listening(chosen.admin, "--admin"))
        gateway = Up(chosen, lambda: choose(options, environment))
        until_the_end.push_async_callback(gateway.aclose)
        await gateway.start()
        signals.on_reload = gateway.reload
        gateway.show(admin_socket)
        await signals.ending.wait()
        return await gateway.end(signals.at_once)


class Signals:
    """What signals ask for: SIGHUP a reload, SIGTERM and SIGINT the end, a second one at once."""

    def __init__(self) -> None:
        self.ending, self.at_once = asyncio.Event(), asyncio.Event()
        self.on_reload: Callable[[], object] = lambda: None
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: self.on_reload())
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._end)

    def _end(self) -> None:
        (self.at_once if self.ending.is_set() else self.ending).set()


class Up:
    """The gateway and its admin side: what the latter shows, and what signals change."""

    def __init__(self, chosen: Chosen, again: Callable[[], Chosen]) -> None:
        self.plan = chosen.plan
        self.phase: Phase = "starting"
        self.last_reload: Reload | None = None
        self._chosen, self._again = chosen, again
        self._listen, self._crew = _crew(chosen)
        self._admin: AdminOnDemand | None = None
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self._listen)

    async def reports(self) -> Reports:
        """How its workers fare."""
        return await self._crew.reports()

    # --- start -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Serve.

        Raises:
            BadSetup: it cannot be.
        """
        await self._crew.start()
        self.phase = "serving"

    def show(self, sock: socket.socket | None) -> None:
        """Say where it listens, and start the admin side on *sock*."""
        count = self._chosen.workers
        workers = "1 worker" if count == 1 else f"{count} workers"
        _tell(sys.stdout, f"listening on http://{self._listen} ({workers})")
        if _lends_to_everybody(self.plan, self._listen):
            _tell(sys.stderr, LENT.format(self._listen))
        if sock is None:
            return
        if find_spec("starlette") is None or find_spec("uvicorn") is None:
            sock.close()
            _tell(sys.stderr, NO_ADMIN)
            return
        self._admin = AdminOnDemand(self, sock)
        _tell(sys.stdout, f"admin side on http://{address_of(sock)}")

    # --- reload ----------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the settings again, soon."""
        task = asyncio.get_running_loop().create_task(self._reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        async with self._reloading:
            problem = await self._problem_of_reload()
            self.last_reload = Reload(clock.now(), problem)
            if problem is not None:
                _tell(sys.stderr, f"not reloaded, the old plan stays: {problem}")

    async def _problem_of_reload(self) -> str | None:
        try:
            chosen = self._again()
            first = self._chosen.plan  # the store stays, also that of workers to come
            plan = msgspec.structs.replace(
                chosen.plan, store=first.store, memory_bytes=first.memory_bytes
            )
            problem = await self._crew.reload(plan)
        except Exception as wrong:  # whatever it is, the old plan serves on
            return str(wrong)
        if problem is None:
            self.plan = plan
            _tell(sys.stderr, "reloaded")
            for what in what_needs_a_restart(self._chosen, chosen):
                _tell(sys.stderr, f"{what} changed, which needs a restart")
        return problem

    # --- end -------------------------------------------------------------------------------

    async def end(self, at_once: asyncio.Event) -> int:
        """Drain, unless it is to be *at_once*; the exit code."""
        self.phase = "draining"
        loop = asyncio.get_running_loop()
        draining = loop.create_task(self._crew.drain(self._chosen.drain_s))
        hurrying = loop.create_task(at_once.wait())
        await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        is_clean = draining.done() and draining.result()
        for task in (draining, hurrying):
            task.cancel()
        await asyncio.wait({draining, hurrying})
        if not is_clean:
            _tell(sys.stderr, "ended before all that was under way was finished")
        return 0 if is_clean else CUT

    async def aclose(self) -> None:
        """Drop what is left, the admin side last."""
        for task in list(self._tasks):
            task.cancel()
        await self._crew.aclose()
        if self._admin is not None:
            await self._admin.aclose()


def _crew(chosen: Chosen) -> tuple[HostPort, Crew]:
    # Each takes what it needs into memory, and nothing of the other.
    if chosen.workers == 1:
        from .alone import Alone

        sock = listening(chosen.listen, "--listen")
        return HostPort(chosen.listen.host, address_of(sock).port), Alone(chosen.plan, sock)
    from .workers import Workers

    sockets = listening_together(chosen.listen, chosen.workers, "--listen")
    listen = HostPort(chosen.listen.host, address_of(sockets[0]).port)
    return listen, Workers(chosen.plan, sockets, chosen.log_levels, drain_s=chosen.drain_s)


def _lends_to_everybody(plan: Plan, listen: HostPort) -> bool:
    has_key = any(upstream.key is not None for upstream in plan.upstreams)
    return has_key and not plan.keys and not listen.is_loopback


def _tell(stream: TextIO, text: str) -> None:
    stream.write(f"headway: {text}\n")
    stream.flush()
