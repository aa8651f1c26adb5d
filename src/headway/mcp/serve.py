"""One client, one server, and this process between them, from start to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

from .. import clock
from .answers import META_IN_KEY
from .catalogue import Catalogue
from .child import GRACE_S, CannotStart, Child
from .keeping import Answers
from .proxy import Proxy
from .pump import Incoming, Outgoing, Writer, read_from, write_to

MUTE_S = 1.0
"""How long a server may go on that has closed its stdout, and so can answer nothing."""
SILENCE_S = 30.0
"""After so long without a word from the server, stderr says so, once."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FLUSH_S = 2.0
_LOOK_S = 0.01


async def serve(
    command: Sequence[str],
    *,
    answers: Answers,
    catalogue: Catalogue,
    in_key: Collection[str] = META_IN_KEY,
    asks: bool = True,
) -> int:
    """Start *command* and stand between it and this process's stdin and stdout until it ends.

    Args:
        command: the server and its arguments.
        answers: keeps and shares the answers of tools that only read.
        catalogue: knows which those are.
        in_key: the names in ``_meta`` that belong to a question.
        asks: whether the server may be asked for its tools; else only what passes is learnt.

    Returns:
        The exit code for this process: the server's; 128 and the signal's number if a signal ended
        either; 126 or 127 if the server could not be started.
    """
    passage = _Passage(command)
    passage.proxy = Proxy(
        passage.to_client,
        passage.child.write,
        tell,
        answers=answers,
        catalogue=catalogue,
        in_key=in_key,
        asks=asks,
    )
    try:
        return await passage.run()
    except CannotStart as wrong:
        tell(str(wrong))
        return wrong.code
    finally:
        if said := answers.summary():
            tell(said)
        await answers.aclose()
        for fd in (0, 1):  # a terminal shares this with the shell that comes after us
            os.set_blocking(fd, True)


def tell(text: str) -> None:
    """Say *text* on stderr, on a line of its own."""
    with suppress(OSError, ValueError):  # nobody reads it
        sys.stderr.write(f"headway mcp: {text}\n")
        sys.stderr.flush()


class _Passage:
    """The pipes between client and server, and what ends them."""

    proxy: Proxy

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._over = asyncio.Event()
        self._signal: int | None = None
        self._has_spoken = False
        self._writer: Writer
        self._client_out = Outgoing(self._over.set)
        server_in = Outgoing(lambda: None)
        self.child = Child(self._from_server, self._over.set, server_in)
        self._client_in = Incoming(lambda line: self.proxy.from_client(line), self._client_ended)
        self._client_out.slows(lambda: self.child.source)
        self._client_out.slows(lambda: self._client_in)  # what we answer ourselves fills it too
        server_in.slows(lambda: self._client_in)

    def to_client(self, data: bytes) -> None:
        """Send *data* to the client."""
        self._writer.write(data)

    async def run(self) -> int:
        """Until the client leaves, the server ends, or a signal comes; then end all in order."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, partial(self._signalled, number))
        self._writer = await write_to(1, self._client_out)
        await self.child.start(self._command)
        silence = clock.call_later(SILENCE_S, self._mention_silence)
        await read_from(0, self._client_in)
        await self._over.wait()
        await self._pass_on_the_rest()
        silence.cancel()
        await self.child.end(self._grace_s)
        await self.proxy.aclose()
        await self._end_client()
        return self.child.code if self._signal is None else 128 + self._signal

    @property
    def _grace_s(self) -> float:
        if self._signal is not None:
            return 0.0
        return MUTE_S if self.child.drained.is_set() else GRACE_S

    def _from_server(self, line: bytes) -> None:
        self._has_spoken = True
        self.proxy.from_server(line)

    def _mention_silence(self) -> None:
        if not self._has_spoken:
            tell(f"no word from {self._command[0]!r} within {SILENCE_S:g} s; still waiting")

    def _client_ended(self, rest: bytes) -> None:
        if rest:
            self.proxy.from_client(rest, end=b"")
        self._over.set()

    def _signalled(self, number: int) -> None:
        is_second, self._signal = self._signal is not None, number
        if self._over.is_set():  # it is ending already, and somebody is in a hurry
            self.child.signal(signal.SIGKILL if is_second else signal.SIGTERM)
        self._over.set()

    async def _pass_on_the_rest(self) -> None:
        """What the client sent before it closed its side reaches the server before the end does."""
        await self._until_idle()
        if self._signal is None:
            self.proxy.wait_for_tools_no_more()
            await self._until_idle()

    async def _until_idle(self) -> None:
        until = clock.monotonic() + GRACE_S
        while self.proxy.is_busy and not self.child.exited.is_set() and self._signal is None:
            if clock.monotonic() > until:
                break
            await clock.sleep(_LOOK_S)

    async def _end_client(self) -> None:
        self._writer.close()
        try:
            await asyncio.wait_for(self._client_out.closed.wait(), _FLUSH_S)
        except TimeoutError:  # who does not read loses it
            self._writer.abort()
