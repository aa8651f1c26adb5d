"""What passes between a research and a model, whatever the wire: prompts, turns, tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]


class Prompt(msgspec.Struct, frozen=True):
    """A question in three parts, in this order: what comes first changes least.

    So the beginning is equal byte by byte between the calls of one role, and what a provider keeps
    of it is used. No clock and no id belongs into any part.
    """

    rules: str
    """The same in every research."""
    data: str
    """The same in every call of a role in one research."""
    task: str
    """What this call is about."""


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model is told of it."""

    name: str
    about: str
    schema: Json


class ToolCall(msgspec.Struct, frozen=True):
    """What a model asks a tool; the arguments as it wrote them, JSON or not."""

    id: str
    name: str
    arguments: str


class Turn(msgspec.Struct, frozen=True):
    """One answer of a model: text, tools it wants to ask, or both."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    is_cut_off: bool = False
    """It ended because it became too long."""


class Exchange(msgspec.Struct, frozen=True):
    """A turn that asked tools, and what they answered, in the order asked."""

    turn: Turn
    results: tuple[str, ...]


class Delta(msgspec.Struct, frozen=True):
    """A piece of an answer that comes in pieces."""

    text: str = ""
    is_end: bool = False
    is_cut_off: bool = False


class Ask(msgspec.Struct, frozen=True):
    """Everything one call of a model needs to be written down."""

    prompt: Prompt
    tools: tuple[ToolSpec, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    may_call: bool = True
    """False: answer in words, the tools are only there because they were before."""
    streams: bool = False


class ModelFailed(Exception):
    """The model gave no answer that can be used; the message says why."""


class ModelRefused(ModelFailed):
    """The endpoint will not answer whatever is asked: a wrong key, an unknown model."""


def arguments_object(arguments: str) -> dict[str, Any]:
    """The arguments as an object to send back; what is no JSON object is wrapped as it was."""
    try:
        found = msgspec.json.decode(arguments.encode() or b"{}")
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {"malformed": arguments}
    return found if isinstance(found, dict) else {"malformed": arguments}
