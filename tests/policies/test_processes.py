"""Real processes over real stores: equal questions run once among all of them."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from headway.testing import Valkey

PROGRAM = """
import asyncio, json, sys, threading, time
from headway import Cache, MemoryStore, operation

where, runs, way, callers, takes, lease, blocks = json.loads(sys.argv[1])

def ran(name):
    with open(runs, "a") as file:
        file.write(name + "\\n")

def opened():
    tier, _, place = where.partition(" ")
    if place.startswith("redis"):
        from headway.stores.redis import RedisStore
        second = RedisStore(place)
    else:
        from headway.stores.disk import DiskStore
        second = DiskStore(place)
    if tier == "bare":
        return second
    from headway.stores.tiered import TieredStore
    # Patient, so that a busy machine is not taken for a store that is down.
    return TieredStore(MemoryStore(), second, soft_timeout="5s", hard_timeout="10s")

cache = Cache("15m", store=opened(), lease=lease, tags=("name:{name}",))

@operation(cache, name="shop.find")
async def find(name):
    ran(name)
    time.sleep(blocks)
    await asyncio.sleep(takes)
    return name.upper()

@operation(cache, name="shop.find")
def find_plainly(name):
    ran(name)
    time.sleep(takes)
    return name.upper()

async def many(name):
    return [answer.source for answer in await asyncio.gather(
        *(find.answer(name) for _ in range(callers)))]

def on_threads(name):
    sources = []
    threads = [
        threading.Thread(target=lambda: sources.append(find_plainly.answer(name).source))
        for _ in range(callers)
    ]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    return sources

async def main():
    for name in iter(sys.stdin.readline, ""):
        told(await many(name.strip()))

def told(sources):
    failures = cache.statistics().store_failures
    print(json.dumps({"sources": sources, "failures": failures}), flush=True)

print("ready", flush=True)
if way == "async":
    asyncio.run(main())
else:
    for name in iter(sys.stdin.readline, ""):
        told(on_threads(name.strip()))
"""


class Processes:
    """Several interpreters over one store, that ask when they are told."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where, self.runs_file = where, folder / "runs"
        self._all: list[subprocess.Popen[str]] = []

    def start(
        self,
        count: int,
        *,
        way: str = "async",
        callers: int = 25,
        takes: float = 0.2,
        lease: float = 2.0,
        blocks: float = 0.0,
    ) -> "list[subprocess.Popen[str]]":
        told = json.dumps([self.where, str(self.runs_file), way, callers, takes, lease, blocks])
        started = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        self._all += started
        for process in started:
            assert read(process) == "ready"
        return started

    def runs(self, name: str) -> int:
        if not self.runs_file.exists():
            return 0
        return self.runs_file.read_text().splitlines().count(name)

    def wait_for_a_run(self, name: str) -> None:
        while not self.runs(name):
            time.sleep(0.005)

    def close(self) -> None:
        for process in self._all:
            process.kill()
            process.communicate()


def pipe(stream: "IO[str] | None") -> "IO[str]":
    assert stream is not None
    return stream


def tell(process: "subprocess.Popen[str]", name: str) -> None:
    pipe(process.stdin).write(name + "\n")
    pipe(process.stdin).flush()


def read(process: "subprocess.Popen[str]") -> str:
    return pipe(process.stdout).readline().strip()


def answers(processes: "list[subprocess.Popen[str]]") -> "list[dict[str, Any]]":
    return [json.loads(read(process)) for process in processes]


@pytest.fixture(params=["tiered redis", "bare redis", "tiered disk", "bare disk"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    tier, _, kind = request.param.partition(" ")
    with contextlib.ExitStack() as stack:
        place = str(tmp_path / "cache")
        if kind == "redis":
            place = stack.enter_context(Valkey()).url
        yield stack.enter_context(contextlib.closing(Processes(f"{tier} {place}", tmp_path)))


def test_four_processes_of_25_callers_run_a_cold_key_once(processes: Processes) -> None:
    four = processes.start(4)
    for name in ("a", "b"):
        for process in four:
            tell(process, name)
        told = answers(four)
        sources = [source for one in told for source in one["sources"]]
        assert processes.runs(name) == 1
        assert len(sources) == 100
        assert sources.count("ran") == 1
        assert [one["failures"] for one in told] == [0] * 4


def test_plain_functions_on_threads_run_a_cold_key_once(processes: Processes) -> None:
    three = processes.start(3, way="threads", callers=10)
    for process in three:
        tell(process, "threads")
    told = answers(three)
    assert processes.runs("threads") == 1
    assert sum(one["sources"].count("ran") for one in told) == 1
    assert [one["failures"] for one in told] == [0] * 3


def test_a_holder_that_is_killed_is_replaced_within_its_lease(processes: Processes) -> None:
    (dies,) = processes.start(1, callers=1, takes=30, lease=0.5)
    two = processes.start(2, callers=5, takes=0.05, lease=0.5)
    tell(dies, "killed")
    processes.wait_for_a_run("killed")
    for process in two:
        tell(process, "killed")
    time.sleep(0.1)
    dies.send_signal(signal.SIGKILL)
    began = time.monotonic()
    told = answers(two)
    assert time.monotonic() - began < 0.5 + 1.0
    assert processes.runs("killed") == 2
    assert [one["failures"] for one in told] == [0, 0]


def test_a_holder_whose_loop_is_blocked_is_replaced_and_nobody_hears_of_it(
    processes: Processes,
) -> None:
    (blocked,) = processes.start(1, callers=3, takes=0, lease=0.3, blocks=2.0)
    (other,) = processes.start(1, callers=3, takes=0, lease=0.3)
    tell(blocked, "blocked")
    processes.wait_for_a_run("blocked")
    began = time.monotonic()
    tell(other, "blocked")
    (told,) = answers([other])
    assert time.monotonic() - began < 1.5
    assert (sorted(told["sources"]), told["failures"]) == (["joined", "joined", "ran"], 0)
    (late,) = answers([blocked])
    assert (sorted(late["sources"]), late["failures"]) == (["joined", "joined", "ran"], 0)
    assert processes.runs("blocked") == 2
