"""Whether a store that may fail is asked at all."""

from __future__ import annotations

import threading
from typing import Literal

from ... import clock


class Breaker:
    """Up until an attempt fails; then down until a probe is answered.

    While it is down nobody but a probe should ask, and that at most once in *probe_every_s*. Every
    attempt notes ``turn`` when it begins and gives it to ``failed``: what began before the store
    last came back says nothing about it now. Any thread may call.
    """

    def __init__(self, probe_every_s: float) -> None:
        self.probe_every_s = probe_every_s
        self.is_up = True
        self.turn = 0
        self.reason = ""
        self._next_probe = 0.0
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: nobody else holds the lock."""
        self._lock = threading.Lock()

    @property
    def state(self) -> Literal["up", "down"]:
        """In one word."""
        return "up" if self.is_up else "down"

    def failed(self, turn: int, reason: str) -> bool:
        """An attempt of *turn* failed; True if that took the store down."""
        with self._lock:
            if turn != self.turn or not self.is_up:
                return False
            self.is_up, self.reason = False, reason
            self._next_probe = clock.monotonic() + self.probe_every_s
            return True

    def wait_s(self) -> float:
        """Seconds until the next probe may be made."""
        return max(0.0, self._next_probe - clock.monotonic())

    def begin_probe(self) -> bool:
        """True, at most once per interval, for whoever is to make the probe."""
        with self._lock:
            if self.is_up or clock.monotonic() < self._next_probe:
                return False
            self._next_probe = clock.monotonic() + self.probe_every_s
            return True

    def answered(self) -> bool:
        """A probe was answered in time; True if that brought the store back."""
        with self._lock:
            if self.is_up:
                return False
            self.is_up, self.reason = True, ""
            self.turn += 1
            return True
