"""Embeddings that mean a little: texts that share words are near each other."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

from . import tokens
from .refusal import Refused

Json = dict[str, Any]
MOST_INPUTS = 2048
MOST_TOKENS = 8192
_PLACES_PER_WORD = 16


def inputs_of(body: Json) -> list[str | list[int]]:
    """Each text, or list of token ids, that wants a vector.

    Raises:
        Refused: an empty input, or more than the provider takes.
    """
    given = body["input"]
    is_one = isinstance(given, str) or (given and all(isinstance(one, int) for one in given))
    inputs = [given] if is_one else list(given)
    if any(isinstance(one, int) for one in inputs):
        raise Refused(400, "'input' mixes texts and token ids.", param="input")
    if not inputs or any(len(one) == 0 for one in inputs):
        raise Refused(400, "Invalid 'input': input cannot be an empty string.", param="input")
    if len(inputs) > MOST_INPUTS:
        raise Refused(400, f"'input' must have at most {MOST_INPUTS} items.", param="input")
    if any(tokens_of(one) > MOST_TOKENS for one in inputs):
        said = f"This model's maximum context length is {MOST_TOKENS} tokens."
        raise Refused(400, said, param="input", code="context_length_exceeded")
    return inputs


def tokens_of(one: str | list[int]) -> int:
    """Tokens of one input; token ids count as they are."""
    return tokens.count(one) if isinstance(one, str) else len(one)


def plain(body: Json, inputs: list[str | list[int]]) -> Json:
    """The vectors, in the order of the inputs, with usage."""
    size = body.get("dimensions") or (3072 if "large" in body["model"] else 1536)
    as_text = body.get("encoding_format") == "base64"
    total = sum(tokens_of(one) for one in inputs)
    return {
        "object": "list",
        "data": [_entry(at, vector_of(one, size), as_text) for at, one in enumerate(inputs)],
        "model": body["model"],
        "usage": {"prompt_tokens": total, "total_tokens": total},
    }


def _entry(at: int, vector: list[float], as_text: bool) -> Json:
    packed = struct.pack(f"<{len(vector)}f", *vector)
    embedding = base64.b64encode(packed).decode() if as_text else vector
    return {"object": "embedding", "index": at, "embedding": embedding}


def vector_of(one: str | list[int], size: int) -> list[float]:
    """A unit vector of *size* numbers: each word adds to the places its digest names."""
    words = one.lower().split() if isinstance(one, str) else [str(token) for token in one]
    vector = [0.0] * size
    for word in words or [str(one)]:
        digest = hashlib.shake_128(word.encode()).digest(4 * _PLACES_PER_WORD)
        for (number,) in struct.iter_unpack("<I", digest):
            vector[(number >> 1) % size] += 1.0 if number & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:  # the words cancel each other out
        vector[0] = length = 1.0
    return [value / length for value in vector]
