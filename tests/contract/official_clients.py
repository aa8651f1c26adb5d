"""The official clients of OpenAI and Anthropic, and the same few things done with each of them.

One table serves the blocking and the asynchronous client: each entry is a call by its path, such as
``chat.completions.create``, with its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import anthropic
import openai

from tests.contract.wire_doors import Way

QUESTION = [{"role": "user", "content": "What is a moat?"}]
_PRICE = {"type": "object", "properties": {"symbol": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "price", "parameters": _PRICE}}]
MESSAGE_TOOLS = [{"name": "price", "input_schema": _PRICE}]
# The client of Anthropic has no parameter for it any more; the wire has.
ZERO = {"extra_body": {"temperature": 0}}


@dataclass(frozen=True)
class Use:
    """One thing done with a client; ``streams`` says that the answer comes as events."""

    sdk: str
    path: str
    arguments: Mapping[str, Any]

    @property
    def streams(self) -> bool:
        return bool(self.arguments.get("stream"))

    def of(self, client: Any, *, raw: bool = False) -> Any:
        """The call's result: the answer, or a coroutine of it."""
        steps = self.path.split(".")
        if raw:
            steps.insert(-1, "with_raw_response")
        return reduce(getattr, steps, client)(**self.arguments)


def _openai(path: str, **arguments: Any) -> Use:
    return Use("openai", path, arguments)


def _anthropic(path: str, **arguments: Any) -> Use:
    return Use("anthropic", path, {"model": "claude-sonnet-5", "messages": QUESTION, **arguments})


_CHAT: dict[str, Any] = {"model": "gpt-5.6", "messages": QUESTION, "temperature": 0}
_RESPONSE: dict[str, Any] = {"model": "gpt-5.6", "input": "What is a moat?", "temperature": 0}

USES = {
    "chat": _openai("chat.completions.create", **_CHAT),
    "chat with tools": _openai("chat.completions.create", **_CHAT, tools=CHAT_TOOLS),
    "chat stream": _openai("chat.completions.create", **_CHAT, stream=True),
    "chat stream with tools and usage": _openai(
        "chat.completions.create",
        **_CHAT,
        tools=CHAT_TOOLS,
        stream=True,
        stream_options={"include_usage": True},
    ),
    "response": _openai("responses.create", **_RESPONSE),
    "response stream": _openai("responses.create", **_RESPONSE, stream=True),
    "embeddings": _openai("embeddings.create", model="text-embedding-3-small", input=["a", "b"]),
    "model": _openai("models.retrieve", model="gpt-5.6"),
    "message": _anthropic("messages.create", max_tokens=200, **ZERO),
    "message with tools": _anthropic(
        "messages.create", max_tokens=200, tools=MESSAGE_TOOLS, **ZERO
    ),
    "message stream": _anthropic("messages.create", max_tokens=200, stream=True, **ZERO),
    "message stream with tools": _anthropic(
        "messages.create", max_tokens=200, tools=MESSAGE_TOOLS, stream=True, **ZERO
    ),
    "tokens counted": _anthropic("messages.count_tokens"),
}


def client(use: Use, way: Way, *, sync: bool, **options: Any) -> Any:
    """The official client of that use, with the way's own HTTP client."""
    given = {"api_key": "key-of-a", "http_client": way.http, **options}
    if use.sdk == "openai":
        make = openai.OpenAI if sync else openai.AsyncOpenAI
        return make(base_url=way.openai_url, **given)
    make_other = anthropic.Anthropic if sync else anthropic.AsyncAnthropic
    return make_other(base_url=way.anthropic_url, **given)
