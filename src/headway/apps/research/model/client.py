"""Asking a model over HTTP: one call, one answer, as a whole or in pieces.

There is no retry here: the door that the exchanges go through has the one that there is.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from . import anthropic_wire, openai_wire
from .address import ModelAddress
from .talk import Ask, Delta, ModelFailed, ModelRefused, Turn

if TYPE_CHECKING:
    import httpx2

CONNECT_S, SILENT_S = 10.0, 300.0
"""How long to wait for a connection, and for the next bytes of a model that thinks."""

_WIRES: Mapping[str, ModuleType] = {"openai": openai_wire, "anthropic": anthropic_wire}
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class ModelClient:
    """Asks one model; all its calls of one research.

    Args:
        http: the client whose exchanges go through Headway.
        before: is called before each call, and may raise to prevent it.
        time_left_s: how long a call may wait for its answer to begin, retries and all.
    """

    def __init__(
        self,
        address: ModelAddress,
        http: httpx2.AsyncClient,
        before: Callable[[], None],
        time_left_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._address, self._http, self._before = address, http, before
        self._time_left_s = time_left_s
        self._wire = _WIRES[address.provider]
        self._headers: dict[str, str] = self._wire.headers(address.key)
        self._temperature: float | None = 0.0  # so that equal questions get equal answers
        self.refused: ModelRefused | None = None
        """Why the endpoint will answer nothing at all, once it has said so."""

    async def answer(self, ask: Ask) -> Turn:
        """The model's answer as a whole. Raises ModelFailed, ModelRefused, and what before does."""
        async with self._response(ask) as response:
            turn: Turn = self._wire.read_turn(await response.aread())
            return turn

    async def write(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The model's words as they come; the last piece says that it is the last.

        Raises:
            ModelFailed: also if the answer breaks off.
        """
        from httpx2 import EventSource

        async with self._response(ask) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                whole = self._wire.read_turn(await response.aread())
                yield Delta(whole.text, is_end=True, is_cut_off=whole.is_cut_off)
                return
            has_ended = False
            async for event in EventSource(response):
                delta: Delta = self._wire.read_event(event.data)
                has_ended = has_ended or delta.is_end
                yield delta
            if not has_ended:
                raise ModelFailed("the answer broke off")

    @asynccontextmanager
    async def _response(self, ask: Ask) -> AsyncIterator[httpx2.Response]:
        from httpx2 import HTTPError, StreamError

        try:
            async with AsyncExitStack() as stack:
                response = await self._begun_in_time(ask, stack)
                if response.status_code != 200:
                    raise self._failure(response.status_code, await _error_of(response))
                yield response
        except (HTTPError, StreamError) as problem:
            told = clean(str(problem)) or "nothing more is known"
            raise ModelFailed(
                f"no answer from {self._address.url}: {type(problem).__name__}: {told}"
            ) from problem

    async def _begun_in_time(self, ask: Ask, stack: AsyncExitStack) -> httpx2.Response:
        try:
            async with asyncio.timeout(self._time_left_s()):
                return await self._accepted(ask, stack)
        except TimeoutError:
            self._before()  # says which cap it was
            raise

    async def _accepted(self, ask: Ask, stack: AsyncExitStack) -> httpx2.Response:
        """The response; asked again without a temperature where that is what was wrong."""
        temperature = self._temperature
        response = await self._sent(ask, temperature, stack)
        if response.status_code != 400 or temperature is None:
            return response
        if "temperature" not in await _error_of(response):
            return response
        self._temperature = None  # some models take none but their own
        return await self._sent(ask, None, stack)

    async def _sent(
        self, ask: Ask, temperature: float | None, stack: AsyncExitStack
    ) -> httpx2.Response:
        if self.refused is not None:
            raise self.refused
        self._before()
        body = self._wire.body(self._address.model, ask, temperature=temperature)
        exchange = self._http.stream(
            "POST",
            self._address.url,
            content=msgspec.json.encode(body),
            headers=self._headers,
            timeout=_timeout(),
        )
        return await stack.enter_async_context(exchange)

    def _failure(self, status: int, told: str) -> ModelFailed:
        address = self._address
        if status in (401, 403):
            key = "OPENAI_API_KEY" if address.provider == "openai" else "ANTHROPIC_API_KEY"
            self.refused = ModelRefused(
                f"{address.url} refuses the key in {key} ({status}): {told}"
            )
            return self.refused
        if status == 404:
            self.refused = ModelRefused(
                f"{address.url} has no model {address.model!r}, or is no such endpoint (404): "
                f"{told}"
            )
            return self.refused
        return ModelFailed(f"the model's endpoint answered {status}: {told}")


def clean(text: str, most: int = 200) -> str:
    """Text from outside on one line, without what could steer a terminal."""
    return " ".join(_UNSEEN.sub(" ", text).split())[:most]


def _timeout() -> httpx2.Timeout:
    from httpx2 import Timeout

    return Timeout(SILENT_S, connect=CONNECT_S)


async def _error_of(response: httpx2.Response) -> str:
    """What an error answer says, in a few words."""
    body = await response.aread()
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _error_text(body)
    while isinstance(found, dict):
        found = next((found[name] for name in ("error", "message", "detail") if name in found), "")
    return clean(str(found)) or "no reason given"


def _error_text(body: bytes) -> str:
    text = body[:20_000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    if title:
        return f"a page titled {clean(html.unescape(title[1]))!r}"
    return "a page of HTML" if "<html" in text.lower() else clean(text) or "no reason given"
