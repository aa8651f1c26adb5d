"""The clients of bench/gateway_soak.py: what they ask, and what they may be answered."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
from peer_gateway_soak_stand_in import REFUSED, RETRY_AFTER, pieces_for, text_for
from peer_gateway_soak_worker import TENANTS

MOST_S = 20.0
"""No call takes longer: a hang."""
SOURCES = {"hit", "miss", "joined", "stale", "bypass"}
POPULAR = 150
SMALL_BUFFER = 4096
OUTAGE_S = 1.5
"""After a worker was killed, so long a new connection may find nobody."""

WEIGHTS = {
    "same": 40, "new": 20, "sampled": 10, "burst": 2, "slow": 3, "big": 1, "left": 3,
    "flaky": 0.7, "cut": 0.5, "unfinished": 0.5,
    "limited": 3, "down": 1, "reset": 1, "silent": 0.7, "fine": 8, "spare": 3,
}  # fmt: skip
SHAKY = {"limited", "down", "reset", "silent", "fine"}


@dataclass
class Reply:
    """What came back; ``broken`` is why it did not end as HTTP says an answer ends."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    broken: str | None = None


@dataclass(frozen=True)
class Asked:
    """One question of one tenant."""

    kind: str
    number: int
    tenant: str
    streams: bool
    wire: str = "chat"

    @property
    def text(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def body(self) -> bytes:
        model = (
            "shaky-1" if self.kind in SHAKY else "spare-1" if self.kind == "spare" else "steady-1"
        )
        asked: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": self.text}],
            "temperature": 1 if self.kind == "sampled" else 0,
        }
        if self.wire == "messages":
            asked["max_tokens"] = 1000
        if self.streams:
            asked["stream"] = True
        return json.dumps(asked).encode()

    @property
    def path(self) -> str:
        return "/v1/messages" if self.wire == "messages" else "/v1/chat/completions"

    @property
    def headers(self) -> dict[str, str]:
        key = {"x-headway-key": self.tenant, "authorization": f"Bearer {self.tenant}"}
        if self.wire == "messages":
            own = {"x-headway-key": self.tenant, "x-api-key": self.tenant}
            key = {**own, "anthropic-version": "2023-06-01"}
        return {**key, "content-type": "application/json"}

    @property
    def expected(self) -> str:
        if self.kind == "big":
            return "".join(pieces_for(self.tenant, self.text))
        return text_for(self.tenant, self.text)


