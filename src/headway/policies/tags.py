"""The tags of a kept answer: names with arguments filled in, by which it can be dropped."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from itertools import islice
from string import Formatter

from ..call import Call, Operation
from ..errors import BadSetup

Tags = Sequence[str] | Callable[..., Sequence[str]]
"""Templates such as ``"company:{symbol}"``, or a function of the operation's arguments."""


MOST_PREFIXES = 16
"""Of a tag with more separators than these, the first so many prefixes count."""


def tags_of(tags: Tags, call: Call) -> tuple[str, ...]:
    """The tags of the answer to *call*, and the prefixes that it can be dropped by."""
    if not tags:
        return ()
    if callable(tags):
        return with_prefixes(tags(*call.args, **call.kwargs))
    return with_prefixes([tag.format_map(call.arguments) for tag in tags])


def with_prefixes(tags: Sequence[str]) -> tuple[str, ...]:
    """*tags* and, for each separator in one, what stands before it with a star behind.

    ``"a:b/c"`` also bears ``"a:*"`` and ``"a:b/*"``: to drop all under a prefix is to drop one tag.
    """
    borne = dict.fromkeys(tags)
    for tag in tags:
        ends = (place + 1 for place, letter in enumerate(tag) if letter in ":/")
        borne.update({f"{tag[:end]}*": None for end in islice(ends, MOST_PREFIXES)})
    return tuple(borne)


def refuse_gaps(tags: Tags, operation: Operation) -> None:
    """Raise ``BadSetup`` for a template with a gap that no argument of *operation* fills."""
    if callable(tags):
        return
    known = inspect.signature(operation.run).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()):
        return
    for tag in tags:
        for gap in _gaps(tag):
            if gap not in known:
                raise BadSetup(
                    f"{operation.name}: the tag {tag!r} names {gap!r}, which is no argument; "
                    f"there are: {', '.join(known)}"
                )


def _gaps(tag: str) -> list[str]:
    """The arguments that a tag names: ``"company:{symbol}"`` gives ``["symbol"]``."""
    try:
        parts = list(Formatter().parse(tag))
    except ValueError as wrong:
        raise BadSetup(f"Cache(tags=...): {tag!r} cannot be filled in: {wrong}") from None
    return [re.split(r"[.\[]", name)[0] for _, name, _, _ in parts if name is not None]
