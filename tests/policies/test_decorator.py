"""Wrong uses of ``@operation`` are refused where they are written."""

import pytest

from headway import BadSetup, Batch, Cache, Limit, MemoryStore, Retry, operation, scope


def test_brackets_are_asked_for() -> None:
    with pytest.raises(BadSetup, match="with brackets"):
        operation(lambda: None)  # type: ignore[arg-type]


def test_a_class_is_no_policy() -> None:
    with pytest.raises(BadSetup, match=r"no policy; use one such as Cache\('15m'\)"):

        @operation(Cache)  # type: ignore[arg-type]
        async def ask() -> None: ...


def test_a_text_is_no_key() -> None:
    with pytest.raises(BadSetup, match="key='symbol'"):
        operation(Cache("1h"), key="symbol")  # type: ignore[arg-type]


def test_a_class_is_no_store() -> None:
    with pytest.raises(BadSetup, match=r"MemoryStore\(\)"):
        Cache("1h", store=MemoryStore)  # type: ignore[arg-type]


def test_a_plain_generator_is_refused() -> None:
    with pytest.raises(BadSetup, match="make it async"):

        @operation()
        def numbers() -> object:
            yield 1


def test_the_decorator_goes_under_staticmethod() -> None:
    with pytest.raises(BadSetup, match="@staticmethod"):
        operation()(staticmethod(len))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limit(at_once="5"),
        lambda: Limit(at_once=1, max_waiting="5"),
        lambda: Retry("5", on=OSError),
        lambda: Batch("5"),
        lambda: scope(priority="5").__enter__(),
    ],
)
def test_text_is_no_number(make: object) -> None:
    with pytest.raises(BadSetup, match="'5' will not do"):
        make()  # type: ignore[operator]
