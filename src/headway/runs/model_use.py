"""What a run's models were asked, what they used, and what that cost: by agent and in all.

An answer that the model gave spends; one that was spared (hit, joined, stale) saves what the same
usage would have cost once. Both at the price of its day. What is unknown is counted beside the sum
that it is missing from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ..events import CallEnded, ModelAnswered
from .model_counts import Account, ModelCounts
from .money import Prices
from .tally import Tally
from .time_use import MODEL


class ModelLine(ModelCounts, frozen=True, kw_only=True):
    """An agent's use of a model."""

    agent: str | None
    provider: str | None
    """None for an operation of kind model that did not say what it used."""
    model: str | None


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run asked of models."""

    total: ModelCounts
    lines: tuple[ModelLine, ...]
    """By agent, those that used most first."""
    retried: int
    """Attempts that failed and were made again: what they used is unknown, and in no sum."""
    refreshed: int
    """Runs in the background that renewed a stale answer: the same."""
    prices: dict[str, str]
    """By ``provider/model``: the day of the price; empty if it comes without one."""
    unpriced: tuple[str, ...]
    """``provider/model`` of answers for which no price is known."""


def model_use(tally: Tally, prices: Prices) -> ModelUse | None:
    """What *tally* has counted, at *prices*; None if no model was asked."""
    answers = [*tally.answers, *_that_said_nothing(tally)]
    if not answers:
        return None
    firsts_s = _first_chunks_s(tally.calls)
    total, accounts = Account(), dict[_Key, Account]()
    for answer in answers:
        cost_usd, first_s = prices.cost_of(answer), None
        if answer.source == "ran" and answer.call is not None:
            first_s = firsts_s.pop(answer.call, None)
        key = (answer.agent, answer.provider or None, answer.model or None)
        if key not in accounts:
            accounts[key] = Account()
        for account in (total, accounts[key]):
            account.add(answer, cost_usd, first_s)
    asked = {(answer.agent, answer.operation) for answer in answers}
    counts = [count for which, count in tally.lines.items() if which in asked]
    priced = {_name(answer): prices.price_of(answer) for answer in answers if answer.model}
    return ModelUse(
        total=total.counts(),
        lines=_lines(accounts),
        retried=sum(count.retried for count in counts),
        refreshed=sum(count.refreshed for count in counts),
        prices={name: price.as_of for name, price in priced.items() if price is not None},
        unpriced=tuple(name for name, price in priced.items() if price is None),
    )


def _name(answer: ModelAnswered) -> str:
    return f"{answer.provider}/{answer.model}"


_Key = tuple[str | None, str | None, str | None]


def _lines(accounts: Mapping[_Key, Account]) -> tuple[ModelLine, ...]:
    lines = [
        ModelLine(
            agent=agent,
            provider=provider,
            model=model,
            **msgspec.structs.asdict(account.counts()),
        )
        for (agent, provider, model), account in accounts.items()
    ]
    return tuple(sorted(lines, key=_reading_order))


def _reading_order(line: ModelLine) -> tuple[bool, str, float, int, str]:
    used = (line.tokens_in or 0) + (line.tokens_out or 0)
    return (line.agent is None, line.agent or "", -(line.spent_usd or 0.0), -used, line.model or "")


def _that_said_nothing(tally: Tally) -> Iterator[ModelAnswered]:
    """Calls of kind model with no word about tokens, neither from them nor from a call inside."""
    answered = {answer.call for answer in tally.answers}
    parents = {call.call: call.parent for call in tally.calls}
    covered: set[str] = set()
    for call in tally.calls:
        if call.kind == MODEL or call.call in answered:
            around = call.parent
            while around is not None and around not in covered:
                covered.add(around)
                around = parents.get(around)
    for call in tally.calls:
        if call.kind == MODEL and call.call not in answered and call.call not in covered:
            yield ModelAnswered(
                at=call.at,
                run=call.run,
                call=call.call,
                operation=call.operation,
                provider="",
                model="",
                source=call.source,
                agent=call.agent,
                complete=call.error is None,
            )


def _first_chunks_s(calls: Iterable[CallEnded]) -> dict[str, float]:
    return {
        call.call: call.first_chunk_s
        for call in calls
        if call.first_chunk_s is not None and call.source == "ran"
    }
