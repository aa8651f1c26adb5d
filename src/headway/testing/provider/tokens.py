"""How the stand-in counts tokens: four bytes of UTF-8 make one.

No real tokenizer counts so, and none is needed: what matters to a test is that the count is the
same every time and can be made by hand.
"""

from __future__ import annotations

from typing import Any

import msgspec

BYTES_PER_TOKEN = 4
_WHOLE_WORDS_UP_TO = 100_000  # characters; longer texts are streamed in few, large pieces
_LARGE_PIECE = 16_384

_encoder = msgspec.json.Encoder()


def count(data: str | bytes) -> int:
    """Tokens of a text, or of bytes: a fourth of the bytes, rounded up."""
    size = len(data) if isinstance(data, bytes) else len(data.encode())
    return -(-size // BYTES_PER_TOKEN)


def as_json(value: object) -> bytes:
    """The compact JSON that is counted where a prompt is no text: tools, messages, blocks."""
    return _encoder.encode(value)


def shortened(text: str, most: int | None) -> tuple[str, bool]:
    """The text within *most* tokens, and whether something had to go."""
    if most is None or count(text) <= most:
        return text, False
    return text.encode()[: most * BYTES_PER_TOKEN].decode(errors="ignore"), True


def stopped(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The text before the first stop sequence in it, and that sequence."""
    found = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def pieces(text: str) -> list[str]:
    """The text as a stream brings it: word by word, each with the space before it."""
    if len(text) > _WHOLE_WORDS_UP_TO:
        return [text[at : at + _LARGE_PIECE] for at in range(0, len(text), _LARGE_PIECE)]
    found: list[str] = []
    start = 0
    for at in range(1, len(text)):
        if text[at].isspace() and not text[at - 1].isspace():
            found.append(text[start:at])
            start = at
    return [*found, text[start:]] if text else []


def fragments(arguments: str, size: int = 12) -> list[str]:
    """The JSON of a tool call's arguments as a stream brings it."""
    return [arguments[at : at + size] for at in range(0, len(arguments), size)]


def object_of(value: object) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """The value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []
