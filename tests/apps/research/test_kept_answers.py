"""What a data tool answers can be kept by a store that outlives the process, and is the same."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from headway import Entry, MemoryStore
from headway.apps.research import company_table, data_tools
from headway.apps.research.company_data import (
    company_filings,
    company_financials,
    company_profile,
    compare_companies,
)
from headway.apps.research.data_tools import DataTools
from headway.apps.research.model_view import model_view
from headway.apps.research.pace import Pace
from headway.apps.research.price_path import price_path
from headway.stores.codec import Codec

ASKED: dict[str, Callable[[str], object]] = {
    "profile": company_profile,
    "years": company_financials,
    "quarters": lambda symbol: company_financials(symbol, "quarterly"),
    "filings": company_filings,
    "compare": lambda symbol: compare_companies((symbol, "NVDA", "KO")),
    "model_view": model_view,
    "price_path": price_path,
}


def parts(value: object) -> object:
    """All that *value* is made of, each part with its exact type."""
    if isinstance(value, msgspec.Struct):
        return type(value), [parts(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, (tuple, list)):
        return type(value), [parts(each) for each in value]
    if isinstance(value, dict):
        return type(value), [(parts(key), parts(each)) for key, each in value.items()]
    return type(value), value


@pytest.mark.parametrize("tool", ASKED)
def test_an_answer_comes_back_type_for_type(tool: str, symbol: str) -> None:
    answer, codec = ASKED[tool](symbol), Codec()
    written = codec.encode("name", Entry(answer, made_at=time.time(), fresh_until=time.time() + 9))
    found = codec.decode("name", written)
    assert found is not None
    assert found.value is not answer
    assert found.value == answer
    assert parts(found.value) == parts(answer)


def test_the_tools_of_one_store_share_their_answers() -> None:
    store = MemoryStore()
    tools = [DataTools(Pace(), share_for="1h", store=store) for _ in range(2)]

    async def ask() -> None:
        for each in tools:
            await each.profile("NVDA")
            await each.compare(("NVDA", "KO"))

    asyncio.run(ask())
    assert [each.ran.total() for each in tools] == [2, 0]
    assert store.statistics().entries == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(data_tools, "ANSWERS", data_tools.ANSWERS + 1),
        lambda patch: patch.setattr(data_tools, "table_digest", lambda: "another"),
    ],
)
def test_other_data_or_other_tools_are_not_answered_for_by_old_entries(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    store = MemoryStore()

    async def runs() -> int:
        tools = DataTools(Pace(), share_for="1h", store=store)
        await tools.profile("NVDA")
        return tools.ran.total()

    assert [asyncio.run(runs()), asyncio.run(runs())] == [1, 0]
    change(monkeypatch)
    assert [asyncio.run(runs()), asyncio.run(runs())] == [1, 0]


def test_the_digest_is_that_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = company_table.table_digest()
    assert len(before) == 16
    company_table.table_digest.cache_clear()
    written = company_table._written()
    monkeypatch.setattr(company_table, "_written", lambda: written + b"\n")
    try:
        assert company_table.table_digest() != before
    finally:
        company_table.table_digest.cache_clear()


def test_answers_about_a_company_can_be_dropped() -> None:
    store = MemoryStore()
    tools = DataTools(Pace(), share_for="1h", store=store)

    async def ask() -> None:
        for symbol in ("NVDA", "KO"):
            await tools.profile(symbol)
        await tools.compare(("NVDA", "KO"))

    async def ask_again_without(tag: str) -> int:
        await store.invalidate([tag])
        before = tools.ran.total()
        await ask()
        return tools.ran.total() - before

    asyncio.run(ask())
    assert tools.ran.total() == 3
    assert asyncio.run(ask_again_without("company:NVDA")) == 2
    assert asyncio.run(ask_again_without("company:*")) == 3
    assert asyncio.run(ask_again_without("research")) == 3
