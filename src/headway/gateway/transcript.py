"""What a request tells of the conversation behind it: its speaker, its task, results of tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Final

import msgspec

from ..wire.exchange import RequestFacts, Wire
from ..wire.json_values import NotJson, as_list, as_object, as_text, canonical_json, read_leniently
from .spoken import Brought, Spoken

LONGEST_TASK: Final = 1_000
"""Of a longer task this much is compared."""
MOST_PROMPTS: Final = 256

_NUMBERS: Final = re.compile(r"\d[\d:./,-]*\d")
_PASSING: Final = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"  # a day
    r"|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"  # a time of day
    r"|\d{9,}"  # seconds since the epoch, and the like
)
_UUID: Final = re.compile(
    r"[0-9a-fA-F][0-9a-fA-F]{7}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)
"""What a prompt says of the moment: it does not make another speaker of it.

Each pattern begins with one set of characters, by which a text is searched many times faster.
"""

LONGEST_PROMPT: Final = 4_000
"""Of a longer system prompt, beginning and end tell speakers apart: so many characters in all."""

_Object = dict[str, object]
_SYSTEM = ("system", "developer")
_WHERE_SYSTEM_STANDS: dict[Wire, str] = {
    "openai.responses": "instructions",
    "anthropic.messages": "system",
}
_LISTS: dict[Wire, str] = {
    "openai.chat": "messages",
    "openai.responses": "input",
    "anthropic.messages": "messages",
}


def spoken_of(facts: RequestFacts, *, names_speaker: bool = True) -> Spoken:
    """What a request tells; nothing without its body.

    Args:
        names_speaker: Whether the system prompt is to be read: it is long, and often new.
    """
    wire = facts.wire
    if wire not in _LISTS:
        return _NOTHING
    body = as_object(facts.body)
    messages = as_list(body.get(_LISTS[wire]))
    prompt = _prompt(wire, body, messages) if names_speaker else ""
    speaker = _fingerprint(_ends(prompt)) if prompt else None
    results = _RESULTS[wire](messages) if _may_bring(wire, messages) else ()
    return Spoken(speaker, _task(body, messages), tuple(results))


def key_of(name: str, arguments: object) -> str:
    """Equal for equal arguments of a tool, however a model wrote them down.

    Of arguments that nest deeper than JSON is written, the name alone counts.
    """
    try:
        written = canonical_json([name, arguments]) or name.encode("utf-8", "replace")
    except ValueError:  # a NaN beside half of a surrogate pair: JSON has neither
        written = repr([name, arguments]).encode("utf-8", "replace")
    return blake2b(written, digest_size=16).hexdigest()


def read_arguments(written: object) -> object:
    """Arguments as a value; a text that is no JSON as it is."""
    if not isinstance(written, str):
        return written
    try:
        return read_leniently(written) if written.strip() else {}
    except NotJson:
        return written


_NOTHING: Final = Spoken()


def _may_bring(wire: Wire, messages: list[object]) -> bool:
    """Whether the last message can belong to results of tools: a look before the long way."""
    if len(messages) >= _FEW or not messages:
        return bool(messages)
    last = as_object(messages[-1])
    if wire == "openai.chat":
        return last.get("role") != "user"
    return not (wire == "anthropic.messages" and isinstance(last.get("content"), str))


_FEW: Final = 3
"""In a conversation of fewer messages nothing has been asked of a tool."""


def _prompt(wire: Wire, body: _Object, messages: list[object]) -> str:
    """The system prompt: where the wire has a place for it, and in the messages at the front."""
    said = [_text(body.get(_WHERE_SYSTEM_STANDS[wire]))] if wire in _WHERE_SYSTEM_STANDS else []
    for message in messages:
        one = as_object(message)
        if one.get("role") not in _SYSTEM:
            break
        said.append(_text(one.get("content")))
    return said[0] if len(said) == 1 else "\n\n".join(text for text in said if text)


def _ends(prompt: str) -> str:
    half = LONGEST_PROMPT // 2
    return prompt if len(prompt) <= LONGEST_PROMPT else f"{prompt[:half]}\n{prompt[-half:]}"


@lru_cache(maxsize=MOST_PROMPTS)
def _fingerprint(prompt: str) -> str:
    lasting = _UUID.sub("#", prompt) if prompt.count("-") >= _DASHES_OF_A_UUID else prompt
    lasting = _NUMBERS.sub(_without_moment, lasting)
    return f"agent {sha256(lasting.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


_DASHES_OF_A_UUID: Final = 4


def _without_moment(number: re.Match[str]) -> str:
    return _PASSING.sub("#", number[0])


def _task(body: _Object, messages: list[object]) -> str:
    given = body.get("input")
    if isinstance(given, str):
        return given[:LONGEST_TASK]
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))[:LONGEST_TASK]
    return ""


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    texts = (as_text(as_object(part).get("text")) for part in as_list(content))
    return "\n".join(text for text in texts if text)


def _in_chat(messages: list[object]) -> list[Brought]:
    asked: dict[str, _Object] = {}
    answered: list[_Object] = []
    for message in _behind_last_words(messages, "tool_calls"):
        if message.get("role") in ("tool", "function"):
            answered.append(message)
        for call in map(as_object, as_list(message.get("tool_calls"))):
            named = as_object(call.get("function") or call.get("custom"))
            asked[str(call.get("id"))] = named
    return [_in_message(message, asked) for message in reversed(answered)]


def _in_message(message: _Object, asked: dict[str, _Object]) -> Brought:
    known = as_text(message.get("tool_call_id"))
    found = _known(known, asked.get(str(known)))
    if found.name is not None:
        return found
    return msgspec.structs.replace(found, name=as_text(message.get("name")))


def _in_messages(messages: list[object]) -> list[Brought]:
    asked: dict[str, _Object] = {}
    answered: list[str] = []
    for message in _behind_last_words(messages, "tool_use"):
        for block in map(as_object, reversed(as_list(message.get("content")))):
            if block.get("type") == "tool_result":
                answered.append(str(block.get("tool_use_id")))
            elif block.get("type") == "tool_use":
                asked[str(block.get("id"))] = block
    return [_known(id, asked.get(id)) for id in reversed(answered)]


def _behind_last_words(messages: list[object], calls: str) -> Iterator[_Object]:
    """From the end back to the last message of the model that asks for tools, if it is the last.

    A message of the model at the very end is one that the program began for it.
    """
    for number, message in enumerate(map(as_object, reversed(messages))):
        if message.get("role") != "assistant":
            yield message
        elif _asks_for_tools(message, calls):
            yield message
            return
        elif number:
            return


def _asks_for_tools(message: _Object, calls: str) -> bool:
    if message.get(calls):
        return True
    return any(as_object(block).get("type") == calls for block in as_list(message.get("content")))


def _in_responses(items: list[object]) -> list[Brought]:
    """Items say nothing of turns, so these are all since somebody spoke before them."""
    asked: dict[str, _Object] = {}
    answered: list[str] = []
    for item in _since_somebody_spoke(items):
        kind = as_text(item.get("type")) or ""
        if kind.endswith("_call_output"):
            answered.append(str(item.get("call_id")))
        elif kind.endswith("_call"):
            asked[str(item.get("call_id"))] = item
    return [_known(id, asked.get(id)) for id in reversed(answered)]


def _since_somebody_spoke(items: list[object]) -> Iterator[_Object]:
    is_among_tools = False
    for item in map(as_object, reversed(items)):
        is_message = item.get("type", "message") == "message"
        if is_message and (is_among_tools or item.get("role") == "assistant"):
            return
        is_among_tools = is_among_tools or not is_message
        yield item


def _known(id: str | None, call: _Object | None) -> Brought:
    name = None if call is None else as_text(call.get("name"))
    if call is None or name is None:
        return Brought(id)
    given = call.get("arguments", call.get("input"))
    return Brought(id, name, None if given is None else key_of(name, read_arguments(given)))


_RESULTS: Final[dict[Wire, Callable[[list[object]], list[Brought]]]] = {
    "openai.chat": _in_chat,
    "openai.responses": _in_responses,
    "anthropic.messages": _in_messages,
}
