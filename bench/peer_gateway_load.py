"""What bench/gateway.py asks of each server, and the medians of what it finds."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from peer_gateway_targets import Server, Servers

Found = dict[str, float]
"""What one run of the load generator printed."""


@dataclass(frozen=True)
class Cell:
    """One kind of load: ``miss`` asks every time anew, ``hit`` always the same, ``stream``."""

    name: str
    kind: str
    body: str
    at_once: int
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """A median and what it lies between."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        width = 0 if self.most >= 1000 else 1
        low, high = f"{self.least:,.{width}f}", f"{self.most:,.{width}f}"
        return f"{self.middle:,.{width}f} [{low}..{high}]"


STREAM = "st-20-20000"
"""The stand-in's model of 20 tokens, one every 20 ms."""
ASKED_FOR_CHUNKS = 20 / (19 * 0.020)
"""Chunks per second of one stream after the other, if nothing adds to them."""
SALT, REPEATABLE = "UNIQ0000000000000000", ',"temperature":0'


class Load:
    """Drives the cells in shuffled rounds and keeps every figure."""

    def __init__(self, servers: Servers, seconds: float, *, seed: int | None = None) -> None:
        self.servers, self.seconds = servers, seconds
        self.found: dict[tuple[str, str], list[Found]] = defaultdict(list)
        self.failed: list[str] = []
        self._random = random.Random(seed)

    def round(self, cells: list[Cell]) -> None:
        """Each cell once, with its targets in a new order."""
        for cell in cells:
            for name in self._random.sample(cell.targets, len(cell.targets)):
                self._once(cell, name)

    def _once(self, cell: Cell, name: str) -> None:
        server = self.servers.by_name[name]
        command = self._command(cell, server)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        try:
            found: Found = json.loads(done.stdout)
        except ValueError:
            self.failed.append(f"{cell.name}, {name}: {(done.stdout + done.stderr)[-300:]}")
            return
        if found["err"] or not found.get("n", found.get("chunks_per_s")):
            self.failed.append(f"{cell.name}, {name}: {found}")
        self.found[cell.name, name].append(found)

    def _command(self, cell: Cell, server: Server) -> list[str]:
        slow = server.name.startswith("LiteLLM")
        seconds = self.seconds * (2.5 if slow else 1.0)
        kind = "stream" if cell.kind == "stream" else "load"
        command = [str(self.servers.work.gwbench), kind, "--addr", f"127.0.0.1:{server.port}"]
        command += [
            "--conc",
            str(cell.at_once),
            "--warm",
            "1.0" if slow or kind == "stream" else "0.4",
        ]
        if server.name != "direct":
            command += ["--pid", str(server.pid)]
        if kind == "stream":
            command += ["--secs", str(max(2.0, seconds * 1.5)), "--model", STREAM]
            return [*command, "--ramp_us", "2000", "--salt", SALT, "--extra", REPEATABLE]
        command += ["--secs", str(seconds)]
        command += ["--body", str(self.servers.work.folder / f"{cell.body}.json")]
        return [*command, "--uniq", "1"] if cell.kind == "miss" else command

    def spread(self, cell: str, target: str, field: str) -> Spread | None:
        """The median of *field* over the rounds; None if that was not measured."""
        values = [found[field] for found in self.found.get((cell, target), ()) if field in found]
        return Spread(median(values), min(values), max(values)) if values else None

    def middle(self, cell: str, target: str, field: str) -> float | None:
        found = self.spread(cell, target, field)
        return None if found is None else found.middle

    def added_us(self, cell: str, target: str, field: str) -> float | None:
        """The median over rounds of what *target* adds to the direct way, in microseconds."""
        pairs = zip(self.found.get((cell, target), ()), self.found.get((cell, "direct"), ()))
        added = [through[field] - direct[field] for through, direct in pairs]
        return median(added) if added else None


def busy_share() -> float:
    """How busy the machine was when nobody was measuring; the figures hold below a tenth."""
    before = _ticks()
    time.sleep(0.5)
    after = _ticks()
    return round((after[0] - before[0]) / max(1, after[1] - before[1]), 2)


def _ticks() -> tuple[int, int]:
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(text) for text in stat.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def identical_streams(servers: Servers, target: str, clients: int) -> dict[str, object]:
    """*clients* ask one question at once, as a stream: how often was the upstream asked?"""
    return asyncio.run(_identical(servers, servers.by_name[target].port, clients))


async def _identical(servers: Servers, port: int, clients: int) -> dict[str, object]:
    salt = os.urandom(8).hex()
    body = json.dumps(
        {
            "model": "st-50-20000",
            "stream": True,
            "temperature": 0,
            "messages": [{"role": "user", "content": f"the same, {salt}"}],
        }
    ).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-1234\r\n"
        "content-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    before = await _count(servers.upstream)
    ready = asyncio.Event()
    asking = [asyncio.create_task(_ask(port, head.encode() + body, ready)) for _ in range(clients)]
    await asyncio.sleep(0.5)
    ready.set()
    answers = await asyncio.wait_for(asyncio.gather(*asking), 60)
    asked = await _count(servers.upstream) - before - 1
    bodies = {answer for answer, _ in answers}
    firsts = sorted(first for _, first in answers)
    whole = sum(answer.endswith(b"data: [DONE]\n\n") for answer, _ in answers)
    return {
        "clients": clients,
        "upstream_calls": asked,
        "whole": whole,
        "different_bodies": len(bodies),
        "first_byte_p50_ms": round(firsts[len(firsts) // 2] * 1e3, 1),
        "first_byte_max_ms": round(firsts[-1] * 1e3, 1),
    }


async def _ask(port: int, request: bytes, ready: asyncio.Event) -> tuple[bytes, float]:
    """The body without its framing, and seconds to the first byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await ready.wait()
    began = time.perf_counter()
    writer.write(request)
    first = await reader.read(1)
    first_s = time.perf_counter() - began
    raw = first + await reader.read(-1)
    writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    return _dechunked(rest) if b"chunked" in head.lower() else rest, first_s


def _dechunked(raw: bytes) -> bytes:
    body, at = [], 0
    while at < len(raw):
        end = raw.find(b"\r\n", at)
        size = int(raw[at:end], 16) if end > at else 0
        if not size:
            break
        body.append(raw[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(body)


async def _count(port: int) -> int:
    """How many requests the stand-in has had, this one included."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /count HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    count = int(await reader.readexactly(length))
    writer.close()
    return count
