"""The gateway beside LiteLLM, nginx and the floor: CPU per request and chunk, in one run.

    scripts/bench gateway --shared PATH [--work FOLDER] [--rounds 5] [--seconds 1.5]
        [--only miss,hit,redis,stream,footprint] [--without-litellm] [--json]
        [--compiled ENVIRONMENT]
    scripts/bench gateway --quick [--features all,-record]
    scripts/bench gateway --profile miss|hit|stream [--with py-spy|py-spy-native|cprofile]

Everything runs on loopback, in shuffled rounds, Headway with every feature on: key check, exact
look-up and store, coalescing, limits, four time-outs, retry armed, metrics and recorder; the memory
store is small, so that misses evict. Prints medians [least..most], ratios, and each bar with
whether it is met; ends with 1 if one that must be is not. The work folder (environments of the
peers, their load generator) is made by the first run. --quick: one round without LiteLLM.
--compiled: also the Headway of an environment that `scripts/compile ENVIRONMENT` made, beside ours.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peer_gateway_footprint import footprint
from peer_gateway_load import Cell, Load, busy_share, identical_streams
from peer_gateway_profile import profile
from peer_gateway_targets import Servers, Work, run_ok

from headway.testing import Valkey

ROOT = Path(__file__).resolve().parents[1]
PROFILERS = ("py-spy", "py-spy-native", "cprofile")
PARTS = ("miss", "hit", "redis", "stream", "footprint")
REST = ("nginx", "floor", "LiteLLM", "Headway", "Headway asyncio")
HITS = ("nginx static", "floor cache", "LiteLLM cached", "Headway", "Headway asyncio")
COMPILED = " compiled"
"""Behind the name of a target: the same by the compiled wheel."""
LOCAL_CACHE = "  cache: true\n  cache_params: {type: local}"
REDIS_CACHE = '  cache: true\n  cache_params: {{type: redis, host: "127.0.0.1", port: {port}}}'
CELLS = (
    Cell("miss small 1", "miss", "small", 1, ("direct", *REST)),
    Cell("miss small 32", "miss", "small", 32, ("direct", *REST)),
    Cell("miss big 32", "miss", "big", 32, ("direct", *REST)),
    Cell("hit small 1", "hit", "small", 1, HITS),
    Cell("hit small 32", "hit", "small", 32, HITS),
    Cell("hit big 32", "hit", "big", 32, HITS),
    Cell(
        "redis hit small 32", "hit", "small", 32, ("floor redis", "LiteLLM redis", "Headway redis")
    ),
    Cell("stream 10", "stream", "", 10, ("direct", *REST)),
    Cell("stream 100", "stream", "", 100, ("direct", *REST)),
)
QUICK = ("miss small 1", "miss small 32", "miss big 32", "hit small 32", "hit big 32", "stream 100")
CPU, CHUNK = "cpu_us_per_req", "cpu_us_per_chunk"
KEPT = {CPU, CHUNK, "rps", "p50_us", "p99_us", "chunks_per_s", "ttft_p50_us", "rss_mb", "runq_wait"}
"""What the last line tells of each target in each cell."""
Value = Callable[["Results"], float | None]


@dataclass(frozen=True)
class Bar:
    """One figure that was promised: what it must be, and what it aims at."""

    show: int
    text: str
    value: Value
    must: float
    aim: float
    at_least: bool = False
    width: int = 1

    def is_met(self, value: float, bar: float) -> bool:
        return value >= bar if self.at_least else value <= bar

    def line(self, value: float | None) -> str:
        sign = ">=" if self.at_least else "<="
        bars = f"must {sign} {self.must:,g}, aim {sign} {self.aim:,g}"
        if value is None:
            return f"  show {self.show}  {self.text:54} {'':>12}  {bars}: not measured"
        if self.is_met(value, self.aim):
            word = "aim met"
        elif self.is_met(value, self.must):
            word = "met"
        else:
            word = "MISSED"
        return f"  show {self.show}  {self.text:54} {value:12,.{self.width}f}  {bars}: {word}"


class Results:
    """What the run found, asked by the bars."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.footprint: dict[str, object] = {}
        self.identical: dict[str, object] = {}

    def cpu(self, cell: str, target: str = "Headway") -> float | None:
        return self.load.middle(cell, target, CHUNK if cell.startswith("stream") else CPU)

    def times_less(self, cell: str, other: str) -> float | None:
        ours, theirs = self.cpu(cell), self.cpu(cell, other)
        return None if ours is None or theirs is None else theirs / ours

    def per_core_s(self, cell: str, target: str = "Headway") -> float | None:
        cost = self.cpu(cell, target)
        return None if cost is None else 1e6 / cost

    def delivered(self, cell: str) -> float | None:
        ours = self.load.middle(cell, "Headway", "chunks_per_s")
        direct = self.load.middle(cell, "direct", "chunks_per_s")
        return None if ours is None or direct is None else ours / direct

    def weight(self, name: str) -> float | None:
        value = self.footprint.get(name)
        return value if isinstance(value, float) else None

    def asked(self) -> float | None:
        calls = self.identical.get("upstream_calls")
        return float(calls) if isinstance(calls, int) else None


