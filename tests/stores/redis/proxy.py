"""A way to the server that can be slow, swallow what is said, or break in mid-command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes on between clients and the server at *port*.

    ``delay_s``: each piece of a reply comes so much later. ``is_silent``: nothing passes, and
    nobody hangs up. ``reply_bytes``: so many more bytes of replies pass, then the line breaks.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.delay_s = 0.0
        self.is_silent = False
        self.is_refusing = False
        self.reply_bytes: int | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            listener.close()
            self.cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await listener.wait_closed()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.is_refusing:
            writer.transport.abort()
            return
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        mine = {writer, far_writer}
        self._writers |= mine
        try:
            await asyncio.gather(
                self._pass(reader, far_writer), self._pass(far_reader, writer, is_reply=True)
            )
        except OSError:
            pass
        finally:
            self._writers -= mine
            for each in mine:
                each.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, is_reply: bool = False
    ) -> None:
        while data := await source.read(65_536):
            if is_reply and self.delay_s:
                await asyncio.sleep(self.delay_s)
            if is_reply and self.reply_bytes is not None:
                data = data[: self.reply_bytes]
                self.reply_bytes -= len(data)
            if not self.is_silent:
                to.write(data)
                await to.drain()
            if self.reply_bytes == 0:
                raise ConnectionResetError("cut here")
        raise ConnectionResetError("ended")
