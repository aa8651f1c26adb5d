"""A holder of a lease is killed in its work: how soon another takes over, and what it costs.

    scripts/bench lease [--trials 100] [--side-by-side 5] [--store valkey|disk] [--json]

One trial: 4 processes with 5 callers each ask one cold key; the one that runs it gets SIGKILL at a
random moment of its work. Another must begin within the lease, once, and all others be answered.
Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

from headway import Cache, TieredStore, open_store, operation
from headway.testing import Valkey

PROCESSES, CALLERS = 4, 5
LEASE_S = 2.0
SCHEDULING_S = 0.25
"""What two busy cores may add to the lease before somebody runs."""
WORK_S = 1.2
TRIAL_TIMEOUT_S = 20.0


class Trial:
    """One cold key, the processes that ask it, and what they told."""

    def __init__(self, number: int, where: str) -> None:
        self.question = f"question {number}"
        self.began: list[float] = []
        self.killed_at: float | None = None
        self.kill_due: float | None = None
        self.holder: int | None = None
        self.answered = 0
        self.wrong: list[str] = []
        self._gone: set[int] = set()
        self.pipes: list[Connection] = []
        self.processes = []
        for place in range(PROCESSES):
            ours, theirs = _fork.Pipe()
            process = _fork.Process(target=_asked, args=(where, self.question, theirs), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)
            assert len(self.pipes) == place + 1

    def heard(self, place: int, message: tuple[str, float]) -> None:
        what, at = message
        if what == "began":
            self.began.append(at)
            if self.holder is None:
                self.holder = place
                self.kill_due = at + random.uniform(0.05, WORK_S - 0.2)
        elif what == "answered":
            self.answered += 1
        elif what != "ready":
            self.wrong.append(what)

    def kill_if_due(self, now: float) -> None:
        if self.kill_due is not None and now >= self.kill_due:
            assert self.holder is not None
            self.processes[self.holder].kill()
            self.killed_at, self.kill_due = time.monotonic(), None

    @property
    def is_over(self) -> bool:
        return self.answered + len(self.wrong) >= (PROCESSES - 1) * CALLERS

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.kill()
            process.join()


class Outcome(NamedTuple):
    """What became of one trial."""

    take_over_s: float | None
    more_runs: int
    answered: int
    wrong: list[str]


_fork = multiprocessing.get_context("fork")


def _asked(where: str, question: str, pipe: Connection) -> None:
    asyncio.run(_ask(where, question, pipe))


async def _ask(where: str, question: str, pipe: Connection) -> None:
    store = open_store(where)
    assert isinstance(store, TieredStore)

    @operation(Cache("10m", store=store), name="bench.lease.work")
    async def work(asked: str) -> str:
        pipe.send(("began", time.monotonic()))
        await asyncio.sleep(WORK_S)
        return f"answer to {asked}"

    await _settle(store)
    pipe.send(("ready", time.monotonic()))
    await asyncio.to_thread(pipe.recv)

    async def caller() -> None:
        try:
            answer = await work(question)
            said = "answered" if answer == f"answer to {question}" else f"wrong: {answer}"
        except Exception as error:
            said = repr(error)
        pipe.send((said, time.monotonic()))

    await asyncio.gather(*[caller() for _ in range(CALLERS)])
    await asyncio.to_thread(_until_closed, pipe)


async def _settle(store: TieredStore) -> None:
    """Until the second tier has answered, however many processes are being started just now."""
    key = ("bench.lease.settle", random.randrange(1 << 40))
    await store.get(key)
    while store.state == "down":  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)


def _until_closed(pipe: Connection) -> None:
    try:
        pipe.recv()
    except EOFError:
        return


def round_of(where: str, numbers: range) -> list[Outcome]:
    """Several trials at once, each with processes and a key of its own."""
    trials = [Trial(number, where) for number in numbers]
    try:
        for trial in trials:
            for pipe in trial.pipes:
                assert pipe.recv()[0] == "ready"
        for trial in trials:
            for pipe in trial.pipes:
                pipe.send("go")
        _listen(trials)
    finally:
        for trial in trials:
            trial.close()
    return [
        Outcome(
            trial.began[1] - trial.killed_at if len(trial.began) > 1 and trial.killed_at else None,
            len(trial.began) - 1,
            trial.answered,
            trial.wrong,
        )
        for trial in trials
    ]


def _listen(trials: list[Trial]) -> None:
    owners = {pipe: (trial, place) for trial in trials for place, pipe in enumerate(trial.pipes)}
    ends = time.monotonic() + TRIAL_TIMEOUT_S
    while time.monotonic() < ends and not all(trial.is_over for trial in trials):
        for pipe in wait(list(owners), 0.005):
            assert isinstance(pipe, Connection)
            trial, place = owners[pipe]
            try:
                trial.heard(place, pipe.recv())
            except (EOFError, ConnectionResetError):
                del owners[pipe]
        for trial in trials:
            trial.kill_if_due(time.monotonic())


@contextmanager
def place_of(kind: str) -> Iterator[str]:
    """Where ``open_store`` finds a second tier of its own, for as long as the block runs."""
    if kind == "valkey":
        with Valkey() as server:
            yield server.url
    else:
        with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
            yield f"disk:{folder}/cache"


def run(kind: str, trials: int, side_by_side: int) -> dict[str, object]:
    """All trials on one kind of store, and whether the bars are met."""
    found: list[Outcome] = []
    with place_of(kind) as where:
        for first in range(0, trials, side_by_side):
            found += round_of(where, range(first, min(trials, first + side_by_side)))
            print(f"  {kind}: {len(found)} of {trials}", file=sys.stderr)
    times = [one.take_over_s for one in found if one.take_over_s is not None]
    others = (PROCESSES - 1) * CALLERS
    result: dict[str, object] = {
        "trials": trials,
        "take_over_p50_s": round(statistics.median(times), 3) if times else None,
        "take_over_max_s": round(max(times), 3) if times else None,
        "within_lease": sum(t <= LEASE_S for t in times),
        "one_more_run": sum(one.more_runs == 1 for one in found),
        "all_answered": sum(one.answered == others for one in found),
        "errors": sorted({text for one in found for text in one.wrong}),
    }
    result["ok"] = (
        result["one_more_run"] == result["all_answered"] == len(times) == trials
        and max(times) <= LEASE_S + SCHEDULING_S
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--side-by-side", type=int, default=5)
    parser.add_argument("--store", choices=["valkey", "disk"], action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {
        kind: run(kind, options.trials, options.side_by_side)
        for kind in options.store or ["valkey", "disk"]
    }
    print(f"the holder is killed in its work; {PROCESSES} processes x {CALLERS} callers")
    for kind, row in found.items():
        print(
            f"{kind:7} take-over p50 {row['take_over_p50_s']} s, max {row['take_over_max_s']} s; "
            f"within the lease {row['within_lease']}, one more run {row['one_more_run']}, "
            f"all others answered {row['all_answered']} of {row['trials']} "
            f"{'ok' if row['ok'] else 'MISSED'} {row['errors'] or ''}"
        )
    if options.json:
        print(json.dumps(found))
    sys.exit(0 if all(row["ok"] for row in found.values()) else 1)


if __name__ == "__main__":
    main()
