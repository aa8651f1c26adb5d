"""Whether reads take so little time that they may hold up the event loop."""

from __future__ import annotations

from typing import Final

SLOW_S: Final = 0.001
STALLED_S: Final = 0.050
FAST_READS: Final = 8
"""So many reads on a thread, one after another, must be fast before the loop reads again."""


class Pace:
    """Decided by recent reads: one that stalls, or two slow ones close together, go to a thread."""

    def __init__(self) -> None:
        self.is_quick = True
        self._strikes = 0
        self._fast = 0

    def read_on_loop(self, seconds: float) -> None:
        """Note how long the loop was held up."""
        if seconds < SLOW_S:
            if self._strikes:
                self._strikes -= 1
        else:
            self._strikes += 8 if seconds < STALLED_S else 16
            if self._strikes > 8:
                self.is_quick, self._strikes, self._fast = False, 0, 0

    def read_on_thread(self, seconds: float) -> None:
        """Note how long the read itself took there."""
        self._fast = self._fast + 1 if seconds < SLOW_S else 0
        if self._fast >= FAST_READS:
            self.is_quick = True
