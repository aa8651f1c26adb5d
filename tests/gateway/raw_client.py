"""HTTP by hand: a client that sends any bytes, and a server that says any, and writes down all."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.contract.wire_exchanges import Ask

PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
    "anthropic.count_tokens": "/v1/messages/count_tokens",
}
PATIENCE_S = 30.0


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came; ``ending`` is ``whole``, ``cut`` (closed before its end) or ``reset``.

    An answer whose end is the end of the connection is ``whole`` with an orderly close.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    ending: str

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def mark(self) -> str | None:
        return self.header("x-headway-cache")


def request_to(question: Ask, *, add: Iterable[str] = (), drop: Iterable[str] = ()) -> bytes:
    """The bytes of a request, with more header lines, or without some of its own."""
    content = question.content
    headers = {"host": "model.test", **question.all_headers, "content-length": str(len(content))}
    lines = [f"{name}: {value}" for name, value in headers.items() if name not in drop]
    head = "\r\n".join([f"POST {PATHS[question.wire]} HTTP/1.1", *lines, *add, "", ""])
    return head.encode("latin-1") + content


def head_to(*lines: str, path: str = PATHS["openai.chat"]) -> bytes:
    """The head of a request to chat with these header lines."""
    usual = [f"POST {path} HTTP/1.1", "host: model.test", "authorization: Bearer key-of-a"]
    return "\r\n".join([*usual, *lines, "", ""]).encode("latin-1")


def chunked(content: bytes, size: int = 16) -> bytes:
    """The body in chunks, with the last one."""
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class RawClient:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.url = ""

    async def send(self, data: bytes, *, in_steps_of: int | None = None) -> None:
        """Write *data*, at once or in pieces that arrive one by one."""
        for at in range(0, len(data), in_steps_of or max(1, len(data))):
            self.writer.write(data[at : at + (in_steps_of or len(data))])
            await passing()

    async def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces so that each arrives by itself."""
        for piece in pieces:
            self.writer.write(piece)
            await passing()

    async def answer(self, *, to_head: bool = False) -> RawAnswer:
        """The next answer; ``to_head``: to a HEAD request, which has no body.

        Raises:
            TimeoutError: it does not come.
            EOFError: the connection ended without one.
        """
        return await asyncio.wait_for(self._answer(to_head), PATIENCE_S)

    async def _answer(self, to_head: bool) -> RawAnswer:
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError("the connection ended without an answer") from error
        status, headers = read_head(head)
        if 100 <= status < 200:
            return RawAnswer(status, headers, b"", "whole")
        body, ending = (b"", "whole") if to_head else await self._body(status, dict(headers))
        return RawAnswer(status, headers, body, ending)

    async def _body(self, status: int, headers: Mapping[str, str]) -> tuple[bytes, str]:
        body = bytearray()
        try:
            if "transfer-encoding" in headers:
                await self._chunks(body)
            elif "content-length" in headers:
                await self._exactly(body, int(headers["content-length"]))
            elif status not in (204, 304):
                while data := await self.reader.read(65536):
                    body += data
        except ConnectionError:
            return bytes(body), "reset"
        except asyncio.IncompleteReadError:
            return bytes(body), "cut"
        return bytes(body), "whole"

    async def _chunks(self, body: bytearray) -> None:
        while True:
            size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
            if size == 0:
                assert await self.reader.readuntil(b"\r\n") == b"\r\n"
                return
            await self._exactly(body, size)
            assert await self.reader.readexactly(2) == b"\r\n"

    async def _exactly(self, body: bytearray, size: int) -> None:
        while size:
            data = await self.reader.read(min(size, 65536))
            if not data:
                raise asyncio.IncompleteReadError(b"", size)
            body += data
            size -= len(data)

    async def rest(self) -> bytes:
        """All that still comes until the other side closes.

        Raises:
            TimeoutError: it does not close.
        """
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE_S)
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """Go without a word: the other side sees a reset."""
        end: socket.socket = self.writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def connected(url: str, *, receive_bytes: int | None = None) -> AsyncIterator[RawClient]:
    """A connection to the server at *url*, with a small receive buffer if wanted."""
    parts = urlsplit(url)
    end = socket.socket()
    if receive_bytes is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    end.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(end, (parts.hostname, parts.port))
    except BaseException:
        end.close()
        raise
    limit = 2**16 if receive_bytes is None else receive_bytes
    client = RawClient(*await asyncio.open_connection(sock=end, limit=limit))
    client.url = url
    try:
        yield client
    finally:
        await client.close()


async def passing(turns: int = 3) -> None:
    """Let what was written be read before anything else is."""
    for _ in range(turns):
        await asyncio.sleep(0)


def read_head(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    """The status and the headers of an answer."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    assert first.startswith("HTTP/1.1 "), first
    pairs = [line.partition(":") for line in lines]
    return int(first.split(" ")[1]), [(name.lower(), value.strip()) for name, _, value in pairs]


# --- the other side -----------------------------------------------------------------------------

GOOD_BODY = (
    b'{"id":"a","object":"chat.completion","model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"caf\xc3\xa9"},"finish_reason":"stop"}]}'
)
GOOD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(GOOD_BODY),
    GOOD_BODY,
)


@dataclass
class Heard:
    """One request as its bytes came."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def all_of(self, name: str) -> list[str]:
        """The values of that (lower-case) header."""
        return [value for key, value in self.headers if key == name]


Saying = Callable[["RawServer", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """What it heard, by requests as their content-length frames them, and all bytes.

    ``says`` answers each request; bytes are the answer to every one of them, a list the pieces of
    each, which leave one by one.
    """

    says: bytes | list[bytes] | Saying = GOOD
    url: str = ""
    requests: list[Heard] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    connections: int = 0
    open_connections: int = 0

    @property
    def log(self) -> list[Heard]:
        """The requests, as the stand-in provider calls them."""
        return self.requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard += head
        line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        pairs = [one.partition(":") for one in lines]
        heard = Heard(line, [(name.lower(), value.strip()) for name, _, value in pairs], b"")
        self.requests.append(heard)
        length = heard.all_of("content-length")
        if length:
            heard.body = await reader.readexactly(int(length[0]))
            self.heard += heard.body
        await self._say(writer)
        return not writer.is_closing()

    async def _say(self, writer: asyncio.StreamWriter) -> None:
        says = self.says
        if isinstance(says, bytes):
            writer.write(says)
        elif isinstance(says, list):
            for piece in says:
                writer.write(piece)
                await passing()
        else:
            await says(self, writer)


@asynccontextmanager
async def raw_server(
    says: bytes | list[bytes] | Saying = GOOD, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """A server on loopback that says what the test wants, in the clear or over *tls*."""
    tasks: set[asyncio.Task[None]] = set()
    heard = RawServer(says)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(heard._serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    heard.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield heard
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def resets(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    end: socket.socket = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
