"""Operations as tools of LangChain, OpenAI Agents and FastMCP."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import pytest
from agents import FunctionTool, function_tool
from agents.tool_context import ToolContext
from fastmcp import Client, FastMCP
from langchain_core.tools import BaseTool, tool

from headway import Cache, Limit, Retry, Timeout, operation

Period = Literal["1y", "5y"]
runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    runs.clear()


def decorated(run: Callable[..., Any]) -> Any:
    return operation(Cache("15m"), Retry(3, on=OSError), Limit(at_once=5), Timeout("10s"))(run)


async def get_price(symbol: str, period: "Period" = "1y", count: int = 1) -> dict[str, Any]:
    """The price of a share.

    Args:
        symbol: its ticker.
        period: how far back.
        count: how many.
    """
    runs.append(symbol)
    return {"symbol": symbol, "period": period, "count": count}


def get_price_plain(symbol: str, period: "Period" = "1y", count: int = 1) -> dict[str, Any]:
    """The price of a share.

    Args:
        symbol: its ticker.
        period: how far back.
        count: how many.
    """
    runs.append(symbol)
    return {"symbol": symbol, "period": period, "count": count}


class Exchange:
    def __init__(self, town: str) -> None:
        self.town = town

    @operation(Cache("15m"), Limit(at_once=5))
    async def get_price(
        self, symbol: str, period: "Period" = "1y", count: int = 1
    ) -> dict[str, Any]:
        """The price of a share."""
        runs.append(symbol)
        return {"symbol": symbol, "period": period, "count": count, "town": self.town}

    @operation(Cache("15m"), Limit(at_once=5))
    def get_price_plain(
        self, symbol: str, period: "Period" = "1y", count: int = 1
    ) -> dict[str, Any]:
        """The price of a share."""
        runs.append(symbol)
        return {"symbol": symbol, "period": period, "count": count, "town": self.town}


# --- how each framework takes a function, says what it takes, and runs it -------------------------


Ask = Callable[[dict[str, Any]], Coroutine[Any, Any, dict[str, Any]]]


def by_langchain(run: Any) -> tuple[dict[str, Any], str, Ask]:
    made = tool(run)
    assert isinstance(made, BaseTool)

    async def ask(arguments: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await made.ainvoke(arguments)
        return answer

    return dict(made.args), made.name, ask


def by_openai_agents(run: Any) -> tuple[dict[str, Any], str, Ask]:
    made = function_tool(run, failure_error_function=None)
    assert isinstance(made, FunctionTool)

    async def ask(arguments: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(arguments)
        context = ToolContext(None, tool_name=made.name, tool_call_id="1", tool_arguments=text)
        answer: dict[str, Any] = await made.on_invoke_tool(context, text)
        return answer

    return made.params_json_schema["properties"], made.name, ask


def by_fastmcp(run: Any) -> tuple[dict[str, Any], str, Ask]:
    server: Any = FastMCP("prices")
    made = server.tool(run)
    name = getattr(made, "name", None) or run.__name__

    async def ask(arguments: dict[str, Any]) -> dict[str, Any]:
        async with Client(server) as client:
            answer: dict[str, Any] = (await client.call_tool(name, arguments)).data
            return answer

    return {}, name, ask


FRAMEWORKS = [by_langchain, by_openai_agents, by_fastmcp]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("plain", [get_price, get_price_plain], ids=["async", "plain"])
async def test_a_decorated_function_is_a_tool(framework: Any, plain: Any) -> None:
    parameters, name, ask = framework(decorated(plain))
    expected, expected_name, _ = framework(plain)
    assert (parameters, name) == (expected, expected_name)
    question = {"symbol": "NVDA", "period": "5y", "count": 2}
    assert await ask(question) == question
    assert await ask(question) == question
    assert runs == ["NVDA"]
    await ask({**question, "symbol": "AMD"})
    assert runs == ["NVDA", "AMD"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", ["get_price", "get_price_plain"])
async def test_a_method_is_a_tool(framework: Any, method: str) -> None:
    question = {"symbol": "NVDA", "period": "5y", "count": 2}
    for town in ("Ulm", "Bonn"):
        exchange = Exchange(town)
        parameters, name, ask = framework(getattr(exchange, method))
        assert name == method
        assert "self" not in parameters
        for _ in range(2):
            assert await ask(question) == {**question, "town": town}
    assert runs == ["NVDA", "NVDA"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_the_failure_of_a_tool_reaches_the_framework(framework: Any) -> None:
    @operation(Cache("15m"), Timeout("10s"))
    async def get_price(symbol: str) -> dict[str, Any]:
        """The price of a share."""
        raise KeyError(f"no such share: {symbol}")

    with pytest.raises(Exception, match="no such share: NVDA"):
        await framework(get_price)[2]({"symbol": "NVDA"})


async def test_what_fastmcp_tells_its_clients_is_the_functions_own() -> None:
    described = []
    for run in (get_price, decorated(get_price)):
        server: Any = FastMCP("prices")
        server.tool(run)
        async with Client(server) as client:
            (listed,) = await client.list_tools()
            described.append((listed.name, listed.description, listed.model_dump()))
    assert described[0] == described[1]
    assert "symbol" in json.dumps(described[1][2], default=str)


def test_langchain_runs_a_plain_tool_without_a_loop() -> None:
    made = tool(decorated(get_price_plain))
    question = {"symbol": "NVDA", "period": "1y", "count": 1}
    assert made.invoke(question) == question
    assert made.invoke(question) == question
    assert runs == ["NVDA"]


async def test_many_agents_asking_the_same_tool_at_once_run_it_once() -> None:
    made = tool(decorated(get_price))
    question = {"symbol": "NVDA", "period": "1y", "count": 1}
    answers = await asyncio.gather(*(made.ainvoke(question) for _ in range(10)))
    assert answers == [question] * 10
    assert runs == ["NVDA"]
