"""How long a request may wait on somebody else's: as long as its own client said, no longer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...bridge import TO_LOOP, go_on, on_a_loop
from ...call import Call
from ...errors import CallTimedOut
from ...policies.timeout import Late, in_time


async def answered(call: Call, read_s: float | None) -> Any:
    """The answer to *call*; one that joined another's work waits *read_s* for it and no longer.

    A request that is sent is timed by its transport.

    Raises:
        CallTimedOut: the work that was joined took longer.
    """
    work = call.operation.enter(call)
    # One step by hand: what is kept needs neither timer nor task.
    try:
        waiting_for = work.send(None)
        if waiting_for is TO_LOOP:
            await on_a_loop()
            waiting_for = work.send(None)
    except StopIteration as done:
        return done.value
    if read_s is None:
        return await go_on(work, waiting_for)
    try:
        return await in_time(
            go_on(work, waiting_for), read_s, counts=lambda: call.source == "joined"
        )
    except Late:
        raise CallTimedOut(call.operation.name, read_s, "answer") from None


def read_timeout_s(extensions: Mapping[str, Any]) -> float | None:
    """How long the client waits for bytes; None if for ever."""
    timeout = extensions.get("timeout")
    seconds = timeout.get("read") if isinstance(timeout, Mapping) else None
    return float(seconds) if isinstance(seconds, int | float) else None


def ran_out_of_time(error: Exception) -> bool:
    """Whether *error* is the module's word for a time-out, which is its own client's alone."""
    return any(kind.__name__ == "TimeoutException" for kind in type(error).__mro__)
