"""Estimates of what a value holds, and sizes as text."""

import asyncio
import dataclasses
import gc
import sys
from collections import deque
from collections.abc import Iterator
from enum import Enum

import msgspec
import pytest

from headway.errors import BadSetup
from headway.stores.size import MOST_VISITED, estimate_bytes, parse_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (1, 1),
        (64_000_000, 64_000_000),
        ("64MB", 64_000_000),
        ("64 MB", 64_000_000),
        ("1_000", 1_000),
        ("2gib", 2 * 2**30),
        ("1.5 KiB", 1_536),
        ("12b", 12),
    ],
)
def test_sizes_are_read_from_numbers_and_text(text: int | str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("wrong", [0, -1, "0MB", "", "MB", "64XB", "-3MB", "1e6", "0.5"])
def test_what_is_no_size_is_refused_by_name(wrong: int | str) -> None:
    with pytest.raises(BadSetup, match=f"max_bytes={wrong!r}"):
        parse_bytes(wrong)


class Record(msgspec.Struct, gc=False):
    text: str
    notes: list[str]


@dataclasses.dataclass(slots=True)
class Point:
    label: str
    more: object


class Node:
    def __init__(self, text: str) -> None:
        self.text = text
        self.again = self


class Buffer:
    """Holds its data where Python does not see it."""

    @property
    def nbytes(self) -> int:
        return 4_000_000


class Colour(Enum):
    RED = "red" * 10_000


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "value",
    [
        LONG,
        LONG.encode(),
        [LONG],
        (1, (LONG,)),
        {"key": LONG},
        {LONG: "value"},
        {LONG},
        deque([LONG]),
        Record(LONG, []),
        Record("", [LONG]),
        Point("", LONG),
        Node(LONG),
        [[[[[LONG]]]]],
        memoryview(LONG.encode()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_value_refers_to_is_counted_once(value: object) -> None:
    assert 10_000 <= estimate_bytes(value) < 12_000
    assert estimate_bytes(value, value) == estimate_bytes(value)
    assert estimate_bytes([value, value]) < 12_000


def test_memory_held_elsewhere_counts_if_the_object_says_so() -> None:
    assert estimate_bytes([Buffer()]) >= 4_000_000


def test_what_the_process_shares_weighs_nothing() -> None:
    assert estimate_bytes(None, True, Colour.RED, Node, len, sys, estimate_bytes) == 0


async def test_an_event_loop_weighs_nothing() -> None:
    node = Node(LONG)
    node.again = asyncio.get_running_loop()  # type: ignore[assignment]
    assert 10_000 <= estimate_bytes(node, asyncio.current_task()) < 12_000


def test_circles_end() -> None:
    one: list[object] = [LONG]
    two = {"one": one}
    one.append(two)
    assert 10_000 <= estimate_bytes(one) < 12_000


def _rows(number: int) -> list[dict[str, object]]:
    return [
        {
            "id": row + 10**6,
            "name": f"{row}" + "n" * (row % 50),
            "tags": [f"tag {row} {tag}" for tag in range(row % 7)],
            "inside": {"text": str(row + 10**6), "price": row * 1.5},
        }
        for row in range(number)
    ]


SHARED = "s" * 2_000
LARGE = {
    "alternating": [f"{n}" * 500 if n % 2 else n for n in range(20_000)],
    "one large first": [(f"{n}" * 1_000, *range(n, n + 59)) for n in range(5_000)],
    "one shared by all": [[SHARED, f"{n}"] for n in range(5_000)],
    "texts": [f"{n}" * 20 for n in range(30_000)],
    "set": {f"{n}" * 20 for n in range(30_000)},
    "dict": {f"key {n}": "v" * (n % 100) for n in range(30_000)},
    "rows": _rows(5_000),
    "points": [Point("x" * (n % 300), str(n)) for n in range(5_000)],
    "vectors": tuple([n + k / 7 for k in range(384)] for n in range(300)),
    "structs": deque(Record("x" * (n % 300), [str(n)]) for n in range(5_000)),
    "nested": {str(n): {str(k): [f"{n} {k}"] for k in range(60)} for n in range(200)},
}


@pytest.mark.parametrize("name", LARGE)
def test_large_values_are_judged_by_a_sample(name: str) -> None:
    value = LARGE[name]
    assert 0.7 < estimate_bytes(value) / _exact_bytes(value) < 1.4


def _exact_bytes(value: object) -> int:
    """Every object reachable from *value*, looked at one by one."""
    return sum(sys.getsizeof(part) for part in _reachable(value))


def _reachable(value: object) -> Iterator[object]:
    seen, waiting = set(), [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        yield one
        waiting += gc.get_referents(one)
        if isinstance(one, dict):
            waiting += one
        if isinstance(one, Record):
            waiting += [one.text, one.notes]


def test_the_work_is_bounded() -> None:
    looked_at = 0

    class Counted:
        def __sizeof__(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return 100

    one_level = [Counted() for _ in range(20_000)]
    three_levels = [[[Counted() for _ in range(20)] for _ in range(20)] for _ in range(100)]
    for value, objects in ((one_level, 20_000), (three_levels, 40_000)):
        looked_at = 0
        assert estimate_bytes(value) > 50 * objects
        assert looked_at < 3 * MOST_VISITED


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    chain: list[object] = []
    for _ in range(20_000):
        chain = [chain]
    assert estimate_bytes(chain) > MOST_VISITED * 56
    while chain:  # taken apart link by link, for the same reason
        chain = chain.pop()  # type: ignore[assignment]


def test_a_broken_object_breaks_nothing() -> None:
    class Broken:
        def __sizeof__(self) -> int:
            raise RuntimeError("no size")

        @property
        def nbytes(self) -> int:
            raise RuntimeError("no bytes")

        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    assert estimate_bytes([Broken(), LONG]) > 10_000
