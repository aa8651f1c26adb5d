"""One worker of the gateway for bench/gateway_soak.py: several share the port; SIGHUP reloads."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import signal
from contextlib import ExitStack

import msgspec

from headway import events
from headway.gateway.gateway import Gateway
from headway.gateway.plan import ClientKey, Limits, Plan, Route, Rules, Target, Timeouts, Upstream
from headway.stores.size import parse_bytes

TENANTS = ("sk-tenant-a", "sk-tenant-b")
MOST_S = {"steady": 8.0, "shaky": 1.0}
"""Until the first byte."""


def plan_for(options: argparse.Namespace) -> Plan:
    """Two upstreams, two keys, a fallback, and a shared store behind a small memory."""
    times = {name: Timeouts(connect_s=2.0, first_byte_s=most) for name, most in MOST_S.items()}
    rules = Rules(ttl_s=60.0, first_wait_s=0.02, max_wait_s=0.2, limits=Limits(at_once=500))
    shaky, spare = (Target("shaky"),), (Target("first"), Target("steady"))
    return Plan(
        upstreams=(
            Upstream(name="steady", url=f"{options.steady}/v1", timeouts=times["steady"]),
            Upstream(name="shaky", url=f"{options.shaky}/v1", timeouts=times["shaky"]),
            Upstream(name="first", url=f"{options.shaky}/v1", timeouts=times["shaky"]),
            Upstream(
                name="claude",
                url=options.steady,
                provider="anthropic",
                probe="/v1/models",
                timeouts=times["steady"],
            ),
        ),
        routes=(
            Route(model="shaky-*", targets=shaky, rules=rules),
            Route(model="spare-*", targets=spare, rules=rules),
        ),
        rules=rules,
        keys=tuple(ClientKey(key, hashlib.sha256(key.encode()).hexdigest()) for key in TENANTS),
        store=options.store,
        memory_bytes=parse_bytes(options.memory),
    )


async def serve(options: argparse.Namespace, stack: ExitStack) -> None:
    from headway.monitor import Monitor

    stack.enter_context(events.listen(Monitor().hear))
    plan = plan_for(options)
    gateway = Gateway(plan)
    await gateway.listen("127.0.0.1", options.port, reuse_port=True)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reload() -> None:
        other = msgspec.structs.replace(gateway.plan.rules, retry_share=0.5)
        gateway.reload(msgspec.structs.replace(gateway.plan, rules=other))

    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    print("ready", flush=True)
    await stopping.wait()
    ended = await gateway.drain(5.0)
    await gateway.aclose()
    print("drained" if ended else "not drained", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--steady", required=True)
    parser.add_argument("--shaky", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--memory", default="8MB")
    options = parser.parse_args()
    with ExitStack() as stack:
        try:
            import uvloop
        except ImportError:
            asyncio.run(serve(options, stack))
        else:
            uvloop.run(serve(options, stack))


if __name__ == "__main__":
    main()
