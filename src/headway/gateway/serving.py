"""One process that serves: the gateway and what counts its events."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .. import events
from ..monitor import Gauge, Monitor
from .collecting import collect_seldom
from .gateway import Gateway
from .plan import Plan
from .reports import Report


class Serving:
    """A gateway and its monitor, in the running loop."""

    def __init__(self, plan: Plan, name: str = "1") -> None:
        self._name = name
        self._gateway, self._monitor = Gateway(plan), Monitor()
        self._until_closed = ExitStack()
        self._until_closed.enter_context(events.listen(self._monitor.hear))

    def adopt(self, sock: socket.socket) -> None:
        """Serve whoever comes to *sock*, which listens, and is the gateway's from now on."""
        self._gateway.adopt(sock)
        collect_seldom()

    def reload(self, plan: Plan) -> None:
        """New requests by the new plan."""
        self._gateway.reload(plan)

    def report(self) -> Report:
        """How it fares now."""
        self._gateway.telling.now()
        state, resident_bytes = self._gateway.state(), _resident_bytes()
        return Report(
            worker=self._name,
            pid=os.getpid(),
            resident_bytes=resident_bytes,
            cpu_s=_cpu_s(),
            state=state,
            snapshot=self._monitor.snapshot(_gauges(state, resident_bytes)),
        )

    async def drain(self, within_s: float) -> bool:
        """Accept no more, finish what is under way; True if all of it ended by itself."""
        return await self._gateway.drain(within_s)

    async def aclose(self) -> None:
        """Drop what is left."""
        await self._gateway.aclose()
        self._until_closed.close()


def _gauges(state: Mapping[str, Any], resident_bytes: int) -> Iterator[Gauge]:
    yield Gauge("headway_resident_memory_bytes", resident_bytes, "Memory of the workers.")
    yield Gauge("headway_client_connections", state["connections"], "Connections of clients.")
    for name, upstream in state["upstreams"].items():
        help_ = "Workers that ask this upstream; the others pass it over."
        yield Gauge("headway_upstream_up", int(upstream["up"]), help_, {"upstream": name})
        help_ = "Connections to this upstream."
        yield Gauge(
            "headway_upstream_connections", upstream["connections"], help_, {"upstream": name}
        )


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):  # no /proc: the most it ever was
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
