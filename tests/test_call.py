import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from headway import (
    BadSetup,
    Batch,
    Cache,
    Call,
    Fallback,
    Limit,
    Operation,
    Place,
    Policy,
    Proceed,
    Retry,
    Share,
    Stream,
    Timeout,
    Watch,
    operation,
    without,
)


def every_policy() -> list[Policy]:
    return [
        Watch(),
        Cache("15m"),
        Share(),
        Batch(),
        Fallback(print, on=OSError),
        Retry(on=OSError),
        Limit(at_once=1),
        Timeout(1),
    ]


class Mark:
    """A policy that writes its name on the way in and on the way out."""

    def __init__(self, name: str, place: Place, log: list[str]) -> None:
        self.name, self.place, self.log = name, place, log

    async def around(self, call: Call, proceed: Proceed) -> Any:
        self.log.append(f"in {self.name}")
        answer = await proceed(call)
        self.log.append(f"out {self.name}")
        return answer


def test_every_policy_stands_at_its_place_however_they_are_listed() -> None:
    async def embed(texts: list[str]) -> list[int]:
        return [len(text) for text in texts]

    expected = "Watch > Cache > Share > Batch > Fallback > Retry > Limit > Timeout > embed"
    policies = every_policy()
    for turn in range(len(policies)):
        listed = policies[turn:] + policies[:turn]
        for order in (listed, listed[::-1], listed[::2] + listed[1::2]):
            assert operation(*order, name="embed")(embed).explain() == expected


async def test_each_policy_stands_around_those_further_in() -> None:
    log: list[str] = []
    marks = [Mark(place.name, place, log) for place in Place]

    @operation(*reversed(marks))
    async def find(name: str) -> str:
        log.append(name)
        return name

    assert await find("x") == "x"
    names = [place.name for place in Place]
    assert log == [
        *(f"in {name}" for name in names),
        "x",
        *(f"out {name}" for name in reversed(names)),
    ]


async def test_two_at_one_place_stand_as_listed() -> None:
    for first, second in itertools.permutations(("a", "b")):
        log: list[str] = []

        @operation(Mark(first, Place.RETRY, log), Mark(second, Place.RETRY, log))
        async def find() -> None: ...

        await find()
        assert log == [f"in {first}", f"in {second}", f"out {second}", f"out {first}"]


async def test_a_policy_may_answer_repeat_and_redirect() -> None:
    asked: list[tuple[Any, ...]] = []

    class Twice:
        place = Place.FALLBACK

        async def around(self, call: Call, proceed: Proceed) -> Any:
            if call.args == ("answer",):
                return "at once"
            return await proceed(call) + await proceed(call.asking("other"))

    @operation(Twice())
    async def find(name: str) -> str:
        asked.append((name,))
        return name

    assert await find("answer") == "at once"
    assert await find("x") == "xother"
    assert asked == [("x",), ("other",)]


# --- calls --------------------------------------------------------------------------------------


def call_of(run: Any, *args: Any, **kwargs: Any) -> Call:
    return Call(run.operation, args, kwargs)