def _ms(us: float | None) -> float | None:
    return None if us is None else us / 1e3


BARS = (
    Bar(
        1,
        "small miss, CPU: LiteLLM / Headway",
        lambda r: r.times_less("miss small 32", "LiteLLM"),
        100,
        200,
        True,
    ),
    Bar(1, "small miss, CPU us", lambda r: r.cpu("miss small 32"), 89, 45),
    Bar(1, "64 KB miss, CPU us", lambda r: r.cpu("miss big 32"), 250, 150),
    Bar(
        1,
        "small miss, added p50 at 1, us",
        lambda r: r.load.added_us("miss small 1", "Headway", "p50_us"),
        120,
        40,
    ),
    Bar(
        1,
        "small misses per second and worker",
        lambda r: r.load.middle("miss small 32", "Headway", "rps"),
        10_000,
        20_000,
        True,
        0,
    ),
    Bar(
        2,
        "small hits per core-second",
        lambda r: r.per_core_s("hit small 32"),
        25_000,
        50_000,
        True,
        0,
    ),
    Bar(
        2,
        "small hit, p50 at 1, us",
        lambda r: r.load.middle("hit small 1", "Headway", "p50_us"),
        60,
        20,
    ),
    Bar(2, "64 KB hit, CPU us", lambda r: r.cpu("hit big 32"), 150, 60),
    Bar(
        2,
        "hits from Redis per core-second",
        lambda r: r.per_core_s("redis hit small 32", "Headway redis"),
        15_000,
        35_000,
        True,
        0,
    ),
    Bar(3, "paced chunk at 100 streams, CPU us", lambda r: r.cpu("stream 100"), 60, 32),
    Bar(
        3,
        "added time to first token at 100 streams, ms",
        lambda r: _ms(r.load.added_us("stream 100", "Headway", "ttft_p50_us")),
        0.6,
        0.12,
        False,
        3,
    ),
    Bar(
        3,
        "share of the direct way's chunks delivered, 100",
        lambda r: r.delivered("stream 100"),
        0.99,
        0.999,
        True,
        3,
    ),
    Bar(3, "upstream calls of 1,000 identical streams", lambda r: r.asked(), 1, 1, False, 0),
    Bar(
        4,
        "resident memory of headway up after load, MB (16 MB of it cache)",
        lambda r: r.weight("resident_mb"),
        60,
        56,
        False,
        0,
    ),
    Bar(4, "import, CPU s", lambda r: r.weight("import_cpu_s"), 0.3, 0.12, False, 3),
    Bar(4, "start to first answer, s", lambda r: r.weight("first_answer_s"), 1.0, 0.3, False, 2),
    Bar(4, "what the extra installs, MB", lambda r: r.weight("installed_mb"), 30, 15),
)


def started(servers: Servers, cells: list[Cell], options: argparse.Namespace, redis: str) -> None:
    """Start what *cells* need, the slow ones first, and wait for all."""
    names = {name for cell in cells for name in cell.targets}
    servers.start_upstream()
    port = int(redis.rsplit(":", 1)[1].split("/")[0]) if redis else 0
    slow = {
        "LiteLLM": "",
        "LiteLLM cached": LOCAL_CACHE,
        "LiteLLM redis": REDIS_CACHE.format(port=port),
    }
    for name, cache in slow.items():
        if name in names:
            servers.start_litellm(name, cache)
    if names & {"nginx", "nginx static"}:
        servers.start_nginx()
    for name, mode in {"floor": "raw", "floor cache": "cache"}.items():
        if name in names:
            servers.start_floor(name, mode)
    if "floor redis" in names:
        servers.start_redis_floor(port)
    common = ["--features", options.features]
    loops = {"Headway": ["--loop", options.loop], "Headway asyncio": ["--loop", "asyncio"]}
    loops["Headway redis"] = ["--loop", options.loop, "--redis", redis]
    for name, arguments in loops.items():
        if name in names:
            servers.start_headway(name, *common, *arguments)
        if name + COMPILED in names:
            python = str(options.compiled / "bin" / "python")
            servers.start_headway(name + COMPILED, *common, *arguments, python=python)
    servers.wait_for([name for name in slow if name in names], 180)


def chosen_cells(options: argparse.Namespace) -> list[Cell]:
    """The cells that were asked for, without the targets that were not."""
    parts = options.only.split(",") if options.only else list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        raise SystemExit(f"--only {options.only}: no part {unknown}; there are {PARTS}")
    left_out = {"LiteLLM", "LiteLLM cached", "LiteLLM redis"} if options.without_litellm else set()
    if options.quick:
        left_out |= {"Headway asyncio"}
    kept = []
    for cell in CELLS:
        part = "redis" if cell.name.startswith("redis") else cell.kind
        if part in parts and (not options.quick or cell.name in QUICK or part in options.only):
            targets = tuple(name for name in cell.targets if name not in left_out)
            if options.compiled is not None:
                ours = [name for name in targets if name in ("Headway", "Headway redis")]
                targets += tuple(name + COMPILED for name in ours)
            kept.append(Cell(cell.name, cell.kind, cell.body, cell.at_once, targets))
    return kept


