"""What is said to the server about an entry that is to be kept."""

from __future__ import annotations

import logging
import math

from ... import clock
from ...errors import Unstorable
from ..codec import Codec
from ..entry import Entry
from ..ledger import Verdict
from .connections import Command
from .hearing import Record
from .names import TAGS_LAST_S, Names
from .tally import Tally

log = logging.getLogger("headway.stores")


class Writing:
    """Turns entries into commands, and counts those that are not kept."""

    def __init__(self, codec: Codec, names: Names, record: Record, tally: Tally) -> None:
        self._codec, self._names, self._record, self._tally = codec, names, record, tally

    def command(self, name: str, entry: Entry) -> tuple[Command | None, str]:
        """What to tell the server, and what becomes of *entry*."""
        tally, place = self._tally, self._names.entries + name
        mark = self._record.mark_of(entry.mark)
        if entry.is_private:
            tally.refused += 1
            return None, "refused"
        if self._record.ledger.verdict(mark, (*entry.tags, "=" + name)) is Verdict.VOID:
            tally.void += 1
            return None, "void"
        left_s = entry.stale_until - clock.now()
        if left_s <= 0:
            tally.expired += 1
            return ("DEL", place), "expired"
        try:
            written = self._codec.encode(name, entry.with_mark(mark))
        except Unstorable as why:
            tally.refused += 1
            log.debug("%s: %s", name, why)
            return ("DEL", place), "refused"
        return ("SET", place, written, "PX", _ms(left_s)), "kept"


def _ms(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, TAGS_LAST_S) * 1_000))