def test_a_key_is_made_on_first_use_and_once() -> None:
    made: list[int] = []

    def count(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        made.append(1)
        return str(args)

    @operation(key=count)
    async def find(name: str) -> str:
        return name

    call = call_of(find, "x")
    assert made == []
    assert call.key == call.key
    assert made == [1]


def test_keys_of_equal_questions_are_equal_and_of_others_not() -> None:
    @operation()
    async def find(name: str, size: int = 1) -> str:
        return name

    @operation()
    async def look(name: str, size: int = 1) -> str:
        return name

    same = {call_of(find, "x").key, call_of(find, "x", 1).key, call_of(find, name="x", size=1).key}
    assert len(same) == 1
    others = {call_of(find, "x", 2).key, call_of(find, "x", True).key, call_of(look, "x").key}
    assert len(others | same) == 4


def test_name_and_version_are_part_of_the_key() -> None:
    async def find(name: str) -> str:
        return name

    keys = {
        call_of(operation(name=name, version=version)(find), "x").key
        for name in ("a", "b")
        for version in (1, 2)
    }
    assert len(keys) == 4
    again = call_of(operation(name="a", version="1")(find), "x").key
    assert again in keys


def test_functions_of_one_factory_are_told_apart_unless_named() -> None:
    def make(name: str | None) -> Any:
        @operation(name=name)
        async def find(name: str) -> str:
            return name

        return find

    assert call_of(make(None), "x").key != call_of(make(None), "x").key
    assert call_of(make("shop.find"), "x").key == call_of(make("shop.find"), "x").key
    assert make(None).operation.is_local
    assert not make("shop.find").operation.is_local


first, second = operation()(lambda: "first"), operation()(lambda: "second")


def test_two_lambdas_are_told_apart_at_the_top_of_a_module_too() -> None:
    assert call_of(first).key != call_of(second).key


def test_arguments_come_by_name_with_defaults() -> None:
    @operation()
    async def find(name: str, *, size: int = 1) -> str:
        return name

    assert dict(call_of(find, "x").arguments) == {"name": "x", "size": 1}


def test_a_call_of_the_same_with_other_arguments() -> None:
    @operation()
    async def find(name: str) -> str:
        return name

    call = call_of(find, "x")
    call.source, call.age_s = "hit", 3.0
    other = call.asking("y")
    assert (other.operation, other.args, other.kwargs) == (call.operation, ("y",), {})
    assert (other.source, other.age_s) == ("ran", None)
    assert other.key != call.key


def test_leaving_out_what_is_no_parameter_is_refused() -> None:
    with pytest.raises(BadSetup, match="request"):

        @operation(key=without("request"))
        async def find(name: str) -> str:
            return name


# --- the face -----------------------------------------------------------------------------------


def documented(run: Callable[..., Any]) -> None:
    assert run.__name__ == "find"
    assert run.__doc__ == "Find it."
    assert list(inspect.signature(run).parameters) == ["name", "size"]
    assert run.__annotations__["size"] is int


async def test_the_face_of_an_async_function_is_a_coroutine_function() -> None:
    @operation(Cache("15m"))
    async def find(name: str, size: int = 1) -> str:
        """Find it."""
        return name

    documented(find)
    assert inspect.isfunction(find)
    assert inspect.iscoroutinefunction(find)
    assert asyncio.iscoroutinefunction(find)
    assert await find("x") == "x"


async def test_the_face_of_an_async_generator_is_a_coroutine_function() -> None:
    @operation()
    async def find(name: str, size: int = 1) -> AsyncIterator[str]:
        """Find it."""
        yield name

    documented(find)
    assert inspect.iscoroutinefunction(find)
    assert not inspect.isasyncgenfunction(find)
    assert isinstance(await find("x"), Stream)


def test_the_face_of_a_plain_function_is_a_plain_function() -> None:
    @operation(Cache("15m"))
    def find(name: str, size: int = 1) -> str:
        """Find it."""
        return name

    documented(find)
    assert inspect.isfunction(find)
    assert not inspect.iscoroutinefunction(find)
    assert find("x") == "x"


def test_the_face_carries_its_operation() -> None:
    @operation(Cache("15m"), kind="tool", version=3)
    async def find(name: str) -> str:
        return name

    assert isinstance(find.operation, Operation)
    assert find.policies == find.operation.policies
    assert find.operation.name == f"{__name__}.{find.__qualname__}"
    assert (find.operation.kind, find.operation.version) == ("tool", "3")
    assert find.explain() == f"Watch > Cache > {find.operation.name}"


async def test_wrong_arguments_are_the_functions_own_error() -> None:
    @operation(Limit(at_once=1))
    async def find(name: str) -> str:
        return name

    @operation(Limit(at_once=1))
    def look(name: str) -> str:
        return name

    for wrong in (lambda: find(), lambda: find("x", "y"), lambda: find(nane="x")):  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"find\(\)"):
            await wrong()
    with pytest.raises(TypeError, match=r"look\(\)"):
        look()  # type: ignore[call-arg]


# --- methods ------------------------------------------------------------------------------------


class Shop:
    def __init__(self, town: str) -> None:
        self.town = town
        self.runs = 0

    @operation(Cache("15m"))
    async def find(self, name: str) -> str:
        self.runs += 1
        return f"{name} in {self.town}"

    @operation(Cache("15m"))
    def price(self, name: str) -> str:
        self.runs += 1
        return f"{name} for 1 in {self.town}"

    @classmethod
    @operation(Cache("15m"))
    async def kind(cls, name: str) -> str:
        return f"{name} of {cls.__name__}"

    @staticmethod
    @operation(Cache("15m"))
    async def count(name: str) -> int:
        return len(name)


class Corner(Shop):
    pass


