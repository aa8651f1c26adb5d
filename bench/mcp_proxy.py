"""What the stdio proxy for MCP servers costs and saves, beside direct calls of the same server.

    scripts/bench mcp_proxy [--calls 400] [--store disk] [--json]

A FastMCP server with a tool that reads next to nothing, once alone and once behind `headway mcp`;
the client writes and reads bare lines, so that nothing of its own is in the figures. Direct calls
and calls through the proxy take turns. Ends with 1 if a bar is missed: a hit costs at most a third
of a direct call; a miss adds at most 0.4 ms or 20 %, the larger.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HIT_SHARE, MISS_ADDS_MS, MISS_ADDS_SHARE = 1 / 3, 0.4, 0.2

SERVER = """
from fastmcp import FastMCP
server = FastMCP("bench")

@server.tool(annotations={"readOnlyHint": True})
async def look_up(value: str) -> str:
    return "the price of " + value + " " + "x" * 200

@server.tool
async def note(value: str) -> str:
    return value

server.run("stdio", show_banner=False)
"""
Call = Callable[[int], float]
Took = dict[str, list[float]]
HEADWAY = "from headway.cli.main import main; main()"


def python_with(module: str) -> str:
    """An interpreter that has *module*: this one, or that of the test environment."""
    return sys.executable if importlib.util.find_spec(module) else f"{ROOT}/.venv/bin/python"


class Connection:
    """A server's process, or that of a proxy before one, after the handshake."""

    def __init__(self, command: list[str]) -> None:
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._id = 0
        about = {"name": "bench", "version": "1"}
        self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=about)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.ready_s = time.perf_counter() - started

    def ask(self, method: str, **params: object) -> dict[str, object]:
        self._id += 1
        self._write({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        return json.loads(self._line())

    def reads(self, number: int) -> float:
        return self.timed("look_up", f"R{number}")

    def writes(self, number: int) -> float:
        return self.timed("note", f"W{number}")

    def timed(self, tool: str, value: str) -> float:
        """Milliseconds from the first byte sent to the last byte read."""
        self._id += 1
        params = {"name": tool, "arguments": {"value": value}}
        line = json.dumps(
            {"jsonrpc": "2.0", "id": self._id, "method": "tools/call", "params": params}
        ).encode()
        began = time.perf_counter()
        os.write(self._in, line + b"\n")
        answer = self._line()
        ms = (time.perf_counter() - began) * 1e3
        found = json.loads(answer)
        assert found["id"] == self._id
        assert value in found["result"]["content"][0]["text"]
        return ms

    def _write(self, message: object) -> None:
        os.write(self._in, json.dumps(message).encode() + b"\n")

    def _line(self) -> bytes:
        read = os.read(self._out, 1 << 20)
        while not read.endswith(b"\n"):
            read += os.read(self._out, 1 << 20)
        return read

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def measure(calls: int, store: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "server.py")
        script.write_text(SERVER)
        server = [python_with("fastmcp"), str(script)]
        proxy = ["mcp", "--store", f"disk:{folder}/kept" if store == "disk" else store, "--"]
        direct = Connection(server)
        behind = Connection([python_with("headway"), "-c", HEADWAY, *proxy, *server])
        pairs: list[tuple[str, Call, str, Call]] = [
            ("direct", direct.reads, "miss", behind.reads),
            ("direct_again", direct.reads, "hit", lambda n: behind.timed("look_up", "SAME")),
            ("direct_write", direct.writes, "write", behind.writes),
        ]
        took: dict[str, list[float]] = {}
        for pair in pairs:  # each server is asked as often as the other, so both are as warm
            took |= in_turn(calls, *pair)
        ready = {"direct": direct.ready_s, "proxy": behind.ready_s}
        direct.close()
        behind.close()
    return summary(took, ready)


def in_turn(calls: int, name: str, call: Call, other: str, call_other: Call) -> Took:
    """What each call of both took; the first tenth, in which all is warmed, is left out."""
    took: Took = {name: [], other: []}
    for number in range(-(calls // 10), calls):
        for arm, ask in ((name, call), (other, call_other)):
            ms = ask(number)
            if number >= 0:
                took[arm].append(ms)
    return took


def summary(took: dict[str, list[float]], ready: dict[str, float]) -> dict[str, object]:
    middle = {name: statistics.median(times) for name, times in took.items()}
    allowed = max(MISS_ADDS_MS, MISS_ADDS_SHARE * middle["direct"])
    share, adds = middle["hit"] / middle["direct_again"], middle["miss"] - middle["direct"]
    return {
        **{f"{name}_ms": round(ms, 3) for name, ms in middle.items()},
        **{f"{name}_min_ms": round(min(times), 3) for name, times in took.items()},
        "hit_share_of_direct": round(share, 3),
        "miss_adds_ms": round(adds, 3),
        "miss_may_add_ms": round(allowed, 3),
        "write_adds_ms": round(middle["write"] - middle["direct_write"], 3),
        "ready_s": {name: round(seconds, 2) for name, seconds in ready.items()},
        "calls": len(took["direct"]),
        "ok": share <= HIT_SHARE and adds <= allowed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--store", default="memory", help="memory, disk, or a URL of Redis")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = measure(chosen.calls, chosen.store)
    for name, value in found.items():
        print(f"{name:>22}  {value}")
    if chosen.json:
        print(json.dumps(found))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
