"""The picture of a graph, in plain text."""

from headway.graph import Graph


def test_a_graph_is_drawn_in_start_order_with_its_arrows() -> None:
    report = Graph("report")

    @report.step(about="10s")
    async def verdict(prices: None, mood: None) -> None: ...

    @report.step(about="2m")
    async def prices(ticker: str, period: str = "1y") -> None: ...

    @report.step(needed=False)
    async def mood(ticker: str) -> None: ...

    assert report.draw().splitlines() == [
        "report: 3 steps, 131 s of work, critical path 130 s",
        "     0 s  * prices     120 s   <- (ticker), (period)",
        "     0 s    mood           ? ~ <- (ticker)",
        "   120 s  * verdict     10 s   <- prices, mood",
        "* critical path: prices > verdict",
        "~ optional: may leave a gap",
        "(name) an input",
        "? not known, counted as 1 s",
    ]


def test_a_limit_shows_in_the_start_times() -> None:
    graph = Graph("g", at_once=1)

    @graph.step(about=1)
    async def short() -> None: ...

    @graph.step(about=2.5)
    async def long() -> None: ...

    assert graph.draw().splitlines() == [
        "g: 2 steps, 3.5 s of work, critical path 2.5 s, 3.5 s with 1 at once",
        "     0 s  * long     2.5 s",
        "   2.5 s    short      1 s",
        "* critical path: long",
    ]


def test_what_earlier_runs_tell_is_drawn() -> None:
    graph = Graph()

    @graph.step
    async def known() -> None: ...

    graph.expect({"known": 7})
    assert "7 s" in graph.draw()
    assert "?" not in graph.draw()


def test_nothing_is_wider_than_a_hundred_columns() -> None:
    graph = Graph("wide")
    names = [f"a_step_with_quite_a_long_name_number_{i}" for i in range(12)]
    for name in names:

        async def body() -> None: ...

        graph.step(name=name)(body)
    scope: dict[str, object] = {}
    exec(f"async def last({', '.join(names)}): ...", scope)
    graph.step(scope["last"])  # type: ignore[type-var]
    picture = graph.draw()
    assert max(map(len, picture.splitlines())) <= 100
    assert all(picture.count(name) >= 1 for name in names)
    assert picture.isascii()


def test_no_steps_no_picture() -> None:
    assert Graph("nothing").draw() == "nothing: no steps"
