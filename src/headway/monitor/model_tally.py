"""What answers of models used and cost, added up while they are heard."""

from __future__ import annotations

from datetime import UTC, datetime

from ..events import ModelAnswered
from ..prices import PER, Price, Table, cost_usd, price_of
from .counters import Labels

_DAY_S = 86_400
_NEVER = -1.0
_ALWAYS = float("inf")


class TokenTally:
    """Tokens and dollars of some answers; what an answer did not say is counted beside the sums."""

    __slots__ = (
        *("answers", "cached_unknown", "tokens_cache_written", "tokens_cached", "tokens_in"),
        *("tokens_out", "tokens_reasoning", "usage_unknown", "usd", "usd_unknown"),
    )

    def __init__(self, _labels: Labels = ()) -> None:
        self.answers = self.usage_unknown = self.cached_unknown = self.usd_unknown = 0
        self.tokens_in = self.tokens_cached = self.tokens_cache_written = 0
        self.tokens_out = self.tokens_reasoning = 0
        self.usd = 0.0

    def add(self, answer: ModelAnswered, usd: float | None) -> None:
        """Count *answer*, whose usage has cost (or saved) *usd*."""
        self.answers += 1
        if (tokens := answer.tokens_in) is None:
            self.usage_unknown += 1
        else:
            self.tokens_in += tokens
        if tokens := answer.tokens_cached:
            self.tokens_cached += tokens
        elif tokens is None:
            self.cached_unknown += 1
        if tokens := answer.tokens_cache_written:
            self.tokens_cache_written += tokens
        if tokens := answer.tokens_out:
            self.tokens_out += tokens
        if tokens := answer.tokens_reasoning:
            self.tokens_reasoning += tokens
        if usd is None:
            self.usd_unknown += 1
        else:
            self.usd += usd


class ModelTally(TokenTally):
    """The answers of one model, at its price of their day."""

    __slots__ = ("cache_hits", "incomplete", "tariff")

    def __init__(self, tariff: Tariff) -> None:
        super().__init__()
        self.incomplete = self.cache_hits = 0
        self.tariff = tariff

    def hear(self, answer: ModelAnswered) -> float | None:
        """Count *answer*; gives what it has cost, or would have, in US dollars, if known."""
        if not answer.complete:
            self.incomplete += 1
        if answer.tokens_cached:
            self.cache_hits += 1
        usd = self.tariff.usd(answer)
        self.add(answer, usd)
        return usd


class Tariff:
    """The price of one model, made ready for a day: ``cost_usd`` at a fifth of its time."""

    __slots__ = (
        *("_by_input", "_by_output", "_by_read", "_by_write", "_day_from", "_day_until"),
        *("_if_read_unsaid", "_if_write_unsaid", "_most_in", "_most_read", "_most_written"),
        *("_name", "_price", "_table"),
    )

    def __init__(self, provider: str, model: str, table: Table | None) -> None:
        self._name, self._table = (provider, model), table
        self._day_from = self._day_until = 0.0
        self._price: Price | None = None

    def usd(self, answer: ModelAnswered) -> float | None:
        """US dollars for *answer*; None if its price or its usage is unknown."""
        if not self._day_from <= answer.at < self._day_until:
            self._look_up(answer.at)
        sent, made = answer.tokens_in, answer.tokens_out
        if (read := answer.tokens_cached) is None:
            read = self._if_read_unsaid
        if (written := answer.tokens_cache_written) is None:
            written = self._if_write_unsaid
        if (
            sent is None
            or made is None
            or read is None
            or written is None
            or sent > self._most_in
            or read > self._most_read
            or written > self._most_written
        ):
            return self._unusual_usd(answer)
        if (beside := sent - read - written) < 0:
            return None
        return (
            beside * self._by_input
            + read * self._by_read
            + written * self._by_write
            + made * self._by_output
        ) / PER

    def _unusual_usd(self, answer: ModelAnswered) -> float | None:
        return cost_usd(
            self._price,
            answer.tokens_in,
            answer.tokens_cached,
            answer.tokens_cache_written,
            answer.tokens_out,
        )

    def _look_up(self, at: float) -> None:
        """The price of the day, and up to which counts it is a plain product."""
        day = at // _DAY_S
        self._day_from, self._day_until = day * _DAY_S, (day + 1) * _DAY_S
        date = datetime.fromtimestamp(self._day_from, UTC).date()
        price = self._price = price_of(*self._name, self._table, on=date)
        self._most_in = _NEVER
        self._by_input = self._by_output = 0.0
        if price is not None and price.input is not None and price.output is not None:
            self._by_input, self._by_output = price.input, price.output
            self._most_in = _ALWAYS if price.long_above is None else price.long_above
        usual = None if price is None else price.input
        read, written = (None, None) if price is None else (price.cache_read, price.cache_write)
        self._by_read, self._most_read, self._if_read_unsaid = _part(read, usual)
        self._by_write, self._most_written, self._if_write_unsaid = _part(written, usual)


def _part(price: float | None, usual: float | None) -> tuple[float, float, int | None]:
    """Dollars for a part of the input, of up to how many tokens, and the count if none is said."""
    if price is None:
        return 0.0, 0.0, 0
    return price, _ALWAYS, 0 if price == usual else None
