"""What the agents of these tests live in: companies with prices, and a model that does as told."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from headway.testing import Answer, Question, ToolUse
from headway.tools import Effects

Function = Callable[..., Coroutine[Any, Any, Any]]

EFFECTS = {
    "get_*": Effects(reads=("company:{symbol}",)),
    "set_price": Effects(writes=("company:{symbol}",)),
}
AGENTS = ("ask_researcher",)


class Companies:
    """Prices by symbol, the tools that read and write them, and what of these has run."""

    def __init__(self) -> None:
        self.prices = {"NVDA": 100, "AMD": 50}
        self.runs: list[str] = []
        self.cancelled: list[str] = []
        self.gate: asyncio.Event | None = None
        self.started = asyncio.Event()

    @property
    def functions(self) -> list[Function]:
        """The tools, as functions that no name leads to: only the same object is the same tool."""

        async def get_price(symbol: str, currency: str = "USD") -> dict[str, Any]:
            """The price of a company's share."""
            await self._ran(f"get_price {symbol}")
            return {"symbol": symbol, "price": self.prices[symbol]}

        async def get_news(symbol: str) -> str:
            """What is told of a company; there is none."""
            await self._ran(f"get_news {symbol}")
            raise ValueError(f"no news of {symbol}")

        async def set_price(symbol: str, price: int) -> str:
            """Give a company's share another price."""
            await self._ran(f"set_price {symbol}")
            self.prices[symbol] = price
            return "done"

        async def undeclared(symbol: str) -> str:
            """Nobody knows what it does."""
            await self._ran(f"undeclared {symbol}")
            return "done"

        return [get_price, get_news, set_price, undeclared]

    async def _ran(self, what: str) -> None:
        self.runs.append(what)
        self.started.set()
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled.append(what)
                raise


def told(*turns: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """What to say to a model that does as told: which tools to call in each of its turns."""
    return json.dumps(turns)


class Obedient:
    """A model that calls the tools it is told to, and then says what the last ones gave."""

    def __init__(self) -> None:
        self.results: list[list[tuple[str, str]]] = []
        """What came back from each turn's calls: id and text, in order."""

    def __call__(self, question: Question) -> Answer:
        turns = json.loads(question.last_user)
        if question.tool_results:
            self.results.append([(one.call_id, one.text) for one in question.tool_results])
        if question.turn >= len(turns):
            return Answer(text=" | ".join(result.text for result in question.tool_results))
        calls = turns[question.turn]
        return Answer(
            tool_calls=[
                ToolUse(name, arguments, id=f"call_{question.turn}_{number}")
                for number, (name, arguments) in enumerate(calls)
            ]
        )
