"""What a research has spent on its model so far, and the caps that stop it from asking more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from headway import Event, ModelAnswered, clock

_REFUSED = 400

Cost = Callable[[ModelAnswered], float | None]
"""US dollars of one answer; None if its price or what it used is not known."""


class CapReached(Exception):
    """A cap on money, tokens or time is reached; the message names it."""


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one research; None is no limit.

    They are looked at before each call of the model, so calls that are under way when a cap is
    reached come to their end and may go beyond it.
    """

    cost_usd: float | None = None
    tokens: int | None = None
    time_s: float | None = None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a research has used of its model; answers from a cache have used nothing."""

    calls: int = 0
    """Answers of the model, those from a cache included."""
    from_cache: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    """Of the tokens in, those that the provider had kept."""
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    """None as soon as one answer's cost is not known."""
    unknown: int = 0
    """Answers of which the endpoint did not say what they used."""

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out

    def told(self) -> str:
        """In words, for one line."""
        parts = [f"{self.calls} model call{'' if self.calls == 1 else 's'}"]
        if self.from_cache:
            parts.append(f"{self.from_cache} from cache")
        parts.append(f"{self.tokens:,} tokens")
        parts.append("cost unknown" if self.cost_usd is None else dollars(self.cost_usd))
        return ", ".join(parts)


class Spending:
    """Counts what the answers of one run used; give it to ``headway.listen``."""

    def __init__(self, caps: Caps, cost: Cost, run: str | None) -> None:
        self._caps, self._cost, self._run = caps, cost, run
        self._began = clock.monotonic()
        self._counting = threading.Lock()
        self.spent = Spent()
        self.reached: str | None = None
        """The cap that has stopped a call, in words."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, ModelAnswered) and event.run == self._run:
            cost_usd = self._cost(event)
            with self._counting:
                self.spent = after(self.spent, event, cost_usd)

    def told(self) -> str:
        """What is spent so far, in words."""
        return self.spent.told()

    def time_left_s(self) -> float | None:
        """How long the run may still ask; None without a cap on time."""
        if self._caps.time_s is None:
            return None
        return max(0.0, self._began + self._caps.time_s - clock.monotonic())

    def refuse_if_reached(self) -> None:
        """Return if another call may be made. Raises CapReached."""
        reached = reached_cap(self._caps, self.spent, clock.monotonic() - self._began)
        if reached is not None:
            self.reached = self.reached or reached
            raise CapReached(reached)


def after(spent: Spent, event: ModelAnswered, cost_usd: float | None) -> Spent:
    """What is spent once this answer is counted."""
    if event.source != "ran":
        return msgspec.structs.replace(
            spent, calls=spent.calls + 1, from_cache=spent.from_cache + 1
        )
    if event.status is not None and event.status >= _REFUSED and event.tokens_in is None:
        return msgspec.structs.replace(spent, calls=spent.calls + 1)  # nobody charges for a refusal
    is_unknown = event.tokens_in is None or event.tokens_out is None
    total = None if spent.cost_usd is None or cost_usd is None else spent.cost_usd + cost_usd
    return Spent(
        calls=spent.calls + 1,
        from_cache=spent.from_cache,
        tokens_in=spent.tokens_in + (event.tokens_in or 0),
        tokens_cached=spent.tokens_cached + (event.tokens_cached or 0),
        tokens_out=spent.tokens_out + (event.tokens_out or 0),
        cost_usd=total,
        unknown=spent.unknown + is_unknown,
    )


def reached_cap(caps: Caps, spent: Spent, elapsed_s: float) -> str | None:
    """The cap that forbids another call, in words; None if none does."""
    if caps.time_s is not None and elapsed_s >= caps.time_s:
        return f"the cap of {caps.time_s:g} s is reached"
    if caps.tokens is not None:
        if spent.unknown:
            return f"the cap of {caps.tokens:,} tokens cannot be kept: not all tokens are reported"
        if spent.tokens >= caps.tokens:
            return f"the cap of {caps.tokens:,} tokens is reached"
    if caps.cost_usd is not None:
        if spent.cost_usd is None:
            return f"the cap of {dollars(caps.cost_usd)} cannot be kept: not all costs are known"
        if spent.cost_usd >= caps.cost_usd:
            return f"the cap of {dollars(caps.cost_usd)} is reached"
    return None


def dollars(amount: float) -> str:
    """An amount with the digits that matter: `$12.30`, `$0.05`, `$0.0042`."""
    if amount and abs(amount) < 0.0995:
        return f"${amount:.2g}" if amount >= 0.0001 else "$0.0001 or less"
    return f"${amount:,.2f}"
