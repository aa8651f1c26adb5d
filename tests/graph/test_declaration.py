"""Declaring steps: names, arrows, options; what is refused, and with which words."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headway import Cache, MemoryStore
from headway.errors import BadSetup
from headway.graph import Graph, GraphResult
from headway.stream import Stream


async def test_parameter_names_are_the_arrows() -> None:
    report = Graph("report")

    @report.step
    async def verdict(prices: list[int], mood: str) -> str:
        return f"{prices} {mood}"

    @report.step
    async def prices(ticker: str) -> list[int]:
        return [len(ticker)]

    @report.step()
    async def mood(ticker: str) -> str:
        return f"{ticker} is calm"

    result = await report.run(ticker="NVDA")
    assert isinstance(result, GraphResult)
    assert dict(result) == {
        "verdict": "[4] NVDA is calm",
        "prices": [4],
        "mood": "NVDA is calm",
    }
    assert list(result) == ["verdict", "prices", "mood"]
    assert len(result) == 3
    assert result.gaps == {}
    assert result.seconds > 0
    assert repr(result).startswith("<GraphResult verdict, prices, mood, ")


async def test_the_function_stays_as_it_is() -> None:
    graph = Graph()

    async def double(x: int) -> int:
        return 2 * x

    assert graph.step(double) is double
    assert graph.step(name="again")(double) is double
    assert await double(4) == 8
    assert dict(await graph.run(x=3)) == {"double": 6, "again": 6}


async def test_a_plain_function_runs_on_a_thread() -> None:
    import threading

    graph = Graph()

    @graph.step
    def where() -> str:
        return threading.current_thread().name

    @graph.step
    async def here(where: str) -> bool:
        return where == threading.current_thread().name

    assert (await graph.run())["here"] is False


async def test_an_async_generator_gives_a_stream_to_everyone() -> None:
    graph = Graph()
    go_on = asyncio.Event()

    @graph.step
    async def words() -> AsyncIterator[str]:
        yield "one"
        await go_on.wait()
        yield "two"

    @graph.step
    async def first(words: Stream[str]) -> str:
        async with words:  # closes its own handle, nobody else's
            async for word in words:
                return word
        return ""

    @graph.step
    async def release(first: str) -> None:
        go_on.set()

    result = await graph.run()
    assert result["first"] == "one"
    stream = result["words"]
    assert isinstance(stream, Stream)
    assert await stream.collect() == ["one", "two"]


async def test_parameters_with_a_default_are_optional_inputs() -> None:
    graph = Graph()

    @graph.step
    async def quote(ticker: str, *, period: str = "1y") -> str:
        return f"{ticker} {period}"

    assert (await graph.run(ticker="AMD"))["quote"] == "AMD 1y"
    assert (await graph.run(ticker="AMD", period="5d"))["quote"] == "AMD 5d"


async def test_a_default_does_not_hide_a_step() -> None:
    graph = Graph()

    @graph.step
    async def after(before: int = 0) -> int:
        return before + 1

    @graph.step
    async def before() -> int:
        return 41

    assert (await graph.run())["after"] == 42


async def test_an_input_may_be_called_self() -> None:
    graph = Graph()

    @graph.step
    async def echo(self: str) -> str:
        return self

    assert (await graph.run(self="me"))["echo"] == "me"


async def test_a_method_of_an_object_is_a_step() -> None:
    class Desk:
        def __init__(self, house: str) -> None:
            self.house = house

        async def quote(self, ticker: str) -> str:
            return f"{self.house}: {ticker}"

    graph = Graph()
    graph.step(Desk("north").quote)
    graph.step(name="other")(Desk("south").quote)
    assert dict(await graph.run(ticker="T")) == {"quote": "north: T", "other": "south: T"}


async def test_a_graph_without_steps_gives_nothing() -> None:
    assert dict(await Graph().run()) == {}


async def test_a_step_may_be_declared_after_a_run() -> None:
    graph = Graph()

    @graph.step
    async def a() -> int:
        return 1

    await graph.run()

    @graph.step
    async def b(a: int) -> int:
        return a + 1

    assert (await graph.run())["b"] == 2


def declared() -> Graph:
    report = Graph("report")

    @report.step
    async def prices(ticker: str, period: str = "1y") -> None: ...

    @report.step
    async def verdict(prices: None) -> None: ...

    return report


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {},
            "report: step prices needs 'ticker', which is no step and was not given; "
            "give ticker=..., or the parameter a default",
        ),
        ({"tickr": "T"}, "report: step prices needs 'ticker', .* did you mean 'tickr'\\?"),
        ({"ticker": "T", "perod": "1d"}, "report has no input 'perod'; did you mean 'period'\\?"),
        (
            {"ticker": "T", "zzz": 1},
            "report has no input 'zzz'; its inputs are ticker, period",
        ),
        ({"ticker": "T", "prices": 1}, "report: 'prices' is a step, not an input; "),
    ],
)
async def test_wrong_inputs_are_named(inputs: dict[str, object], message: str) -> None:
    with pytest.raises(BadSetup, match=message):
        await declared().run(**inputs)
    with pytest.raises(BadSetup, match=message):
        declared().stream(**inputs)


async def test_a_misspelt_need_is_near_its_step() -> None:
    report = declared()

    @report.step
    async def mood(verdit: None) -> None: ...

    with pytest.raises(BadSetup, match=r"mood needs 'verdit', .* did you mean 'verdict'\?"):
        await report.run(ticker="T")


async def test_an_input_for_a_graph_that_takes_none() -> None:
    with pytest.raises(BadSetup, match="graph has no input 'x'; it takes none"):
        await Graph().run(x=1)


async def test_a_circle_is_found_at_the_first_run_and_the_first_drawing() -> None:
    graph = Graph("loop")

    @graph.step
    async def hen(egg: int) -> int: ...

    @graph.step
    async def egg(hen: int) -> int: ...

    for use in (graph.draw, graph.plan, graph.stream):
        with pytest.raises(BadSetup, match=r"loop: .* circle: hen needs egg needs hen"):
            use()
    with pytest.raises(BadSetup, match="circle"):
        await graph.run()


def test_what_cannot_be_a_step_is_refused() -> None:
    graph = Graph("odd")

    async def fine() -> None: ...
    async def many(*tickers: str) -> None: ...
    async def anything(**options: str) -> None: ...
    async def by_place(ticker: str, /) -> None: ...
    def used_up() -> object:
        yield 1

    graph.step(fine)
    with pytest.raises(BadSetup, match="odd has a step 'fine' already"):
        graph.step(fine)
    with pytest.raises(BadSetup, match=r"odd.many: '\*tickers: str' names no step"):
        graph.step(many)
    with pytest.raises(BadSetup, match=r"odd.anything: '\*\*options: str' names no step"):
        graph.step(anything)
    with pytest.raises(BadSetup, match=r"odd.by_place: 'ticker: str' names no step"):
        graph.step(by_place)
    with pytest.raises(BadSetup, match="plain generator"):
        graph.step(used_up)
    with pytest.raises(BadSetup, match="odd: a step is a function, not 'prices'"):
        graph.step("prices")  # type: ignore[type-var]
    with pytest.raises(BadSetup, match="'executive summary' cannot be the name of a parameter"):
        graph.step(name="executive summary")(fine)
    with pytest.raises(BadSetup, match=r"odd.slow: 'an age' is no duration"):
        graph.step(name="slow", about="an age")(fine)
    with pytest.raises(BadSetup, match="is no policy"):
        graph.step(name="kept", policies=(Cache,))(fine)  # type: ignore[arg-type]
    with pytest.raises(BadSetup, match=r"odd.expect: fine: -1 is no duration"):
        graph.expect({"fine": -1})
    assert list(graph.plan().needs) == ["fine"]


@pytest.mark.parametrize("at_once", [0, -2])
def test_a_limit_that_lets_nothing_run_is_refused(at_once: int) -> None:
    with pytest.raises(BadSetup, match=f"at_once=...\\): {at_once} will not do"):
        Graph(at_once=at_once)


async def test_policies_stand_around_a_step() -> None:
    graph = Graph()
    runs = 0

    @graph.step(policies=(Cache("1h"),))
    async def prices(ticker: str) -> str:
        nonlocal runs
        runs += 1
        return f"{ticker} {runs}"

    assert (await graph.run(ticker="A"))["prices"] == "A 1"
    assert (await graph.run(ticker="A"))["prices"] == "A 1"
    assert (await graph.run(ticker="B"))["prices"] == "B 2"


async def test_steps_of_two_graphs_do_not_answer_for_each_other() -> None:
    kept = Cache("1h", store=MemoryStore())

    def make(word: str) -> Graph:
        graph = Graph("greeting")

        @graph.step(policies=(kept,))
        async def greet(name: str) -> str:
            return f"{word} {name}"

        return graph

    assert (await make("hello").run(name="Ann"))["greet"] == "hello Ann"
    assert (await make("good day").run(name="Ann"))["greet"] == "good day Ann"


async def test_a_step_named_by_its_author_shares_answers_with_its_like() -> None:
    kept, runs = Cache("1h", store=MemoryStore()), 0

    def make() -> Graph:
        graph = Graph("greeting")

        @graph.step(policies=(kept,), name="greet")
        async def body(name: str) -> str:
            nonlocal runs
            runs += 1
            return f"hello {name}"

        return graph

    for _ in range(3):
        assert (await make().run(name="Ann"))["greet"] == "hello Ann"
    assert runs == 1
