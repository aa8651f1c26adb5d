"""What the stand-in model was asked, in the same words for every wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from .tokens import list_of, object_of


class Tool(msgspec.Struct, frozen=True):
    """A tool the model may call, with the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, object]


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool gave back, as text."""

    call_id: str
    name: str | None
    text: str


class Question(msgspec.Struct, frozen=True):
    """One request, read for whoever writes the answer; ``body`` has everything as it was sent.

    ``tool_results`` are those behind the model's last words: empty when a person spoke last.
    ``turn`` counts the model's words so far: 0 at the beginning of a conversation.
    ``repeated`` counts how often this very body was asked before.
    """

    wire: str
    model: str
    body: Mapping[str, object]
    streams: bool
    system: str
    last_user: str
    turn: int
    tools: tuple[Tool, ...]
    tool_results: tuple[ToolResult, ...]
    forced_tool: str | None
    """The tool that must be called; ``"*"`` for any of them."""
    answer_schema: Mapping[str, object] | None
    """The JSON schema the answer must follow (``{}`` for any JSON object)."""
    repeated: int = 0


Matcher = str | Mapping[str, object] | Callable[[Question], bool]
"""Part of what the user last said, members of the body, or any condition."""


def matches(matcher: Matcher, question: Question) -> bool:
    """Whether the question is one of those meant."""
    if isinstance(matcher, str):
        return matcher in question.last_user
    if isinstance(matcher, Mapping):
        return all(question.body.get(name) == value for name, value in matcher.items())
    return bool(matcher(question))


def text_of(content: object) -> str:
    """The text of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    parts = (object_of(part) for part in list_of(content))
    texts = (part.get("text") for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str))


def read_chat(body: dict[str, Any], repeated: int) -> Question:
    """A question on ``/v1/chat/completions``."""
    messages = [object_of(message) for message in list_of(body.get("messages"))]
    tools = [object_of(object_of(tool).get("function")) for tool in list_of(body.get("tools"))]
    form = object_of(body.get("response_format"))
    return Question(
        wire="openai.chat",
        model=body["model"],
        body=body,
        streams=bool(body.get("stream")),
        system=_said_by(messages, {"system", "developer"}),
        last_user=_last_said_by(messages, "user"),
        turn=sum(message.get("role") == "assistant" for message in messages),
        tools=tuple(
            Tool(tool["name"], object_of(tool.get("parameters"))) for tool in tools if tool
        ),
        tool_results=tuple(_chat_results(messages)),
        forced_tool=forced_tool(body.get("tool_choice")),
        answer_schema=_schema(form, object_of(form.get("json_schema")).get("schema")),
        repeated=repeated,
    )


def read_responses(body: dict[str, Any], items: list[dict[str, Any]], repeated: int) -> Question:
    """A question on ``/v1/responses``; *items* is the whole conversation, earlier ones included."""
    messages = [item for item in items if item.get("type", "message") == "message"]
    form = object_of(object_of(body.get("text")).get("format"))
    system = [body.get("instructions"), _said_by(messages, {"system", "developer"})]
    tools = [object_of(tool) for tool in list_of(body.get("tools"))]
    named = [tool for tool in tools if tool.get("type") == "function" and tool.get("name")]
    return Question(
        wire="openai.responses",
        model=body["model"],
        body=body,
        streams=bool(body.get("stream")),
        system="\n".join(text for text in system if text),
        last_user=_last_said_by(messages, "user"),
        turn=_spoken_turns(items),
        tools=tuple(Tool(tool["name"], object_of(tool.get("parameters"))) for tool in named),
        tool_results=tuple(_responses_results(items)),
        forced_tool=forced_tool(body.get("tool_choice")),
        answer_schema=_schema(form, form.get("schema")),
        repeated=repeated,
    )


def read_messages(body: dict[str, Any], repeated: int) -> Question:
    """A question on Anthropic's ``/v1/messages``."""
    messages = [object_of(message) for message in list_of(body.get("messages"))]
    form = object_of(
        object_of(body.get("output_config")).get("format") or body.get("output_format")
    )
    tools = [object_of(tool) for tool in list_of(body.get("tools"))]
    return Question(
        wire="anthropic.messages",
        model=body["model"],
        body=body,
        streams=bool(body.get("stream")),
        system=text_of(body.get("system")),
        last_user=_last_said_by(messages, "user"),
        turn=sum(message.get("role") == "assistant" for message in messages),
        tools=tuple(Tool(tool["name"], object_of(tool.get("input_schema"))) for tool in tools),
        tool_results=tuple(_messages_results(messages)),
        forced_tool=forced_tool(body.get("tool_choice")),
        answer_schema=_schema(form, form.get("schema")),
        repeated=repeated,
    )


def forced_tool(choice: object) -> str | None:
    """The tool that must be called: its name, ``"*"`` for any, None if the model may choose."""
    if choice in ("required", "any"):
        return "*"
    chosen = object_of(choice)
    if chosen.get("type") == "any":
        return "*"
    name = object_of(chosen.get("function")).get("name") or chosen.get("name")
    return name if isinstance(name, str) else None


def _schema(form: dict[str, Any], schema: object) -> Mapping[str, object] | None:
    return object_of(schema) if form.get("type") in ("json_schema", "json_object") else None


def _said_by(messages: list[dict[str, Any]], roles: set[str]) -> str:
    said = (text_of(message.get("content")) for message in messages if message.get("role") in roles)
    return "\n".join(text for text in said if text)


def _last_said_by(messages: list[dict[str, Any]], role: str) -> str:
    for message in reversed(messages):
        text = text_of(message.get("content")) if message.get("role") == role else ""
        if text:
            return text
    return ""


def _spoken_turns(items: list[dict[str, Any]]) -> int:
    """How often the model's own items begin anew: several items in a row are one turn."""
    own = [
        item.get("role") == "assistant" or item.get("type") in {"function_call", "reasoning"}
        for item in items
    ]
    return sum(is_own and not before for before, is_own in zip([False, *own], own))


def _chat_results(messages: list[dict[str, Any]]) -> Iterator[ToolResult]:
    names = {
        call.get("id"): object_of(call.get("function")).get("name")
        for message in messages
        for call in map(object_of, list_of(message.get("tool_calls")))
    }
    for message in _behind(messages, lambda m: m.get("role") == "tool"):
        call_id = str(message.get("tool_call_id"))
        yield ToolResult(call_id, names.get(call_id), text_of(message.get("content")))


def _responses_results(items: list[dict[str, Any]]) -> Iterator[ToolResult]:
    names = {
        item.get("call_id"): item.get("name")
        for item in items
        if item.get("type") == "function_call"
    }
    for item in _behind(items, lambda i: i.get("type") == "function_call_output"):
        call_id = str(item.get("call_id"))
        yield ToolResult(call_id, names.get(call_id), text_of(item.get("output")))


def _messages_results(messages: list[dict[str, Any]]) -> Iterator[ToolResult]:
    blocks = [object_of(b) for message in messages for b in list_of(message.get("content"))]
    names = {block.get("id"): block.get("name") for block in blocks if "input" in block}
    last = list_of(messages[-1].get("content")) if messages else []
    for block in map(object_of, last):
        if block.get("type") == "tool_result":
            call_id = str(block.get("tool_use_id"))
            yield ToolResult(call_id, names.get(call_id), text_of(block.get("content")))


def _behind(
    entries: list[dict[str, Any]], is_meant: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """The entries meant at the very end of the list, in order."""
    found: list[dict[str, Any]] = []
    for entry in reversed(entries):
        if not is_meant(entry):
            break
        found.append(entry)
    return found[::-1]
