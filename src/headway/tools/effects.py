"""What a call of a tool does to the world: it reads this, writes that, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .resources import EVERYTHING, borne_by, canonical_resource, overlap, voided_by


class Effects(msgspec.Struct, frozen=True):
    """What one call reads and writes, as resources: ``company:NVDA``, ``files/src/a.py``.

    A ``*`` at the end of a resource stands for all below it, a ``*`` alone for everything. A call
    that is *exclusive* runs alone and may write anything. One that reads and writes nothing depends
    on its arguments alone.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    exclusive: bool = False

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, so that its result may be kept."""
        return not (self.exclusive or self.writes)


UNKNOWN = Effects(exclusive=True)
"""Of a tool that nobody has declared: it may write anything, so it is never answered from memory.
"""


def canonical(effects: Effects) -> Effects:
    """*effects* with each resource in the one way of writing it, in which they can be compared."""
    reads = tuple(map(canonical_resource, effects.reads))
    writes = tuple(map(canonical_resource, effects.writes))
    if reads == effects.reads and writes == effects.writes:
        return effects
    return Effects(reads, writes, effects.exclusive)


def conflict(one: Effects, other: Effects) -> bool:
    """Whether two calls must keep their order: one writes what the other reads or writes."""
    if one.exclusive or other.exclusive:
        return True
    return (
        _touch(one.writes, other.writes)
        or _touch(one.writes, other.reads)
        or _touch(one.reads, other.writes)
    )


def _touch(some: Iterable[str], others: tuple[str, ...]) -> bool:
    return any(overlap(one, other) for one in some for other in others)


def tags_to_keep(effects: Effects) -> tuple[str, ...]:
    """The tags that a kept result bears: the resources read, and every way to name them.

    Shares a tag with ``tags_to_void(write)`` exactly if that write conflicts with these reads.
    """
    return _all(borne_by(resource) for resource in effects.reads)


def tags_to_void(effects: Effects) -> tuple[str, ...]:
    """The tags that a write makes void; none for a call that only reads."""
    if effects.exclusive:
        return (EVERYTHING,)
    return _all(voided_by(resource) for resource in effects.writes)


def _all(tags: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for some in tags for tag in some))


def effects_of_hints(
    read_only: bool | None,
    idempotent: bool | None = None,
    destructive: bool | None = None,
    *,
    reads: tuple[str, ...] = (EVERYTHING,),
) -> Effects:
    """The effects that the annotations of an MCP tool promise.

    Read-only: it reads *reads*, such as ``("server:github:*",)``. Anything else is an exclusive
    write: that a write may be repeated or destroys nothing does not say what it touches.
    """
    return Effects(reads=reads) if read_only is True and destructive is not True else UNKNOWN
