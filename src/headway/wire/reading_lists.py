"""Answers that are one JSON value and nothing more: embeddings, a token count, models, others."""

from __future__ import annotations

from .facts import UNKNOWN, Usage
from .json_values import as_count, as_list, as_object, as_text
from .reading import Reading, reports_error
from .usage import embedding_usage

_NOTHING_USED = Usage(0, 0, 0, 0, 0)


class EmbeddingReading(Reading):
    """Reads ``data[]``, which has one embedding for each text that was sent."""

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._objection: str | None = "it has no embeddings"

    def read_body(self, value: object) -> None:
        body = as_object(value)
        self.has_failed = reports_error(body)
        self.model = as_text(body.get("model"))
        self.usage = embedding_usage(body.get("usage"))
        embeddings = [as_object(one).get("embedding") for one in as_list(body.get("data"))]
        if embeddings and all(embeddings):
            is_whole = len(embeddings) == self._asked
            self._objection = None if is_whole else "it has not one embedding for each text"

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
