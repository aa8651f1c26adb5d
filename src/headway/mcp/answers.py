"""What a call of a tool asks, and what its answer is worth: pure decisions on bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..wire.json_values import NotJson, as_object, canonical_json, read_leniently, read_strictly

PROTOCOL: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT: Final = "io.modelcontextprotocol/clientInfo"
SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"

META_IN_KEY: Final = frozenset({PROTOCOL, CAPABILITIES})
"""What an answer depends on besides tool and arguments; all else in ``_meta`` is about the way."""

_PLAIN: Final = frozenset({"name", "arguments", "_meta"})


class Question(msgspec.Struct, frozen=True):
    """A call of a tool: equal questions may have one answer."""

    tool: str
    arguments: bytes
    """As canonical JSON."""
    meta: bytes
    """Of ``_meta``, what belongs to the question, as canonical JSON."""


class ToolCall(msgspec.Struct, frozen=True):
    """The parameters of a ``tools/call``; without a ``question`` it must reach the server."""

    tool: str
    arguments: Mapping[str, object]
    meta: Mapping[str, object]
    question: Question | None


def read_call(
    params: Raw | UnsetType, in_key: Collection[str], about_client: Mapping[str, object]
) -> ToolCall | None:
    """What *params* ask for; None if they name no tool.

    Beside the name, arguments and ``_meta`` nothing may stand there: input given afterwards
    (``requestState``), tasks and whatever is yet to be invented belong to one caller and one call.

    Args:
        params: the ``params`` of the request.
        in_key: the names in ``_meta`` that belong to the question.
        about_client: what the handshake said of the client, by the names that ``_meta`` has for it
            in later versions of the protocol.
    """
    written = b"" if isinstance(params, UnsetType) else bytes(params)
    try:
        given, is_plain = as_object(read_strictly(written)), True
    except NotJson:
        given, is_plain = _as_others_read(written), False
    tool, meta = given.get("name"), as_object(given.get("_meta"))
    if not isinstance(tool, str):
        return None
    is_plain = is_plain and given.keys() <= _PLAIN and isinstance(given.get("_meta", {}), dict)
    about = {**about_client, **meta}
    question = _question(tool, given.get("arguments", {}), about, in_key) if is_plain else None
    return ToolCall(tool, as_object(given.get("arguments")), meta, question)


def _as_others_read(written: bytes) -> dict[str, object]:
    try:
        return as_object(read_leniently(written))
    except NotJson:
        return {}


def _question(
    tool: str, arguments: object, about: Mapping[str, object], in_key: Collection[str]
) -> Question | None:
    asked = canonical_json(arguments)
    meta = canonical_json({name: about[name] for name in about if name in in_key})
    if asked is None or meta is None or not isinstance(arguments, dict):
        return None
    return Question(tool, asked, meta)


Worth = Literal["shared", "failed", "unfinished"]
"""Of an answer: good for all who ask the same; or for its asker alone, since the tool failed or
since it is not the last word (input is required, a task goes on)."""


class _Result(msgspec.Struct, rename="camel"):
    is_error: bool | None = None
    result_type: str | None = None
    task: Raw | UnsetType = UNSET
    ttl_ms: float | None = None
    cache_scope: object = None


_result = msgspec.json.Decoder(_Result)


def worth_of(result: Raw | UnsetType) -> Worth:
    """What *result* of a ``tools/call`` is good for; UNSET stands for an error in its place."""
    head = None if isinstance(result, UnsetType) else _head(bytes(result))
    if head is None or head.is_error:
        return "failed"
    is_last = head.result_type in (None, "complete") and head.task is UNSET
    return "shared" if is_last else "unfinished"


def seconds_to_keep(result: bytes, *, ttl_s: float) -> float:
    """How long to keep *result*: *ttl_s*, or less if the server said so with ``ttlMs``."""
    head = _head(result)
    if head is None:
        return 0.0
    return ttl_s if head.ttl_ms is None else max(0.0, min(ttl_s, head.ttl_ms / 1000))


def is_for_all(result: bytes) -> bool:
    """Whether *result* may be given to other clients: the server has not called it private."""
    head = _head(result)
    return head is not None and head.cache_scope in (None, "public")


def without_promise(result: bytes) -> bytes:
    """*result* as it is given a second time: what is left of its ``ttlMs`` is not promised."""
    head = _head(result) if b"ttlMs" in result else None
    if head is None or not head.ttl_ms:
        return result
    parts = msgspec.json.decode(result, type=dict[str, Raw])
    return msgspec.json.encode({**parts, "ttlMs": 0})


def _head(result: bytes) -> _Result | None:
    try:
        return _result.decode(result)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
