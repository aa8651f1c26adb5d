"""Whether an upstream is asked at all: after failures in a row it is passed over for a while."""

from __future__ import annotations

from typing import Final

from .. import clock

FAILURES_IN_A_ROW: Final = 5
PASSED_OVER_S: Final = 10.0


class Health:
    """Counts failures in a row; says when to pass an upstream over, and when to probe it.

    A failure is an upstream that cannot be reached, breaks off or is too late before the first
    byte, or answers with 500 or more. A refusal (429) is none: the server is well.
    """

    __slots__ = ("_down_until", "failures", "is_probed", "is_up", "reason")

    def __init__(self) -> None:
        self.failures, self.reason = 0, ""
        self.is_up, self.is_probed = True, False
        self._down_until = 0.0

    def answered(self) -> bool:
        """It answered well; True if that brought it back."""
        self.failures = 0
        was_down, self.is_up = not self.is_up, True
        return was_down

    def failed(self, reason: str) -> bool:
        """It failed; True if it is passed over from now on, and a probe should be planned."""
        self.failures += 1
        self.reason = reason
        if self.failures < FAILURES_IN_A_ROW or not self.is_up:
            return False
        self.is_up = False
        self.put_off()
        return True

    def put_off(self) -> None:
        """A probe failed: the next one in a while."""
        self._down_until = clock.monotonic() + PASSED_OVER_S

    def try_again(self) -> None:
        """There is no probe: it is asked again, and one more failure passes it over."""
        self.failures, self.is_up = FAILURES_IN_A_ROW - 1, True

    def wait_s(self) -> float:
        """Seconds until the next probe."""
        return max(0.0, self._down_until - clock.monotonic())
