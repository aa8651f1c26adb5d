"""The one change that is made to a body on its way: the name of the model."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from .request_facts import RequestFacts

_BLANK: Final = b" \t\n\r"
_NAME: Final = b'"model"'
_VALUE: Final = re.compile(rb'[ \t\n\r]*:[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_read_over: Final = msgspec.json.Decoder(msgspec.Raw).decode
_reader: Final = json.JSONDecoder()


def with_model(body: bytes, facts: RequestFacts, model: str) -> bytes:
    """The very bytes of *body* but for the value of its member ``model``, which becomes *model*.

    Members of that name further in, and texts that look like one, stay as they are.

    Args:
        facts: What ``read_request`` said of *body*; they may have let go of it.

    Raises:
        ValueError: *body* is no JSON object, or it has no ``model``, or two.
    """
    written = msgspec.json.encode(model)
    place = None if facts.model is None else _only_place(body, facts.model)
    if place is not None:
        start, end = place
        return b"%b%b%b" % (body[:start], written, body[end:])
    text = body.decode("utf-8")
    start, end = _searched_place(text)
    return b"%b%b%b" % (text[:start].encode(), written, text[end:].encode())


def _only_place(body: bytes, model: str) -> tuple[int, int] | None:
    """Where *model* stands, if nothing else looks like that member."""
    at = body.find(_NAME)
    if at < 0 or body.find(_NAME, at + 1) >= 0 or not _is_outermost(body, at):
        return None
    found = _VALUE.match(body, at + len(_NAME))
    # A body that could not be read has its model from the path: it is searched to its end.
    return found.span(1) if found and _read_text(found[1]) == model else None


def _read_text(written: bytes) -> object:
    try:
        return msgspec.json.decode(written)
    except (msgspec.MsgspecError, ValueError):  # half of a surrogate pair
        return None


def _is_outermost(body: bytes, at: int) -> bool:
    """Whether a member of *body* itself begins at *at*: then what is before it only lacks its end.

    A text that *at* is in the middle of, or at the end of, would have no end.
    """
    before = body[:at].rstrip(_BLANK)
    before = before[:-1] if before.endswith(b",") else before
    try:
        _read_over(before + b"}")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def _searched_place(text: str) -> tuple[int, int]:
    """Where the value of ``model`` begins and ends, looking at one member after the other."""
    places: list[tuple[int, int]] = []
    at = _expect(text, 0, "{")
    is_empty = text[at : at + 1] == "}"
    while not is_empty:
        name, at = _read(text, at)
        start = _expect(text, at, ":")
        _, end = _read(text, start)
        if name == "model":
            places.append((start, end))
        at = _after_blanks(text, end)
        if text[at : at + 1] == "}":
            break
        at = _expect(text, at, ",")
    if len(places) != 1:
        raise ValueError(f"the body names {len(places) or 'no'} models")
    return places[0]


def _read(text: str, at: int) -> tuple[object, int]:
    try:
        return _reader.raw_decode(text, at)
    except RecursionError:
        raise ValueError("the body nests too deep") from None


def _expect(text: str, at: int, sign: str) -> int:
    """The place behind *sign*, which has to come next, and the blanks around it."""
    at = _after_blanks(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"the body is no JSON object: there is no {sign!r} at character {at}")
    return _after_blanks(text, at + 1)


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()
