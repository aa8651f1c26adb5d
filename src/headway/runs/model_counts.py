"""Adding up exchanges with models: what they used and cost, and of how many that is unknown."""

from __future__ import annotations

import msgspec

from ..events import ModelAnswered
from .median import median

SPARED = ("hit", "joined", "stale")


class ModelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges with models: calls == ran + hit + joined + stale + other.

    A sum is over what is known, and None if nothing of it is; tokens are of calls that ran.
    """

    calls: int
    ran: int
    hit: int
    joined: int
    stale: int
    other: int
    """Answered in a way that this version does not know."""
    failed: int
    """Ran, and ended in an error or before the answer was complete."""
    tokens_in: int | None
    """All input, what the provider had cached included."""
    tokens_cached: int | None
    """Of these, read from the provider's cache."""
    tokens_cache_written: int | None
    """Of these, written to the provider's cache."""
    tokens_out: int | None
    tokens_reasoning: int | None
    """Of the output, spent on reasoning."""
    usage_unknown: int
    """Calls that ran of which it is not known how many tokens they used."""
    cached_unknown: int
    """Calls that ran of which it is not known how much of the input was cached."""
    tokens_in_saved: int | None
    """Input of the answers that were spared."""
    tokens_out_saved: int | None
    spent_usd: float | None
    spent_unknown: int
    """Calls that ran and are not in ``spent_usd``, for their price or usage is unknown; others."""
    saved_usd: float | None
    saved_unknown: int
    """Answers that were spared and are not in ``saved_usd``."""
    ttft_p50_s: float | None
    """Time to first token of the streams that ran: the median."""
    ttft_max_s: float | None


class _Sum:
    """Adds up what is known, and counts what is not."""

    __slots__ = ("known", "total", "unknown")

    def __init__(self) -> None:
        self.total: float = 0
        self.known = self.unknown = 0

    def add(self, value: float | None) -> None:
        if value is None:
            self.unknown += 1
        else:
            self.total += value
            self.known += 1

    @property
    def value(self) -> float | None:
        return None if self.unknown and not self.known else self.total

    @property
    def whole(self) -> int | None:
        value = self.value
        return None if value is None else int(value)


_USED = ("tokens_in", "tokens_cached", "tokens_cache_written", "tokens_out", "tokens_reasoning")


class Account:
    """The exchanges of one line, added up."""

    def __init__(self) -> None:
        self.calls = self.failed = 0
        self.sources = dict.fromkeys(("ran", *SPARED, "other"), 0)
        self.used = {name: _Sum() for name in _USED}
        self.spared = {name: _Sum() for name in ("tokens_in", "tokens_out")}
        self.spent, self.saved = _Sum(), _Sum()
        self.firsts_s: list[float] = []

    def add(self, answer: ModelAnswered, cost_usd: float | None, first_s: float | None) -> None:
        self.calls += 1
        self.sources[answer.source if answer.source in self.sources else "other"] += 1
        if answer.source in SPARED:
            self.saved.add(cost_usd)
            self._count_tokens(self.spared, answer)
        elif answer.source == "ran":
            self.failed += not answer.complete or (answer.status or 0) >= 400
            self.spent.add(cost_usd)
            self._count_tokens(self.used, answer)
        else:
            self.spent.add(None)
        if first_s is not None:
            self.firsts_s.append(first_s)

    def _count_tokens(self, sums: dict[str, _Sum], answer: ModelAnswered) -> None:
        for name, figure in sums.items():
            figure.add(getattr(answer, name))

    def counts(self) -> ModelCounts:
        """What was added so far."""
        used, spared = self.used, self.spared
        return ModelCounts(
            calls=self.calls,
            ran=self.sources["ran"],
            hit=self.sources["hit"],
            joined=self.sources["joined"],
            stale=self.sources["stale"],
            other=self.sources["other"],
            failed=self.failed,
            tokens_in=used["tokens_in"].whole,
            tokens_cached=used["tokens_cached"].whole,
            tokens_cache_written=used["tokens_cache_written"].whole,
            tokens_out=used["tokens_out"].whole,
            tokens_reasoning=used["tokens_reasoning"].whole,
            usage_unknown=used["tokens_in"].unknown,
            cached_unknown=used["tokens_cached"].unknown,
            tokens_in_saved=spared["tokens_in"].whole,
            tokens_out_saved=spared["tokens_out"].whole,
            spent_usd=self.spent.value,
            spent_unknown=self.spent.unknown,
            saved_usd=self.saved.value,
            saved_unknown=self.saved.unknown,
            ttft_p50_s=median(self.firsts_s),
            ttft_max_s=max(self.firsts_s, default=None),
        )
