"""How answers are written down where they outlive the process, or are seen by others."""

from __future__ import annotations

from itertools import chain
from typing import Any

from ...stores.codec.classes import register
from .answer import Head, Whole


def register_answers() -> None:
    """Let a cache on a shared store keep what the door keeps."""
    register(Head, "headway.http.Head/1", _written_head, _head)
    register(Whole, "headway.http.Whole/1", lambda whole: (whole.head, whole.body), _whole)


def _written_head(head: Head) -> tuple[object, ...]:
    # What another client may not see is not written down either: cookies, ids of requests.
    headers = list(chain.from_iterable(head.kept_headers))
    return head.status, headers, dict(head.extensions), head.facts, head.size_bytes


def _head(written: Any) -> Head:
    status, headers, extensions, facts, size_bytes = written
    head = Head(status, list(zip(headers[::2], headers[1::2], strict=True)), extensions)
    head.facts, head.size_bytes, head.may_keep = facts, size_bytes, True
    return head


def _whole(written: Any) -> Whole:
    head, body = written
    return Whole(head, body)
