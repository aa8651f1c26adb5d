"""The tools that a model may ask: what it is told of them, and how its calls are answered.

Every call gets an answer: a wrong name, malformed arguments or an unknown company are told to the
model, which may then ask better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..data_tools import DataTools
from ..lookup import UnknownMetric, UnknownTicker, normal_symbol
from .client import clean
from .named_data import (
    NamedData,
    of_comparison,
    of_filings,
    of_financials,
    of_profile,
    of_view,
    prefix_of,
)
from .talk import ToolCall, ToolSpec

Symbol = Annotated[str, Meta(description="A ticker, such as NVDA.", max_length=40)]


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of a tool."""


class _ProfileAsked(_Asked, frozen=True):
    symbol: Symbol


class _FinancialsAsked(_Asked, frozen=True):
    symbol: Symbol
    period: Literal["annual", "quarterly"] = "annual"
    last: Annotated[int, Meta(description="How many, newest first.", ge=1, le=8)] = 3


class _FilingsAsked(_Asked, frozen=True):
    symbol: Symbol
    form: Annotated[str, Meta(description="Only this form, such as 8-K.", max_length=20)] = ""
    last: Annotated[int, Meta(description="How many, newest first.", ge=1, le=20)] = 10


class _CompareAsked(_Asked, frozen=True):
    symbols: Annotated[tuple[Symbol, ...], Meta(min_length=1, max_length=6)]
    metrics: Annotated[
        tuple[str, ...],
        Meta(description="Names of figures, such as revenue_growth; none for the usual ones."),
    ] = ()


class _ModelViewAsked(_Asked, frozen=True):
    symbol: Symbol


class _PricePathAsked(_Asked, frozen=True):
    symbol: Symbol
    days: Annotated[int, Meta(ge=2, le=2520)] = 252


class Found(msgspec.Struct, frozen=True):
    """What a tool answers with: words about it, and named data."""

    words: Mapping[str, object]
    data: NamedData


class Toolbox:
    """The tools for one analyst; ``data`` grows by what they have answered."""

    def __init__(self, tools: DataTools, about: str) -> None:
        self._tools, self._about = tools, about
        self.data = NamedData()

    async def answer(self, calls: tuple[ToolCall, ...], most: int) -> tuple[str, ...]:
        """The results in the order asked; the calls run side by side, those beyond *most* do not.

        A result is one JSON object, with `error` if there is nothing else to tell.
        """
        answers = [
            self._one(call) if place < most else _refused(f"only {most} more calls are allowed")
            for place, call in enumerate(calls)
        ]
        found = await asyncio.gather(*answers)
        for each in found:
            if isinstance(each, Found):
                self.data = self.data.with_more(each.data)
        return tuple(written(each) for each in found)

    async def _one(self, call: ToolCall) -> Found | str:
        tool = _TOOLS.get(call.name)
        if tool is None:
            return f"no tool {clean(call.name, 40)!r}; there are {', '.join(_TOOLS)}"
        try:
            asked = msgspec.json.decode(call.arguments.encode() or b"{}", type=tool.asked)
            return await tool.run(self, asked)
        except msgspec.ValidationError as wrong:
            return f"wrong arguments for {call.name}: {wrong}"
        except (msgspec.DecodeError, UnicodeError) as wrong:
            return f"the arguments for {call.name} are no JSON object: {wrong}"
        except (UnknownTicker, UnknownMetric, ValueError) as wrong:
            return str(wrong)

    async def _profile(self, asked: _ProfileAsked) -> Found:
        symbol = normal_symbol(asked.symbol)
        profile = await self._tools.profile(symbol)
        words = {
            "name": profile.name,
            "industry": profile.industry,
            "headquarters": profile.headquarters,
            "auditor": profile.auditor,
        }
        return Found(words, of_profile(profile, prefix_of(symbol, self._about)))

    async def _financials(self, asked: _FinancialsAsked) -> Found:
        symbol = normal_symbol(asked.symbol)
        financials = await self._tools.financials(symbol, asked.period)
        words: dict[str, object] = {"company": financials.short_name, "period": asked.period}
        if not financials.periods:
            words["note"] = "no quarters of this company are in the data"
        prefix = prefix_of(symbol, self._about)
        return Found(words, of_financials(financials, asked.last, prefix))

    async def _filings(self, asked: _FilingsAsked) -> Found:
        symbol = normal_symbol(asked.symbol)
        filings = await self._tools.filings(symbol)
        form = asked.form.strip().upper() or None
        words = {"company": filings.short_name, "coverage": filings.coverage}
        data = of_filings(filings, asked.last, form, prefix_of(symbol, self._about))
        return Found(words, data)

    async def _compare(self, asked: _CompareAsked) -> Found:
        symbols = tuple(dict.fromkeys(normal_symbol(symbol) for symbol in asked.symbols))
        comparison = await self._tools.compare(symbols, asked.metrics or None)
        words = {company.symbol: company.short_name for company in comparison.companies}
        return Found({"companies": words}, of_comparison(comparison, self._about))

    async def _model_view(self, asked: _ModelViewAsked) -> Found:
        symbol = normal_symbol(asked.symbol)
        view = await self._tools.model_view(symbol)
        met = {criterion.words: criterion.passed for criterion in view.criteria}
        words = {"view": view.view, "met": met, "rule": view.rule, "note": view.note}
        return Found(words, of_view(view, prefix_of(symbol, self._about)))

    async def _price_path(self, asked: _PricePathAsked) -> Found:
        symbol = normal_symbol(asked.symbol)
        path = await self._tools.price_path(symbol, asked.days)
        volatility = path.volatility()
        name = f"{prefix_of(symbol, self._about)}{volatility.name}"
        return Found({"synthetic": True, "note": path.note}, NamedData({name: volatility}))


