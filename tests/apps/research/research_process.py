"""A process that makes several researches at once over one store, and tells what its tools ran.

Run as ``python research_process.py WHERE SCALE SYMBOL...``: says ``ready``, waits for a line, and
ends with a line of JSON, asked and ran for each research.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from headway import MemoryStore
from headway.apps.research import Setting, conduct
from headway.stores.shared import SharedStore
from headway.stores.tiered import TieredStore


def opened(where: str) -> TieredStore:
    """Patient: on a busy machine, too, nobody is to give the second tier up."""
    return TieredStore(MemoryStore(), second(where), soft_timeout="5s", hard_timeout="10s")


def second(where: str) -> SharedStore:
    if where.startswith("disk:"):
        from headway.stores.disk import DiskStore

        return DiskStore(where.removeprefix("disk:"))
    from headway.stores.redis import RedisStore

    return RedisStore(where, timeout_s=9.0, connect_timeout_s=5.0)


async def researched(symbol: str, scale: float, store: TieredStore, folder: Path) -> list[int]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: ASYNC230
        setting = Setting(
            symbol=symbol,
            scale=scale,
            reports=folder / "reports",
            folder=folder,
            out=nowhere,
            err=nowhere,
            live=False,
            store=store,
        )
        done = await conduct(setting)
    assert done.ending == "complete", done.why()
    return [done.outcome.tool_calls_asked, done.outcome.tool_calls_run]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(where: str, scale: float, symbols: list[str]) -> None:
    store = opened(where)
    with tempfile.TemporaryDirectory() as folder:
        found = await asyncio.gather(
            *(researched(s, scale, store, Path(folder, str(n))) for n, s in enumerate(symbols))
        )
    await store.aclose()
    say(json.dumps(found))


if __name__ == "__main__":
    say("ready")
    sys.stdin.readline()
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
