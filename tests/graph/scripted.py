"""Step functions made from a table instead of written one by one."""

import inspect
from collections.abc import Awaitable, Callable, Iterable


def needing(
    needs: Iterable[str], work: Callable[[dict[str, object]], Awaitable[object]]
) -> Callable[..., Awaitable[object]]:
    """An async function whose parameters are *needs*; it does *work* with what they are given."""

    async def run(**given: object) -> object:
        return await work(given)

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(need, kind) for need in needs]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
