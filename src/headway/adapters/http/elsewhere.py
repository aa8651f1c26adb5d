"""``elsewhere``: the same request put to another server, for ``Fallback``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from ...errors import BadSetup
from .answer import HttpAnswer
from .exchange import Exchange
from .fetch import fetch

_PATHS: Final = {
    "openai.chat": "/chat/completions",
    "openai.responses": "/responses",
    "openai.embeddings": "/embeddings",
    "anthropic.messages": "/v1/messages",
    "anthropic.count_tokens": "/v1/messages/count_tokens",
}
_STAYS_BEHIND: Final = frozenset(
    {"api-key", "authorization", "content-length", "cookie", "host", "proxy-authorization"}
    | {"x-api-key"}
)
"""A credential is for the server it was given for; the rest belongs to the old address."""


def elsewhere(
    base_url: str, *, headers: Mapping[str, str] | None = None, model: str | None = None
) -> Callable[[Exchange], Awaitable[HttpAnswer]]:
    """The same request to another server that speaks the same wire: ``Fallback(elsewhere(...))``.

    What it answers is handed on and not kept, since it answers for another model.

    Args:
        base_url: as the official client of that wire takes it, with ``/v1`` for OpenAI's.
        headers: put on the request; the credential of the first server is never sent along.
        model: the name of the model there; default: the same.
    """
    if not base_url.startswith(("http://", "https://")):
        raise BadSetup(f"elsewhere({base_url!r}); give an address with http:// or https://")

    async def ask(exchange: Exchange) -> HttpAnswer:
        path = _PATHS.get(exchange.facts.wire)
        if path is None:
            raise BadSetup(f"{exchange.name}: only requests to a model can be put elsewhere")
        there = exchange.to_another_server(_moved(exchange, base_url.rstrip("/") + path))
        return await fetch(there)

    def _moved(exchange: Exchange, url: str) -> Any:
        first = exchange.request
        kept = [(n, v) for n, v in first.headers.items() if n.lower() not in _STAYS_BEHIND]
        moved = [(n, v) for n, v in kept if n.lower() not in {h.lower() for h in headers or {}}]
        body = first.content if model is None else _renamed(first.content, model)
        return type(first)(
            first.method,
            url,
            headers=[*moved, *(headers or {}).items()],
            content=body,
            extensions=first.extensions,
        )

    return ask


def _renamed(body: bytes, model: str) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(body), "model": model})
