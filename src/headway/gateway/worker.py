"""A worker's process: serves on the socket that its parent gave it, and does what the parent says.

Started as ``python -m headway.gateway.worker NAME CHANNEL SOCKET``, the last two being numbers of
inherited files. It ends when its parent does.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence

from ..errors import HeadwayError
from ..settings import switch_logging
from .control import (
    Ask,
    Begin,
    Channel,
    Drain,
    Ended,
    Failed,
    FromWorker,
    Leaving,
    Ready,
    Reload,
    Reloaded,
    Reported,
    ToWorker,
    end_of_worker,
)
from .loops import new_loop
from .plan import Plan
from .serving import Serving

log = logging.getLogger("headway.gateway")


def main(arguments: Sequence[str]) -> None:
    """Serve until the parent says otherwise, or is gone."""
    # A terminal or a supervisor sends these to the whole group; here the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    name, channel, listening, log_levels = arguments
    switch_logging(log_levels)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_work(name, socket.socket(fileno=int(channel)), int(listening)))


async def _work(name: str, sock: socket.socket, listening: int) -> None:
    channel = await end_of_worker(sock)
    try:
        begin = await channel.hear()
        if isinstance(begin, Begin):
            await _begin(name, channel, begin, socket.socket(fileno=listening))
    finally:
        await channel.aclose()


async def _begin(
    name: str, channel: Channel[FromWorker, ToWorker], begin: Begin, sock: socket.socket
) -> None:
    try:
        serving = Serving(begin.plan, name)
    except (HeadwayError, OSError) as wrong:
        channel.say(Failed(str(wrong)))
        return
    serving.adopt(sock)
    channel.say(Ready())
    await Worker(serving, channel).obey()


class Worker:
    """What the parent says, done."""

    def __init__(self, serving: Serving, channel: Channel[FromWorker, ToWorker]) -> None:
        self._serving, self._channel = serving, channel
        self._draining: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def obey(self) -> None:
        """Return when the parent is gone, or when all is finished after it asked to drain."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leave)
        hearing = loop.create_task(self._hear_all())
        try:
            await self._over.wait()
        finally:
            hearing.cancel()
            if self._draining is not None:
                self._draining.cancel()
            await self._serving.aclose()

    async def _hear_all(self) -> None:
        try:
            while (said := await self._channel.hear()) is not None:
                self._do(said)
        finally:  # the parent is gone
            self._over.set()

    def _do(self, said: ToWorker) -> None:
        match said:
            case Ask(number):
                self._report(number)
            case Reload(number, plan):
                self._channel.say(Reloaded(number, self._why_not_reloaded(plan)))
            case Drain(within_s):
                self._drain(within_s)

    def _report(self, number: int) -> None:
        try:
            self._channel.say(Reported(number, self._serving.report()))
        except Exception:  # figures are not worth a client's connection
            log.exception("no report can be made")

    def _why_not_reloaded(self, plan: Plan) -> str | None:
        try:
            self._serving.reload(plan)
        except Exception as wrong:  # whatever it is, the old plan serves on
            return str(wrong)
        return None

    def _leave(self) -> None:
        """Somebody wants this worker to go: the parent starts another, and lets this one drain."""
        self._channel.say(Leaving())

    def _drain(self, within_s: float) -> None:
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drained(within_s))

    async def _drained(self, within_s: float) -> None:
        try:
            is_clean = await self._serving.drain(within_s)
            self._channel.say(Ended(is_clean, self._serving.report()))
            await self._channel.flushed()
        finally:
            self._over.set()


if __name__ == "__main__":
    main(sys.argv[1:])
