"""What a conversation carries to the model: its system prompt, and the results of tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

from .facts import ToolResult, Wire
from .json_values import as_list, as_object, as_text, canonical_json

_TEXT_PARTS = ("text", "input_text", "output_text")
_SYSTEM_ROLES = ("system", "developer")


class Sent(msgspec.Struct, frozen=True):
    """What stands in the messages of a request; see ``RequestFacts``."""

    tool_results: tuple[ToolResult, ...] = ()
    system_digest: str | None = None


def count_messages(wire: Wire, body: dict[str, object]) -> int:
    """How many messages, input items or texts to embed *body* has."""
    name = _LISTS.get(wire)
    given = None if name is None else body.get(name)
    if isinstance(given, list):
        is_tokens_of_one = wire == "openai.embeddings" and bool(given) and type(given[0]) is int
        return 1 if is_tokens_of_one else len(given)
    return 1 if name == "input" and isinstance(given, str) else 0


_LISTS: dict[Wire, str] = {
    "openai.chat": "messages",
    "openai.responses": "input",
    "openai.embeddings": "input",
    "anthropic.messages": "messages",
    "anthropic.count_tokens": "messages",
}


def read_sent(wire: Wire, body: dict[str, object]) -> Sent:
    """What the messages of *body* carry; nothing for wires without messages."""
    read = _READERS.get(wire)
    return Sent() if read is None else read(body)


def _read_chat(body: dict[str, object]) -> Sent:
    messages = [as_object(one) for one in as_list(body.get("messages"))]
    names: dict[str, str] = {}
    results: list[ToolResult] = []
    for message in messages:
        role = message.get("role")
        for call in map(as_object, as_list(message.get("tool_calls"))):
            named = as_object(call.get("function") or call.get("custom"))
            _remember(names, call.get("id"), named.get("name"))
        if role == "tool":
            results.append(_result(message.get("tool_call_id"), names, message.get("content")))
        elif role == "function":
            result = _result(None, names, message.get("content"))
            results.append(msgspec.structs.replace(result, name=as_text(message.get("name"))))
    return Sent(tuple(results), _digest_of_system(_system_contents(messages)))


def _read_messages(body: dict[str, object]) -> Sent:
    messages = [as_object(one) for one in as_list(body.get("messages"))]
    names: dict[str, str] = {}
    results: list[ToolResult] = []
    for message in messages:
        for block in map(as_object, as_list(message.get("content"))):
            if block.get("type") == "tool_use":
                _remember(names, block.get("id"), block.get("name"))
            elif block.get("type") == "tool_result":
                results.append(_result(block.get("tool_use_id"), names, block.get("content")))
    system = [body.get("system"), *_system_contents(messages)]
    return Sent(tuple(results), _digest_of_system(system))


def _read_responses(body: dict[str, object]) -> Sent:
    items = [as_object(one) for one in as_list(body.get("input"))]
    names: dict[str, str] = {}
    results: list[ToolResult] = []
    for item in items:
        kind = as_text(item.get("type")) or "message"
        if kind.endswith("_call_output"):
            results.append(_result(item.get("call_id"), names, item.get("output")))
        elif kind.endswith("_call"):
            _remember(names, item.get("call_id"), item.get("name"))
    system = [body.get("instructions"), *_system_contents(items)]
    return Sent(tuple(results), _digest_of_system(system))


_READERS: dict[Wire, Callable[[dict[str, object]], Sent]] = {
    "openai.chat": _read_chat,
    "openai.responses": _read_responses,
    "anthropic.messages": _read_messages,
    "anthropic.count_tokens": _read_messages,
}


def _system_contents(messages: Iterable[dict[str, object]]) -> list[object]:
    return [one.get("content") for one in messages if one.get("role") in _SYSTEM_ROLES]


def _remember(names: dict[str, str], call_id: object, name: object) -> None:
    if isinstance(call_id, str) and isinstance(name, str):
        names[call_id] = name


def _result(call_id: object, names: dict[str, str], content: object) -> ToolResult:
    written = _written(content)
    known = as_text(call_id)
    name = names.get(known) if known is not None else None
    return ToolResult(known, name, sha256(written).hexdigest(), len(written))


def _digest_of_system(contents: list[object]) -> str | None:
    written = [_written(content) for content in contents if content]
    return sha256(b"\n\n".join(written)).hexdigest() if written else None


def _written(content: object) -> bytes:
    """The plain text of *content* if it is text alone, else its JSON."""
    text = content if isinstance(content, str) else _joined_text(content)
    if text is not None:
        return text.encode("utf-8", "surrogatepass")
    return canonical_json(content) or b""


def _joined_text(content: object) -> str | None:
    parts = [as_object(part) for part in as_list(content)]
    texts = [as_text(part.get("text")) for part in parts if part.get("type") in _TEXT_PARTS]
    if not texts or len(texts) < len(parts) or None in texts:
        return None
    return "".join(text for text in texts if text is not None)
