"""Whose answers: no tenant is never all tenants, and nobody's work is done in another's name."""

import asyncio
from typing import Any

import pytest

from headway import BadSetup, Cache, HeadwayError, batched, operation, scope
from headway.scope import current


@pytest.mark.parametrize("value", [None, ""])
async def test_a_scope_function_that_names_nobody_is_an_error(value: str | None) -> None:
    @operation(Cache("1h", scope=lambda: value))
    async def ask(question: str) -> str:
        return question

    with pytest.raises(HeadwayError, match="whose answers"):
        await ask("q")


async def test_scope_values_are_told_apart_by_type_and_may_be_lists() -> None:
    whose: list[Any] = [1]

    @operation(Cache("1h", scope=lambda: whose[0]))
    async def ask(question: str) -> Any:
        return whose[0]

    answers = []
    for whose[0] in (1, True, [1], "1"):
        answers.append(await ask("q"))
    assert [type(answer) for answer in answers] == [int, bool, list, str]


@pytest.mark.parametrize("tenant", ["", 5])
def test_an_empty_tenant_is_refused(tenant: object) -> None:
    with pytest.raises(BadSetup, match=r"scope\(tenant="), scope(tenant=tenant):  # type: ignore[arg-type]
        pass


async def test_a_batch_holds_the_questions_of_one_tenant() -> None:
    @batched(max_items=10, max_wait="1ms")
    async def ask(items: list[str]) -> list[str]:
        return [f"{item}@{current.get().tenant}" for item in items]

    async def as_tenant(tenant: str, item: str) -> str:
        with scope(tenant=tenant):
            return await ask(item)

    asked = [as_tenant("A", "x"), as_tenant("B", "y"), as_tenant("A", "z")]
    assert await asyncio.gather(*asked) == ["x@A", "y@B", "z@A"]


async def test_answer_and_invalidate_of_a_method_ask_for_the_object() -> None:
    class Shop:
        @operation(Cache("1h"))
        async def price(self, item: str = "tea") -> str:
            return item

    shop = Shop()
    with pytest.raises(BadSetup, match=r"write Shop\.price\.answer\(the_object"):
        await shop.price.answer("tea")  # type: ignore[attr-defined]
    with pytest.raises(BadSetup, match="need the object"):
        await shop.price.invalidate("tea")  # type: ignore[attr-defined]
    assert (await Shop.price.answer(shop, "tea")).source == "ran"
    await Shop.price.invalidate(shop, "tea")


async def test_keeps_that_fails_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fails(answer: object) -> bool:
        raise KeyError("no such member")

    @operation(Cache("1h"), keeps=fails)
    async def ask() -> str:
        return "here"

    assert await ask() == "here"
    assert (await ask.answer()).source == "ran"
    assert "not kept" in caplog.text