class _Tool(msgspec.Struct, frozen=True):
    about: str
    asked: type[_Asked]
    run: Callable[[Toolbox, Any], Awaitable[Found]]


_TOOLS = {
    "profile": _Tool(
        "Who a company is: industry, staff, shares, and what its revenue comes from.",
        _ProfileAsked,
        Toolbox._profile,
    ),
    "financials": _Tool(
        "Figures and ratios of a company's last years or quarters.",
        _FinancialsAsked,
        Toolbox._financials,
    ),
    "filings": _Tool(
        "What a company filed with the SEC, newest first, and what each filing is about.",
        _FilingsAsked,
        Toolbox._filings,
    ),
    "compare": _Tool(
        "The latest years of up to six companies side by side.", _CompareAsked, Toolbox._compare
    ),
    "model_view": _Tool(
        "What a fixed rule on growth, margins and leverage says of the latest year; not a rating.",
        _ModelViewAsked,
        Toolbox._model_view,
    ),
    "price_path": _Tool(
        "The volatility of a made-up price path. Synthetic: it says nothing of the company.",
        _PricePathAsked,
        Toolbox._price_path,
    ),
}


def _schema(asked: type[_Asked]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments, in the flat form that every endpoint takes."""
    _, parts = msgspec.json.schema_components([asked])
    flat: dict[str, Any] = parts[asked.__name__]
    return {
        "type": "object",
        "properties": flat["properties"],
        "required": flat["required"],
        "additionalProperties": False,
    }


SPECS = tuple(ToolSpec(name, tool.about, _schema(tool.asked)) for name, tool in _TOOLS.items())
"""The tools as a model is told of them; the same in every call."""


async def _refused(because: str) -> Found | str:
    return because


def written(found: Found | str) -> str:
    """A result as compact JSON; equal results give equal text."""
    if isinstance(found, str):
        return msgspec.json.encode({"error": clean(found, 600)}).decode()
    data = found.data
    result: dict[str, object] = {**found.words, "figures": data.shown()}
    if data.filings:
        result["filings"] = {
            name: (filing.form, filing.filed, filing.about, filing.accession)
            for name, filing in data.filings.items()
        }
    result["sources"] = {name: source.describe() for name, source in data.sources().items()}
    return msgspec.json.encode(result).decode()
