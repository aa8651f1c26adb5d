"""Headway's gateway as bench/gateway.py measures it: every feature a switch, all on by default.

    python bench/peer_gateway_headway.py --port 9600 --upstream http://127.0.0.1:9100 \
        [--features all,-record] [--loop uvloop|asyncio] [--memory 16MB] [--redis URL]
        [--profile FILE]

The classes are used directly, so that features can go one by one. Ends on SIGTERM or SIGINT; with
--profile it then writes what cProfile saw.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import hashlib
import signal
import tempfile
from contextlib import ExitStack
from typing import Any

from headway import events
from headway.gateway.collecting import collect_seldom
from headway.gateway.gateway import Gateway
from headway.gateway.plan import ClientKey, Limits, Plan, Rules, Timeouts, Upstream
from headway.runs import record
from headway.stores import MemoryStore, Store
from headway.stores.size import parse_bytes

FEATURES = ("keys", "cache", "share", "limits", "timeouts", "retry", "monitor", "record")
CLIENT_KEY = "sk-1234"
"""What the load generator sends."""
AMPLE = Limits(at_once=10_000, per_minute=60e6, burst=1_000_000)
"""Checked on every request, and never reached."""
FOUR = Timeouts(connect_s=5.0, first_byte_s=600.0, between_chunks_s=120.0, total_s=900.0)
NONE = Timeouts(connect_s=None, first_byte_s=None, between_chunks_s=None, total_s=None)


def features_from(text: str) -> frozenset[str]:
    """``all``, ``none``, ``keys,cache`` or ``all,-record``.

    Raises:
        SystemExit: there is no such feature.
    """
    chosen: set[str] = set()
    for word in text.split(","):
        name = word.removeprefix("-")
        if word == "all":
            chosen.update(FEATURES)
        elif name not in FEATURES and word != "none":
            raise SystemExit(f"--features {text}: no feature {name!r}; there are {FEATURES}")
        elif word.startswith("-"):
            chosen.discard(name)
        elif word != "none":
            chosen.add(word)
    return frozenset(chosen)


def plan_with(features: frozenset[str], upstream: str, memory: str) -> Plan:
    """A plan that does what *features* say before the one upstream."""
    timeouts = FOUR if "timeouts" in features else NONE
    digest = hashlib.sha256(CLIENT_KEY.encode()).hexdigest()
    return Plan(
        upstreams=(Upstream(name="fake", url=upstream, key="sk-x", timeouts=timeouts),),
        rules=Rules(
            ttl_s=3600.0 if "cache" in features else None,
            share="share" in features,
            attempts=3 if "retry" in features else 1,
            limits=AMPLE if "limits" in features else Limits(max_waiting=None),
        ),
        keys=(ClientKey("bench", digest),) if "keys" in features else (),
        memory_bytes=parse_bytes(memory),
    )


def store_for(redis: str | None) -> Store | None:
    """None is the plan's; with *redis*, one whose memory holds nothing: hits come from there."""
    if redis is None:
        return None
    from headway.stores.redis import RedisStore
    from headway.stores.tiered import TieredStore

    return TieredStore(MemoryStore(max_bytes=1), RedisStore(redis))


async def serve(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        await serve_until_told(options, stack)


async def serve_until_told(options: argparse.Namespace, stack: ExitStack) -> None:
    features = features_from(options.features)
    if "monitor" in features:
        from headway.monitor import Monitor

        stack.enter_context(events.listen(Monitor().hear))
    if "record" in features:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-bench-"))
        stack.enter_context(record("gateway bench", folder=folder))
    plan = plan_with(features, options.upstream, options.memory)
    gateway = Gateway(plan, store=store_for(options.redis))
    await gateway.listen("127.0.0.1", options.port)
    collect_seldom()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    profile = cProfile.Profile() if options.profile else None
    if profile is not None:
        profile.enable()
    await stopping.wait()
    if profile is not None:
        profile.disable()
        profile.dump_stats(options.profile)
    await gateway.drain(1.0)
    await gateway.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--features", default="all")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--memory", default="16MB")
    parser.add_argument("--redis")
    parser.add_argument("--profile")
    options = parser.parse_args()
    run: Any = asyncio.run
    if options.loop == "uvloop":
        import uvloop

        run = uvloop.run
    run(serve(options))


if __name__ == "__main__":
    main()
