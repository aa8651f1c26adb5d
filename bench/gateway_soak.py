"""The gateway under mixed load while things break: are all answers right, does memory stay flat?

    scripts/bench gateway_soak [--seconds 600] [--clients 16] [--pause 0.02] [--json]

Two workers on one port before two stand-in providers and a shared store; raw clients and the SDKs'
HTTP library, plain and streams, equal and different questions, two tenants, slow readers, clients
that leave. The providers reset, refuse, break off, fall silent. Meanwhile the store is killed and
started again, then frozen; a worker is killed and started again; both are told to reload. Ends with
1 if an answer was wrong or somebody else's, a failure reached another client than its own, a call
hung, memory grew, or anything was left open at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from peer_gateway_soak_clients import Load

from headway.testing import Valkey

HERE = Path(__file__).resolve().parent
WORKERS, POINTS = 2, 40
ROOM_MB = 25.0
"""Above 1.5 times the memory store, for what the load itself holds."""
CREEP_MB = 8.0
"""What the second half may end above its beginning."""
BREAKS = {
    "store killed": 0.25,
    "store started": 0.40,
    "worker killed": 0.50,
    "worker started": 0.52,
    "store frozen": 0.65,
    "store thawed": 0.70,
    "reloaded": 0.80,
    "forgotten": 0.90,
}
"""When what happens, as a share of the whole time; the stand-ins forget their logs all along."""


class Process:
    """A process of ours that is spoken to by lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, script: str, *arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / script), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def line(self, within_s: float = 30.0) -> str:
        assert self._process.stdout is not None
        said = await asyncio.wait_for(self._process.stdout.readline(), within_s)
        if not said:
            raise SystemExit(f"process {self.pid} ended: {await self._process.wait()}")
        return said.decode().strip()

    async def ask(self, word: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        found: dict[str, Any] = json.loads(await self.line())
        return found

    def signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self, within_s: float = 15.0) -> int:
        return await asyncio.wait_for(self._process.wait(), within_s)

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Soak:
    """All of it: starts, loads, breaks, measures, ends."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.store = Valkey("--maxmemory", "64mb", "--maxmemory-policy", "volatile-ttl")
        self.port = _free_port()
        self.load = Load(self.port, options.pause)
        self.workers: list[Process] = []
        self.resident: dict[int, list[float]] = {}
        self.left_open: list[str] = []
        self.happened: dict[str, float] = {}

    async def run(self) -> dict[str, object]:
        self.store.start()
        self.stand_in = await Process.start("peer_gateway_soak_stand_in.py")
        try:
            self.urls = json.loads(await self.stand_in.line())
            self.workers = [await self._worker() for _ in range(WORKERS)]
            await self._loaded()
            await self._ended()
        finally:
            for process in (*self.workers, self.stand_in):
                await process.end()
            self.store.close()
        return self._found()

    async def _worker(self) -> Process:
        arguments = ["--port", str(self.port), "--store", self.store.url]
        arguments += ["--steady", self.urls["steady"], "--shaky", self.urls["shaky"]]
        worker = await Process.start(
            "peer_gateway_soak_worker.py", *arguments, "--memory", f"{self.options.memory}MB"
        )
        assert await worker.line() == "ready"
        self.resident[worker.pid] = []
        return worker

    async def _loaded(self) -> None:
        self.began = self.load.began = time.monotonic()
        clients = [asyncio.create_task(self.load.work(n)) for n in range(self.options.clients)]
        watching = asyncio.create_task(self._watch())
        try:
            for name, share in BREAKS.items():
                await self._sleep_until(share)
                await self._break(name)
                self.happened[name] = round(time.monotonic() - self.began, 1)
            await self._sleep_until(1.0)
        finally:
            self.load.is_over = True
            await asyncio.gather(*clients, watching)

    async def _sleep_until(self, share: float) -> None:
        due = self.began + share * self.options.seconds
        await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _break(self, name: str) -> None:
        match name:
            case "store killed":
                self.store.kill()
            case "store started":
                await asyncio.to_thread(self.store.start)
            case "worker killed":
                await self._kill(self.workers.pop(0))
            case "worker started":
                self.workers.append(await self._worker())
            case "store frozen":
                self.store.freeze()
            case "store thawed":
                self.store.thaw()
            case "reloaded":
                for worker in self.workers:
                    worker.signal(signal.SIGHUP)

    async def _kill(self, worker: Process) -> None:
        """Kill it; first it is stopped, so that whose connections it holds can be written down."""
        worker.signal(signal.SIGSTOP)
        self.load.killed_ports |= _clients_of(worker.pid, self.port)
        self.load.killed_at.append(time.monotonic())
        worker.signal(signal.SIGKILL)
        await worker.ended()

    async def _watch(self) -> None:
        """Write down how much memory each worker holds; keep the stand-ins' logs short."""
        while not self.load.is_over:
            await asyncio.sleep(self.options.seconds / POINTS)
            for worker in self.workers:
                if (held := _resident_mb(worker.pid)) is not None:
                    self.resident[worker.pid].append(held)
            await self.stand_in.ask("forget")

    async def _ended(self) -> None:
        """Clients are gone: no answer may be under way, and no connection stay behind."""
        if not await self._until("under_way", 8.0):
            self.left_open.append("the providers still answer somebody who has gone")
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                if (said := await worker.line(10.0)) != "drained":
                    self.left_open.append(f"a worker was {said}")
                if code := await worker.ended():
                    self.left_open.append(f"a worker ended with {code}")
            except TimeoutError:
                self.left_open.append("a worker does not end")
        if not await self._until("connections", 5.0):
            self.left_open.append("connections to the providers outlive the workers")

    async def _until(self, name: str, within_s: float) -> bool:
        due = time.monotonic() + within_s
        while (found := await self.stand_in.ask("state"))[name]:
            if time.monotonic() > due:
                self.left_open.append(f"{name}: {found[name]}")
                return False
            await asyncio.sleep(0.1)
        return True

    def _found(self) -> dict[str, object]:
        growth = {pid: _growth(points) for pid, points in self.resident.items() if points}
        most = 1.5 * self.options.memory + ROOM_MB
        whole = [points for points in self.resident.values() if len(points) > POINTS * 0.9]
        creep = [_creep(points) for points in whole]
        unseen = [kind for kind, found in self.load.outcomes.items() if not found]
        is_flat = all(grew <= most for grew in growth.values()) and max(creep) <= CREEP_MB
        seen = self.load.sources
        missing = [name for name in ("hit", "miss", "joined", "bypass") if not seen[name]]
        return {
            "seconds": self.options.seconds,
            **self.load.summary(),
            "happened_s": self.happened,
            "growth_mb": [round(grew, 1) for grew in growth.values()],
            "bound_mb": most,
            "creep_mb": [round(mb, 1) for mb in creep],
            "resident_mb": {str(pid): points for pid, points in self.resident.items()},
            "left_open": self.left_open,
            "missing": missing + unseen,
            "ok": is_flat
            and not (self.load.wrong or self.load.hangs or self.left_open or missing or unseen),
        }


def _growth(points: list[float]) -> float:
    """What was added after the first tenth, in which all is warmed."""
    return max(points) - points[len(points) // 10]


def _creep(points: list[float]) -> float:
    """The last fifth above the third one."""
    fifth = max(1, len(points) // 5)
    return median(points[-fifth:]) - median(points[2 * fifth : 3 * fifth])


def _resident_mb(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def _clients_of(pid: int, port: int) -> set[int]:
    """The ports of the clients whose connections to *port* this process holds, or nobody yet."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    inodes = {os.readlink(link).partition("[")[2].rstrip("]") for link in links} | {"0"}
    found = set()
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        parts = line.split()
        if int(parts[1].split(":")[1], 16) == port and parts[9] in inodes:
            found.add(int(parts[2].split(":")[1], 16))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.02, help="mean seconds between calls")
    parser.add_argument("--memory", type=int, default=8, help="MB of each worker's memory store")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(Soak(options).run())
    for name, value in found.items():
        if name != "outcomes":
            print(f"{name:>14}  {value}")
    for kind, outcomes in found["outcomes"].items():  # type: ignore[attr-defined]
        print(f"{kind:>14}  {outcomes}")
    if options.json:
        print(json.dumps(found))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
