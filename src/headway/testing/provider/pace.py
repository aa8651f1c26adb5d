"""How fast the stand-in model speaks."""

from __future__ import annotations

import msgspec

from ... import clock
from .reply import Piece


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to the first token, tokens per second behind it; all times are multiplied by *scale*.

    A plain answer takes *latency_s*, or, when that is left out, as long as the same stream would.
    Without figures everything comes at once. Time is ``headway.clock``'s: a provider in the
    event loop of the test runs on a ``FakeClock``, one on a thread of its own needs real time.
    """

    ttft_s: float = 0.0
    tokens_per_s: float | None = None
    latency_s: float | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if min(self.ttft_s, self.latency_s or 0.0, self.scale) < 0.0:
            raise ValueError(f"{self}: times and scale are zero or more")
        if self.tokens_per_s is not None and self.tokens_per_s <= 0.0:
            raise ValueError(f"{self}: tokens_per_s is above zero, or None for all at once")

    def after(self, tokens: int) -> float:
        """Seconds from the request until a stream has brought *tokens* and brings the next."""
        speaking = tokens / self.tokens_per_s if self.tokens_per_s is not None else 0.0
        return self.scale * (self.ttft_s + speaking)

    def plain(self, tokens: int) -> float:
        """Seconds until a plain answer of *tokens* is there."""
        if self.latency_s is not None:
            return self.scale * self.latency_s
        return self.after(tokens)


class Metronome:
    """Waits until each piece of one stream is due, counted from the beginning, without drift."""

    def __init__(self, pace: Pace) -> None:
        self._pace, self._begun, self._made = pace, clock.monotonic(), 0

    @property
    def made(self) -> int:
        """Tokens of the pieces that were due so far."""
        return self._made

    async def wait_for(self, piece: Piece) -> None:
        """Return when *piece* is due; what holds no token is due at once."""
        if piece.tokens:
            await self.wait_until(self._pace.after(self._made))
            self._made += piece.tokens
        else:
            await clock.sleep(0)  # others speak too

    async def wait_until(self, due_s: float) -> None:
        """Return *due_s* seconds after the beginning."""
        await clock.sleep(max(0.0, self._begun + due_s - clock.monotonic()))
