"""Names of what tools read and write, and which of them lie in one another's way.

A resource is a text of segments, ``company:NVDA`` or ``files/src/a.py``. A star at its end stands
for all below, ``company:*``; a star alone for everything. What cannot be told exactly is taken for
more than it may be, never for less: ``files/src/*.py`` is ``files/src/*``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from ..errors import BadSetup
from ..policies.tags import MOST_PREFIXES

EVERYTHING = "*"

_SEPARATOR = re.compile(r"([:/])")
_UNUSUAL = re.compile(r"\*|(?:^|[:/])\.{0,2}(?:[:/]|$)")


@lru_cache(maxsize=8192)
def canonical_resource(text: str) -> str:
    """The one way of writing *text*: no empty or ``.`` segments, a star only at the end.

    Raises:
        BadSetup: there is nothing in it.
    """
    if not text or not isinstance(text, str):
        raise BadSetup(f"a resource is a text such as 'company:NVDA', not {text!r}")
    if _UNUSUAL.search(text) is None:
        return text
    whole = ""
    separator = ""
    for piece in _SEPARATOR.split(text):
        if piece in (":", "/"):
            separator = piece
        elif piece == "..":  # who knows where that leads
            return EVERYTHING
        elif "*" in piece:
            return _bounded(f"{whole}{separator}*" if whole else EVERYTHING)
        elif piece not in ("", "."):
            whole = f"{whole}{separator}{piece}" if whole else piece
    return whole or EVERYTHING


def _bounded(wild: str) -> str:
    """*wild* itself, or wider where an answer would not bear a tag for so long a prefix."""
    return [*islice(_prefixes(wild), MOST_PREFIXES)][-1] + "*" if _prefixes(wild) else wild


def _prefixes(text: str) -> list[str]:
    return [text[: place + 1] for place, letter in enumerate(text) if letter in ":/"]


@lru_cache(maxsize=8192)
def borne_by(resource: str) -> tuple[str, ...]:
    """The tags of what was made by reading *resource*: meets ``voided_by`` of all that touch it."""
    text = canonical_resource(resource)
    prefixes = [f"{prefix}*" for prefix in islice(_prefixes(text), MOST_PREFIXES)]
    own = f"{text}*" if text.endswith("*") else text  # "company:**": saw all below
    return tuple(dict.fromkeys((own, *prefixes, EVERYTHING)))


@lru_cache(maxsize=8192)
def voided_by(resource: str) -> tuple[str, ...]:
    """The tags that a write of *resource* makes void."""
    text = canonical_resource(resource)
    saw_all = [f"{prefix}**" for prefix in islice(_prefixes(text), MOST_PREFIXES)]
    return tuple(dict.fromkeys((text, *saw_all, f"{EVERYTHING}*")))


def overlap(one: str, other: str) -> bool:
    """Whether two resources have something in common."""
    one, other = canonical_resource(one), canonical_resource(other)
    if one == other:
        return True
    return (one.endswith("*") and other.startswith(one[:-1])) or (
        other.endswith("*") and one.startswith(other[:-1])
    )
