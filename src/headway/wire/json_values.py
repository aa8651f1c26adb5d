"""JSON from strangers: read without surprise, taken apart without trust, written in one form."""

from __future__ import annotations

import json
from math import isfinite
from typing import Final

import msgspec

MOST_BYTES: Final = 32 * 1024 * 1024
"""A body longer than this is not parsed: no model reads that much."""

_LARGEST_COUNT: Final = 2**53
_LONG: Final = 2048
_TOO_DEEP: Final = "the body nests too deep"


class NotJson(Exception):
    """The text is no JSON that can be relied on; the message says why, in a few words."""


def read_strictly(body: bytes) -> object:
    """The value of *body*, in which every object has each of its keys once.

    Numbers keep their type, and integers all their digits.

    Raises:
        NotJson: it is no JSON, has duplicate keys, or is too long or too deep.
    """
    plain = read_if_plain(body)
    return read_slowly(body) if plain is None else plain[0]


def read_if_plain(
    body: bytes, left_out: frozenset[str] = frozenset()
) -> tuple[object, bytes] | None:
    """The value of *body* as ``read_strictly`` reads it, and its bytes as ``canonical_json`` does.

    The bytes come without those members of the body itself that *left_out* names. None if only
    ``read_slowly`` can tell what *body* is.

    Raises:
        NotJson: it is too long or too deep.
    """
    if len(body) > MOST_BYTES:
        raise NotJson(f"the body is longer than {MOST_BYTES} bytes")
    try:
        value: object = _decode(body)
        kept = without_members(value, left_out)
        written = _encode_sorted(kept)
        colons = _colons(written)
        if kept is not value:
            members = as_object(value)
            colons += _colons(_encode_sorted({n: members[n] for n in left_out if n in members}))
        # A key that stands twice costs at least one colon, and only an escaped one could make up
        # for it.
        lost_none = _colons(body) == colons and (b"\\" not in body or body.rfind(b"\\u003") < 0)
        return (value, written) if lost_none else None
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    except (msgspec.MsgspecError, ValueError):
        return None


def without_members(value: object, left_out: frozenset[str]) -> object:
    """*value* itself, or a copy without the members of those names."""
    if not isinstance(value, dict) or left_out.isdisjoint(value):
        return value
    return {name: inside for name, inside in as_object(value).items() if name not in left_out}


_decode = msgspec.json.Decoder().decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def _colons(text: bytes) -> int:
    # To take them out jumps from one to the next, to count them looks at each byte.
    if len(text) > _LONG and text.count(b":", 0, _LONG) < _LONG // 32:
        return len(text) - len(text.replace(b":", b""))
    return text.count(b":")


def read_slowly(body: bytes) -> object:
    """The same as ``read_strictly``, by a decoder that looks at each key.

    Raises:
        NotJson: it is no JSON, has duplicate keys, or is too deep.
    """
    try:
        value: object = _STRICT.decode(body.decode("utf-8"))
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    except ValueError:
        raise NotJson("the body is not JSON") from None
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("the body has duplicate keys")
    return members


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


def read_leniently(text: bytes | str) -> object:
    """The value of *text* as the clients read it: NaN passes, of duplicate keys the last counts.

    Raises:
        NotJson: no value can be read.
    """
    try:
        value: object = _decode(text)
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    except (msgspec.MsgspecError, ValueError):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise NotJson("it is not JSON") from None
    return value


def canonical_json(value: object) -> bytes | None:
    """The same bytes for equal values: keys sorted, no white space; None if it nests too deep.

    ``1`` and ``1.0`` stay apart, as do absent and null; nothing in a text is normalised.
    """
    try:
        return _encode_sorted(value)
    except RecursionError:
        return None
    except UnicodeEncodeError:  # half of a surrogate pair
        pass
    try:
        return _SORTED.encode(value).encode("ascii")
    except RecursionError:
        return None


_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def as_object(value: object) -> dict[str, object]:
    """*value* if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """*value* if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """*value* if it is a text, else None."""
    return value if isinstance(value, str) else None


def as_count(value: object) -> int | None:
    """*value* if it is an integer that can count something, else None."""
    if type(value) is int and 0 <= value <= _LARGEST_COUNT:
        return value
    return None
