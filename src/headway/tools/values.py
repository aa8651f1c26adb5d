"""What a call gave, as another tool or a model reads it."""

from __future__ import annotations

import msgspec

from ..stream import Stream


def whole(value: object) -> object:
    """*value*; of a stream that has ended, its chunks: one text, else a list."""
    if not isinstance(value, Stream):
        return value
    chunks = value.recording.chunks
    if all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    if all(isinstance(chunk, bytes) for chunk in chunks):
        return b"".join(chunks)
    return list(chunks)


def as_text(value: object) -> str:
    """*value* if it is a text, else its JSON; what JSON does not know, by ``str``."""
    value = whole(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    try:
        return msgspec.json.encode(value, enc_hook=_plainer).decode()
    except (TypeError, ValueError, RecursionError):  # keys that JSON does not know, half surrogates
        return str(value)


def _plainer(value: object) -> object:
    dump = getattr(value, "model_dump", None)  # of a pydantic model
    return dump(mode="json") if callable(dump) else str(value)