async def test_an_async_method_keeps_answers_for_each_object() -> None:
    ulm, bonn = Shop("Ulm"), Shop("Bonn")
    assert [await ulm.find("tea"), await bonn.find("tea"), await ulm.find("tea")] == [
        "tea in Ulm", "tea in Bonn", "tea in Ulm",
    ]  # fmt: skip
    assert (ulm.runs, bonn.runs) == (1, 1)
    assert inspect.iscoroutinefunction(ulm.find)
    assert (await Shop.find.answer(ulm, "tea")).source == "hit"
    await Shop.find.invalidate(ulm, "tea")
    await ulm.find("tea"), await bonn.find("tea")
    assert (ulm.runs, bonn.runs) == (2, 1)


def test_a_plain_method_keeps_answers_for_each_object() -> None:
    ulm, bonn = Shop("Ulm"), Shop("Bonn")
    assert [ulm.price("tea"), bonn.price("tea"), ulm.price("tea")] == [
        "tea for 1 in Ulm", "tea for 1 in Bonn", "tea for 1 in Ulm",
    ]  # fmt: skip
    assert (ulm.runs, bonn.runs) == (1, 1)


async def test_an_object_made_where_another_was_gets_answers_of_its_own() -> None:
    for number in range(200):
        shop = Shop(f"town {number}")
        assert await shop.find("tea") == f"tea in town {number}"
        del shop


async def test_class_methods_and_static_methods() -> None:
    assert [await Shop.kind("a"), await Corner.kind("a"), await Shop.kind("a")] == [
        "a of Shop", "a of Corner", "a of Shop",
    ]  # fmt: skip
    assert [await Shop.count("tea"), await Shop("x").count("tea")] == [3, 3]


async def test_a_bound_method_can_be_made_an_operation() -> None:
    class Plain:
        def __init__(self, town: str) -> None:
            self.town = town

        async def find(self, name: str) -> str:
            return f"{name} in {self.town}"

    cache = Cache("15m")
    ulm = operation(cache, name="find")(Plain("Ulm").find)
    bonn = operation(cache, name="find")(Plain("Bonn").find)
    assert [await ulm("tea"), await bonn("tea")] == ["tea in Ulm", "tea in Bonn"]


# --- what cannot work ---------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Cache, "15m", None, object(), Place.CACHE])
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    async def find(name: str) -> str:
        return name

    with pytest.raises(BadSetup, match="is no policy"):
        operation(policy)(find)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (staticmethod(len), "put @operation under @staticmethod"),
        (property(len), "put @operation under @property"),
        (Shop, "takes a function"),
        ("find", "takes a function"),
        (Shop("Ulm"), "takes a function"),
    ],
)
def test_what_is_no_function_is_refused(run: Any, said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        operation()(run)


@pytest.mark.parametrize("policy", [Cache("15m"), Share(), Limit(at_once=1)])
def test_one_policy_object_listed_twice_is_refused(policy: Policy) -> None:
    with pytest.raises(BadSetup, match="listed twice"):

        @operation(policy, policy)
        async def find(name: str) -> str:
            return name


def test_a_plain_generator_is_refused() -> None:
    def count() -> Any:
        yield 1

    with pytest.raises(BadSetup, match="plain generator"):
        operation()(count)


def test_forgotten_brackets_are_pointed_out() -> None:
    with pytest.raises(BadSetup, match=r"write @operation\(\) with brackets"):

        @operation  # type: ignore[arg-type]
        async def find(name: str) -> str:
            return name


def test_a_plain_function_that_gives_a_coroutine_is_told_so() -> None:
    async def find(name: str) -> str:
        return name

    with pytest.raises(BadSetup, match="async def"):
        operation(Cache("15m"))(lambda name: find(name))("x")


def test_a_policy_may_refuse_an_operation() -> None:
    class Picky:
        place = Place.LIMIT

        def check(self, operation: Operation) -> None:
            raise BadSetup(f"{operation.name} will not do")

        async def around(self, call: Call, proceed: Proceed) -> Any:
            return await proceed(call)

    with pytest.raises(BadSetup, match=r"shop\.find will not do"):

        @operation(Picky(), name="shop.find")
        async def find(name: str) -> str:
            return name


async def test_a_key_of_ones_own_tells_types_apart_and_takes_lists() -> None:
    ran: list[object] = []

    @operation(Cache("1h"), key=lambda args, kwargs: [args[0]])
    async def ask(value: object, request: object) -> object:
        ran.append(value)
        return value

    assert [await ask(1, object()), await ask(True, object()), await ask(1, object())] == [1, 1, 1]
    assert [type(value) for value in ran] == [int, bool]