class Raw:
    """One keep-alive connection of our own, that knows its port and reads as slowly as told."""

    def __init__(self, port: int, *, small: bool = False) -> None:
        self._to, self._small = port, small
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.port = 0
        self.opened_at = 0.0

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            end = socket.socket()
            if self._small:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            end.setblocking(False)
            self.opened_at = time.monotonic()
            try:
                await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", self._to))
                limit = SMALL_BUFFER if self._small else 1 << 16
                opened = await asyncio.open_connection(sock=end, limit=limit)
            except BaseException:
                end.close()
                raise
            self._reader, self._writer = opened
            self.port = end.getsockname()[1]
        return self._reader, self._writer

    async def send(self, asked: Asked) -> None:
        """Only send it."""
        _, writer = await self._connect()
        head = [
            f"POST {asked.path} HTTP/1.1",
            "host: gateway",
            f"content-length: {len(asked.body)}",
        ]
        head += [f"{name}: {value}" for name, value in asked.headers.items()]
        writer.write("\r\n".join([*head, "", ""]).encode() + asked.body)
        await writer.drain()

    async def ask(self, asked: Asked, *, pause_s: float = 0.0) -> Reply:
        """The whole answer; *pause_s* is slept before each read of a chunk."""
        reply = Reply()
        try:
            await self.send(asked)
            reader, _ = await self._connect()
            await self._read(reader, reply, pause_s)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            reply.broken = repr(error)
        if reply.broken or reply.headers.get("connection", "") == "close":
            self.close()
        return reply

    async def _read(self, reader: asyncio.StreamReader, reply: Reply, pause_s: float) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        reply.status = int(lines[0].split()[1])
        pairs = (line.split(":", 1) for line in lines[1:] if line)
        reply.headers = {name.lower(): value.strip() for name, value in pairs}
        if "content-length" in reply.headers:
            reply.body = await reader.readexactly(int(reply.headers["content-length"]))
            return
        pieces = []
        while size := int(await reader.readline() or b"nothing", 16):
            if pause_s:
                await asyncio.sleep(pause_s)
            pieces.append(await reader.readexactly(size))
            reply.body = b"".join(pieces) if len(pieces) < 3 else reply.body
            await reader.readexactly(2)
        reply.body = b"".join(pieces)
        await reader.readexactly(2)

    async def leave(self, after_s: float, *, reset: bool) -> None:
        """Go away, whatever is under way."""
        await asyncio.sleep(after_s)
        if self._writer is not None and reset:
            end: socket.socket = self._writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Sdk:
    """The HTTP client of the official SDKs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._client = httpx2.AsyncClient(timeout=MOST_S + 5, trust_env=False)

    async def ask(self, asked: Asked) -> Reply:
        reply = Reply()
        try:
            async with self._client.stream(
                "POST", self._url + asked.path, content=asked.body, headers=asked.headers
            ) as answer:
                reply.status, reply.headers = answer.status_code, dict(answer.headers)
                reply.body = b"".join([piece async for piece in answer.aiter_bytes()])
        except httpx2.TransportError as error:
            reply.broken = repr(error)
        return reply

    async def aclose(self) -> None:
        await self._client.aclose()


class Load:
    """Asks until told to stop, and judges every answer."""

    def __init__(self, port: int, pause_s: float, seed: int = 7) -> None:
        self.port, self.pause_s = port, pause_s
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.sources: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.hangs: list[str] = []
        self.took: list[tuple[float, str]] = []
        self.killed_at: list[float] = []
        self.killed_ports: set[int] = set()
        self.is_over = False
        self.began = time.monotonic()
        self._random = random.Random(seed)
        self._numbers = iter(range(1_000_000, 1 << 60))

    async def work(self, number: int) -> None:
        """One client, of our own or with the SDKs' library, until it is over."""
        sdk = Sdk(self.port) if number % 3 == 2 else None
        raw = Raw(self.port)
        kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
        try:
            while not self.is_over:
                asked = self._question(self._random.choices(kinds, weights)[0])
                if asked.kind == "left":
                    await self._leave(asked)
                elif asked.kind == "burst":
                    await self._burst()
                elif asked.kind == "big":
                    await self._judged(asked, Raw(self.port, small=True), pause_s=0.003)
                else:
                    await self._judged(asked, raw if sdk is None else sdk)
                await asyncio.sleep(self._random.expovariate(1 / self.pause_s))
        finally:
            raw.close()
            if sdk is not None:
                await sdk.aclose()

    def _question(self, kind: str) -> Asked:
        popular = kind in ("same", "sampled")
        number = self._random.randrange(POPULAR) if popular else next(self._numbers)
        streams = kind in ("big", "unfinished") or self._random.random() < 0.4
        on_messages = kind in ("same", "new", "sampled") and self._random.random() < 0.25
        wire = "messages" if on_messages else "chat"
        return Asked(kind, number, self._random.choice(TENANTS), streams, wire)

    async def _burst(self) -> None:
        """Ten at once ask the same, for both tenants."""
        number = next(self._numbers)
        streams = self._random.random() < 0.5
        asked = [Asked("burst", number, tenant, streams) for tenant in TENANTS for _ in range(5)]
        clients = [Raw(self.port) for _ in asked]
        await asyncio.gather(
            *(self._judged(one, raw) for one, raw in zip(asked, clients, strict=True))
        )
        for raw in clients:
            raw.close()

    async def _leave(self, asked: Asked) -> None:
        raw = Raw(self.port)
        try:
            await raw.send(asked)
            await raw.leave(self._random.random() * 0.5, reset=self._random.random() < 0.5)
            self.outcomes["left"]["gone"] += 1
        except OSError as error:
            verdict = "killed" if self._was_killed(raw, time.monotonic()) else repr(error)
            self._note(asked, verdict)

    async def _judged(self, asked: Asked, client: Raw | Sdk, *, pause_s: float = 0.0) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(MOST_S):
                if isinstance(client, Raw):
                    reply = await client.ask(asked, pause_s=pause_s)
                else:
                    reply = await client.ask(asked)
        except TimeoutError:
            self.hangs.append(f"{asked.text}, asked at {began - self.began:.1f} s")
            if isinstance(client, Raw):
                client.close()
            return
        finally:
            if asked.kind == "big" and isinstance(client, Raw):
                client.close()
        self.took.append((time.monotonic() - began, f"{asked.text}, at {began - self.began:.1f} s"))
        self._note(asked, self._verdict(asked, reply, client, began))

    def _note(self, asked: Asked, verdict: str) -> None:
        self.outcomes[asked.kind][verdict.split(":")[0]] += 1
        if verdict not in ALLOWED[asked.kind]:
            way = f"{asked.wire}{', stream' if asked.streams else ''}"
            at = time.monotonic() - self.began
            self.wrong.append(f"at {at:.1f} s, {asked.text} ({way}): {verdict}")

    def _verdict(self, asked: Asked, reply: Reply, client: Raw | Sdk, began: float) -> str:
        """In a word what came; anything but the words allowed for its kind is wrong."""
        if reply.broken is not None and self._was_killed(client, began):
            return "killed"
        if reply.broken is not None:
            begun = reply.status is not None
            return "broken" if begun else f"broken before the answer: {reply.broken}"
        if refused := reply.headers.get("x-headway-refused"):
            return f"refused {refused} {reply.status}"
        source = reply.headers.get("x-headway-cache", "unmarked")
        self.sources[source] += 1
        if source not in SOURCES:
            return f"marked {source}"
        if source == "hit" and asked.kind not in ("same", "burst", "big", "new"):
            return "hit, and should not be"
        if reply.status != 200:
            return _passed_on(asked, reply)
        return _said(asked, reply)

    def _was_killed(self, client: Raw | Sdk, began: float) -> bool:
        """Whether this connection was one of a worker that was killed, as far as can be known."""
        now = time.monotonic()
        near = any(began <= at + OUTAGE_S and now >= at for at in self.killed_at)
        if not near or isinstance(client, Sdk):
            return near
        at = self.killed_at[-1]
        return client.port in self.killed_ports or client.opened_at >= at - 0.05

    def summary(self) -> dict[str, object]:
        took = sorted(self.took)
        return {
            "calls": len(took),
            "outcomes": {kind: dict(found) for kind, found in sorted(self.outcomes.items())},
            "sources": dict(self.sources),
            "wrong": len(self.wrong),
            "wrong_first": self.wrong[:8],
            "hangs": len(self.hangs),
            "hangs_first": self.hangs[:8],
            "p50_ms": round(took[len(took) // 2][0] * 1e3, 1) if took else None,
            "max_s": round(took[-1][0], 2) if took else None,
            "slowest": [f"{took_s:.2f} s: {what}" for took_s, what in took[:-6:-1]],
        }


def _passed_on(asked: Asked, reply: Reply) -> str:
    """An error of the provider's, which must be as the provider sent it."""
    if reply.status != REFUSED.get(asked.kind):
        return f"status {reply.status}: {reply.body[:200]!r}"
    if reply.headers.get("retry-after") != str(RETRY_AFTER):
        return f"retry-after lost: {reply.headers}"
    if asked.text.encode() not in reply.body:
        return f"another's error: {reply.body[:200]!r}"
    return "passed on"


def _said(asked: Asked, reply: Reply) -> str:
    try:
        found = "".join(_texts(asked, reply))
    except (ValueError, LookupError, TypeError) as error:
        return f"unreadable: {error!r}, {len(reply.body)} bytes, {reply.headers}"
    if asked.streams and not _is_ended(asked, reply.body):
        is_error = b'"error"' in reply.body[-600:]
        return (
            "broken" if is_error else f"a clean end of an unfinished stream: {reply.body[-200:]!r}"
        )
    if found != asked.expected:
        return f"another's answer: {found[:80]!r} instead of {asked.expected[:80]!r}"
    return "right"


def _is_ended(asked: Asked, body: bytes) -> bool:
    if asked.wire == "messages":
        return b"event: message_stop" in body[-200:]
    return body.rstrip().endswith(b"data: [DONE]")


def _texts(asked: Asked, reply: Reply) -> Iterator[str]:
    if not asked.streams:
        parsed = json.loads(reply.body)
        if asked.wire == "messages":
            yield from (block["text"] for block in parsed["content"])
        else:
            yield parsed["choices"][0]["message"]["content"]
        return
    for line in reply.body.split(b"\n"):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            if asked.wire == "messages":
                yield event.get("delta", {}).get("text") or ""
            elif event.get("choices"):
                yield event["choices"][0]["delta"].get("content") or ""


PASSED_OVER = {"refused upstream_passed_over 503"}
UNREACHABLE = {"refused upstream_unreachable 502", "refused upstream_broke_off 502"}
ALLOWED: dict[str, set[str]] = {
    **{kind: {"right", "killed"} for kind in WEIGHTS},
    "flaky": {"right", "killed", *UNREACHABLE},
    "cut": {"broken", "killed", *UNREACHABLE},
    "unfinished": {"broken", "killed"},
    "limited": {"passed on", "killed", *PASSED_OVER},
    "down": {"passed on", "killed", *PASSED_OVER},
    "reset": {"killed", *UNREACHABLE, *PASSED_OVER},
    "silent": {"killed", "refused first_byte_timeout 504", *PASSED_OVER},
    "fine": {"right", "killed", *PASSED_OVER},
    "left": {"gone", "killed"},
}
