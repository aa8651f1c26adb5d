"""Answers that are one JSON value and nothing more: embeddings, a token count, models, others."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from .facts import UNKNOWN, Usage
from .json_values import as_count, as_list, as_object, as_text
from .reading import Reading, decode_usual, reports_error
from .usage import embedding_usage

_NOTHING_USED = Usage(0, 0, 0, 0, 0)


class _UsualEmbedding(msgspec.Struct, gc=False):
    embedding: msgspec.Raw  # thousands of numbers, of which none counts


class _UsualUsage(msgspec.Struct, gc=False):
    prompt_tokens: Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # as ``as_count`` takes it


class _UsualEmbeddings(msgspec.Struct, gc=False):
    """Embeddings as nearly all answers hold them; others do not fit in."""

    model: str
    data: list[_UsualEmbedding]
    usage: _UsualUsage
    error: None = None
    type: None = None


_decode_usual: Final = msgspec.json.Decoder(_UsualEmbeddings).decode


def _has_content(one: _UsualEmbedding) -> bool:
    """Whether it surely is a list of numbers or a text, and not empty."""
    start = memoryview(one.embedding)[:2].tobytes()
    return start in _NUMBERS or (start[:1] == b'"' and start != b'""')


_NUMBERS: Final = frozenset(b"[%c" % sign for sign in b"-0123456789")


class EmbeddingReading(Reading):
    """Reads ``data[]``, which has one embedding for each text that was sent."""

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._objection: str | None = "it has no embeddings"

    def read_whole(self, body: bytes) -> None:
        answer = decode_usual(_decode_usual, body)
        if answer is None or not all(map(_has_content, answer.data)):
            super().read_whole(body)
            return
        self.model = answer.model
        self.usage = Usage(answer.usage.prompt_tokens, 0, 0, 0, 0)
        if answer.data:
            self._compare(len(answer.data))

    def _compare(self, answered: int) -> None:
        is_whole = answered == self._asked
        self._objection = None if is_whole else "it has not one embedding for each text"

    def read_body(self, value: object) -> None:
        body = as_object(value)
        self.has_failed = reports_error(body)
        self.model = as_text(body.get("model"))
        self.usage = embedding_usage(body.get("usage"))
        embeddings = [as_object(one).get("embedding") for one in as_list(body.get("data"))]
        if embeddings and all(embeddings):
            self._compare(len(embeddings))

    def objection(self) -> str | None:
        return self._objection


class CountReading(Reading):
    """Reads ``input_tokens``; to count them costs none."""

    def __init__(self) -> None:
        self._is_counted = False

    def read_body(self, value: object) -> None:
        body = as_object(value)
        self.has_failed = reports_error(body)
        self._is_counted = as_count(body.get("input_tokens")) is not None
        self.usage = _NOTHING_USED if self._is_counted else UNKNOWN

    def objection(self) -> str | None:
        return None if self._is_counted else "it has no count"


class ModelsReading(Reading):
    """Reads a list of models, or one of them."""

    def __init__(self) -> None:
        self._is_known = False

    def read_body(self, value: object) -> None:
        body = as_object(value)
        self.has_failed = reports_error(body)
        self._is_known = bool(as_list(body.get("data"))) or as_text(body.get("id")) is not None
        self.usage = _NOTHING_USED if self._is_known else UNKNOWN

    def objection(self) -> str | None:
        return None if self._is_known else "it has no models"


class OtherReading(Reading):
    """Looks only for the report of an error."""

    terminal = "an end that Headway knows"

    def read_body(self, value: object) -> None:
        self.has_failed = reports_error(as_object(value))