def measure(work: Work, options: argparse.Namespace) -> tuple[Results, list[Cell], float]:
    cells = chosen_cells(options)
    parts = options.only or ",".join(PARTS)
    needs_redis = any(cell.name.startswith("redis") for cell in cells)
    idle_busy = busy_share()
    with Servers(work) as servers:
        valkey = Valkey().start() if needs_redis else None
        try:
            started(servers, cells, options, valkey.url if valkey is not None else "")
            load = Load(servers, options.seconds)
            results = Results(load)
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
                load.round(cells)
            if "stream" in parts and not options.quick:
                results.identical = identical_streams(servers, "Headway", 1000)
            if "footprint" in parts and not options.quick:
                results.footprint = footprint(servers)
        finally:
            if valkey is not None:
                valkey.close()
    return results, cells, idle_busy


def table(results: Results, cells: list[Cell]) -> str:
    """One line for each target of each cell, and the ratios to the others."""
    lines = []
    for cell in cells:
        is_stream = cell.kind == "stream"
        fields = (
            (CHUNK, "chunks_per_s", "ttft_p50_us", "ttft_p99_us")
            if is_stream
            else (CPU, "rps", "p50_us", "p99_us")
        )
        lines.append(f"\n{cell.name:24}" + "".join(f"{field:>28}" for field in fields))
        for name in cell.targets:
            spreads = [results.load.spread(cell.name, name, field) for field in fields]
            lines.append(f"  {name:22}" + "".join(f"{spread or '-'!s:>28}" for spread in spreads))
        ours = next((name for name in cell.targets if name.startswith("Headway")), "")
        mine = results.cpu(cell.name, ours)
        for name in cell.targets:
            theirs = results.cpu(cell.name, name)
            is_other = not name.startswith(("Headway", "direct")) or name.endswith(COMPILED)
            if mine and theirs and is_other:
                lines.append(f"  CPU of {name} / {ours}: {theirs / mine:.2f}")
    return "\n".join(lines)


def as_json(results: Results, cells: list[Cell], idle_busy: float) -> dict[str, object]:
    figures: dict[str, object] = {}
    for (cell, target), runs in results.load.found.items():
        for field in KEPT & runs[0].keys():
            spread = results.load.spread(cell, target, field)
            if spread is not None:
                figures[f"{cell}/{target}/{field}"] = [spread.middle, spread.least, spread.most]
    values = {bar.text: bar.value(results) for bar in BARS}
    return {
        "bars": {name: value for name, value in values.items() if value is not None},
        "figures": figures,
        "identical_streams": results.identical,
        "footprint": results.footprint,
        "failed": results.load.failed,
        "machine_busy_before": idle_busy,
        "cores": os.cpu_count(),
        "cells": [cell.name for cell in cells],
        "ok": is_ok(results),
    }


def is_ok(results: Results) -> bool:
    measured = [(bar, bar.value(results)) for bar in BARS]
    met = all(bar.is_met(value, bar.must) for bar, value in measured if value is not None)
    return met and not results.load.failed


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir(), "headway-gateway-peers")
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--features", default="all", help="such as all,-record (Headway's)")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--compiled", type=Path, help="an environment made by scripts/compile")
    parser.add_argument("--without-litellm", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", choices=["miss", "hit", "stream"])
    parser.add_argument("--with", dest="profiler", choices=PROFILERS, default="py-spy")
    parser.add_argument("--body", choices=["small", "big"], default="small", help="for --profile")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1.0 if options.quick else 1.5)
    options.without_litellm |= options.quick or options.profile is not None
    if options.compiled is not None:
        options.compiled = options.compiled.resolve()  # servers run in a folder of their own
        if not is_compiled(options.compiled):
            raise SystemExit(f"--compiled {options.compiled}: no compiled Headway is there")
    return options


def is_compiled(environment: Path) -> bool:
    """Whether the gateway of *environment* is an extension, not Python."""
    ask = "from headway.gateway import flight; assert flight.__file__.endswith(('.so', '.pyd'))"
    python = environment / "bin" / "python"
    return python.exists() and run_ok([str(python), "-c", ask])


def main() -> None:
    options = parsed()
    work = Work(options.shared, options.work, with_litellm=not options.without_litellm)
    work.set_up()
    if options.profile:
        print(profile(work, options))
        return
    results, cells, idle_busy = measure(work, options)
    print(
        f"{os.cpu_count()} cores, {idle_busy:.0%} busy before; {options.rounds} rounds of "
        f"{options.seconds:g} s; Headway's features: {options.features}, loop: {options.loop}"
    )
    print(table(results, cells))
    for name, found in (
        ("1,000 identical streams", results.identical),
        ("footprint", results.footprint),
    ):
        if found:
            print(f"\n{name}: {found}")
    print("\nbars")
    for bar in BARS:
        print(bar.line(bar.value(results)))
    for failure in results.load.failed:
        print(f"failed: {failure}")
    if options.json:
        print(json.dumps(as_json(results, cells, idle_busy)))
    sys.exit(0 if options.quick or is_ok(results) else 1)


if __name__ == "__main__":
    main()
