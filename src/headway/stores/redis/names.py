"""What stands where in the server, and how it is written there."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ..ledger import Change, State
from ..shared import Ending

_STATE = re.compile(rb"\d{1,16} \d{1,16} \d{1,16}")

TAGS_LAST_S = 30 * 86_400
"""A tag's number is kept this long after its invalidation, so no entry is kept longer."""


class Names:
    """The server's keys under one namespace.

    ``state``: a text, "born count cleared". ``log``: a stream of the latest invalidations by
    number. ``bus``: the channel that tells them. ``e:``: an entry. ``t:``: the number of a tag's
    latest invalidation. ``l:``: "@token" of a held lease, or how it ended, for a few seconds.
    """

    def __init__(self, namespace: str) -> None:
        self.state = namespace + ":state"
        self.log = namespace + ":log"
        self.bus = namespace + ":bus"
        self.entries = namespace + ":e:"
        self.tags = namespace + ":t:"
        self.leases = namespace + ":l:"

    def every_entry(self) -> str:
        """The pattern that every entry's name matches."""
        return re.sub(r"([*?\[\]^\\-])", r"\\\1", self.entries) + "*"


def read_state(written: object) -> State | None:
    """The state as the server has it, or None if it has none that makes sense."""
    if not isinstance(written, bytes) or not _STATE.fullmatch(written):
        return None
    born, count, cleared = map(int, written.split())
    return State(born, count, cleared)


def write_tags(tags: Iterable[str]) -> bytes:
    """The tags of an invalidation as log and bus have them; none means everything."""
    return msgspec.json.encode(tuple(tags))


def read_change(number: bytes, tags: bytes) -> Change | None:
    """An invalidation from log or bus, or None if that is not what it is."""
    try:
        return Change(int(number), msgspec.json.decode(tags, type=tuple[str, ...]))
    except ValueError:  # msgspec's errors are ValueErrors too
        return None


def read_log(rows: object) -> list[Change]:
    """The invalidations in *rows* of the log, up to the first that makes no sense."""
    changes: list[Change] = []
    for row in rows if isinstance(rows, list) else ():
        match row:
            case [bytes(number), [b"tags", bytes(tags), *_]]:
                change = read_change(number.partition(b"-")[0], tags)
            case _:
                change = None
        if change is None:
            break
        changes.append(change)
    return changes


def read_message(told: object) -> Change | tuple[str, Ending] | None:
    """What the bus told: an invalidation, a lease's name and ending, or nothing known."""
    match told.split(b" ", 2) if isinstance(told, bytes) else None:
        case [b"i", number, tags]:
            return read_change(number, tags)
        case [b"l", name, ending]:
            read = read_ending(ending)
            return None if read is None else (name.decode(errors="replace"), read)
    return None


def read_ending(written: object) -> Ending | None:
    """How a lease ended, or None if it has not."""
    match written:
        case b"kept":
            return "kept"
        case b"given up":
            return "given up"
    return None
