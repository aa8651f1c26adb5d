import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import Cache, operation
from headway.policies.tags import MOST_PREFIXES, with_prefixes
from headway.testing.clock import settle
from tests.policies.work import Work


@pytest.mark.parametrize(
    ("tags", "borne"),
    [
        ([], ()),
        (["all"], ("all",)),
        (["company:NVDA"], ("company:NVDA", "company:*")),
        (["a:b:c"], ("a:b:c", "a:*", "a:b:*")),
        (["a/b:c"], ("a/b:c", "a/*", "a/b:*")),
        (["a:"], ("a:", "a:*")),
        ([":a"], (":a", ":*")),
        (["a:1", "a:2"], ("a:1", "a:2", "a:*")),
        (["a:*"], ("a:*",)),
    ],
)
def test_a_tag_bears_its_prefixes(tags: list[str], borne: tuple[str, ...]) -> None:
    assert with_prefixes(tags) == borne


@given(st.lists(st.text("ab:/", max_size=8), max_size=4))
def test_every_prefix_up_to_a_separator_is_borne(tags: list[str]) -> None:
    borne = with_prefixes(tags)
    assert len(set(borne)) == len(borne)
    for tag in tags:
        assert tag in borne
        for end in range(1, len(tag) + 1):
            if tag[end - 1] in ":/":
                assert f"{tag[:end]}*" in borne


def test_a_tag_of_many_parts_stays_small() -> None:
    assert len(with_prefixes(["a/" * 5000])) == MOST_PREFIXES + 1


async def test_a_prefix_drops_all_under_it_and_nothing_else(time: object) -> None:
    cache = Cache("15m", tags=("company:{symbol}:{year}",))
    work = Work()

    @operation(cache)
    async def find(symbol: str, year: int) -> int:
        return await work.run()

    async def ask() -> list[int]:
        return [await find("A", 1), await find("A", 2), await find("B", 1)]

    assert await ask() == [1, 2, 3]
    await cache.invalidate("company:A:*")
    assert await ask() == [4, 5, 3]
    await cache.invalidate("company:A")  # no tag of any: it is not a prefix without its star
    assert await ask() == [4, 5, 3]
    await cache.invalidate("company:*")
    assert await ask() == [6, 7, 8]


async def test_a_prefix_drops_what_is_being_made(time: object) -> None:
    cache = Cache("15m", tags=("company:{symbol}",))
    work = Work()
    work.hold()

    @operation(cache)
    async def find(symbol: str) -> int:
        return await work.run()

    before = asyncio.create_task(find("A"))
    await settle()
    await cache.invalidate("company:*")
    work.let_go()
    assert [await before, await find("A")] == [1, 2]
