"""What holds at every door: the real frameworks, and a model that does as it is told."""

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI

from headway.tools import Effects, session, tool
from tests.doors.frameworks import FRAMEWORKS, Agent
from tests.doors.world import EFFECTS, Companies, Function, Obedient, told

PRICE = ("get_price", {"symbol": "NVDA"})
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.__name__)


def ask_with(agent: Agent) -> Function:
    """The agent as a tool of another."""

    async def ask_researcher(task: str) -> str:
        """Let a researcher do a task."""
        return await agent.ask(task)

    return ask_researcher


@every_framework
async def test_agent_and_sub_agent_read_the_same_once(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    functions = companies.functions
    sub_agent = framework(client, functions)
    main = framework(client, [*functions, ask_with(sub_agent)])
    research = ("ask_researcher", {"task": told([PRICE])})
    async with session() as here:
        said = await main.ask(told([PRICE], [research], [PRICE, research]))
    assert companies.runs == ["get_price NVDA"]
    assert "100" in said
    (counted,) = [one for name, one in here.statistics().tools.items() if "get_price" in name]
    assert (counted.asked, counted.ran) == (4, 1)


@every_framework
async def test_agents_asking_at_once_run_it_once(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    companies.gate = asyncio.Event()
    functions = companies.functions
    agents = [framework(client, functions) for _ in range(3)]
    async with session():
        asked = [asyncio.create_task(agent.ask(told([PRICE]))) for agent in agents]
        await asyncio.wait_for(companies.started.wait(), 10)
        await asyncio.sleep(0.2)  # the others have come to the tool, or would have run it
        companies.gate.set()
        said = await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert companies.runs == ["get_price NVDA"]
    assert len(set(said)) == 1


@every_framework
async def test_a_write_voids_what_it_touches(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    agent = framework(client, companies.functions)
    other = ("get_price", {"symbol": "AMD"})
    write = ("set_price", {"symbol": "NVDA", "price": 7})
    async with session():
        said = await agent.ask(told([PRICE, other], [write], [PRICE, other]))
    assert companies.runs.count("get_price NVDA") == 2
    assert companies.runs.count("get_price AMD") == 1
    assert "7" in said
    assert "50" in said


@every_framework
async def test_a_tool_of_unknown_effects_always_runs_and_voids_everything(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    agent = framework(client, companies.functions)
    unknown = ("undeclared", {"symbol": "NVDA"})
    async with session():
        await agent.ask(told([PRICE], [unknown], [unknown], [PRICE]))
    assert companies.runs == [
        "get_price NVDA",
        "undeclared NVDA",
        "undeclared NVDA",
        "get_price NVDA",
    ]


@every_framework
async def test_two_calls_of_a_turn_get_their_results_in_order(
    framework: Any, client: AsyncOpenAI, companies: Companies, model: Obedient
) -> None:
    agent = framework(client, companies.functions)
    turn = [PRICE, ("get_price", {"symbol": "AMD"}), PRICE]
    async with session():
        await agent.ask(told(turn, turn))
    first, second = model.results
    assert [id for id, _ in first] == ["call_0_0", "call_0_1", "call_0_2"]
    assert [id for id, _ in second] == ["call_1_0", "call_1_1", "call_1_2"]
    assert [text for _, text in first] == [text for _, text in second]
    assert ["100" in text for _, text in first] == [True, False, True]
    assert sorted(companies.runs) == ["get_price AMD", "get_price NVDA"]


@every_framework
async def test_what_the_model_sees_is_what_it_sees_without_a_door(
    framework: Any, client: AsyncOpenAI, companies: Companies, model: Obedient
) -> None:
    turn = [PRICE, ("set_price", {"symbol": "AMD", "price": 50})]
    async with session():
        await framework(client, companies.functions).ask(told(turn, turn))
    await framework(client, companies.functions, has_door=False).ask(told(turn, turn))
    assert model.results[:2] == model.results[2:]
    assert companies.runs.count("get_price NVDA") == 3


async def outcome_of(agent: Agent, said: str) -> str:
    """What is said in the end, or the error that ended the run."""
    try:
        return await agent.ask(said)
    except Exception as error:
        return repr(error)


@every_framework
async def test_an_error_is_the_frameworks_and_is_not_kept(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    functions, news = companies.functions, told([("get_news", {"symbol": "NVDA"})])
    agent, plain = framework(client, functions), framework(client, functions, has_door=False)
    async with session():
        outcomes = [await outcome_of(agent, news) for _ in range(2)]
    assert outcomes == [await outcome_of(plain, news)] * 2
    assert companies.runs == ["get_news NVDA"] * 3


@every_framework
async def test_arguments_that_do_not_fit_are_the_frameworks_affair(
    framework: Any, client: AsyncOpenAI, companies: Companies, model: Obedient
) -> None:
    agent = framework(client, companies.functions)
    wrong = ("get_price", {"symbol": ["NVDA"]})
    async with session():
        await agent.ask(told([wrong], [PRICE]))
    assert companies.runs == ["get_price NVDA"]
    await framework(client, companies.functions, has_door=False).ask(told([wrong], [PRICE]))
    assert model.results[0] == model.results[2]


@every_framework
async def test_a_cancelled_run_cancels_its_tool_and_harms_nobody_else(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    companies.gate = asyncio.Event()
    functions = companies.functions
    async with session():
        alone = asyncio.create_task(framework(client, functions).ask(told([PRICE])))
        await asyncio.wait_for(companies.started.wait(), 10)
        alone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(alone, 10)
        assert companies.cancelled == ["get_price NVDA"]

        companies.started.clear()
        first = asyncio.create_task(framework(client, functions).ask(told([PRICE])))
        await asyncio.wait_for(companies.started.wait(), 10)
        second = asyncio.create_task(framework(client, functions).ask(told([PRICE])))
        await asyncio.sleep(0.2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(first, 10)
        companies.gate.set()
        assert "100" in await asyncio.wait_for(second, 10)
    assert companies.runs == ["get_price NVDA", "get_price NVDA"]


@every_framework
async def test_streaming_runs_share_too(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    agent = framework(client, companies.functions)
    async with session():
        streamed = await agent.stream(told([PRICE], [PRICE]))
        assert streamed == await agent.ask(told([PRICE]))
    assert "100" in streamed
    assert companies.runs == ["get_price NVDA"]


@every_framework
async def test_outside_of_a_session_everything_runs(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    agent = framework(client, companies.functions)
    await agent.ask(told([PRICE], [PRICE]))
    assert companies.runs == ["get_price NVDA", "get_price NVDA"]


@every_framework
async def test_two_sessions_share_nothing(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    agent = framework(client, companies.functions)
    for _ in range(2):
        async with session():
            await agent.ask(told([PRICE]))
    assert companies.runs == ["get_price NVDA", "get_price NVDA"]


@every_framework
async def test_functions_of_one_name_are_not_one_tool(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    async with session():
        for _ in range(2):
            await framework(client, companies.functions).ask(told([PRICE]))
    assert companies.runs == ["get_price NVDA", "get_price NVDA"]


@every_framework
async def test_a_default_left_out_is_the_default_given(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    agent = framework(client, companies.functions)
    usual, other = ({"symbol": "NVDA", "currency": currency} for currency in ("USD", "EUR"))
    async with session():
        await agent.ask(told([PRICE], [("get_price", usual)], [("get_price", other)]))
    assert companies.runs == ["get_price NVDA", "get_price NVDA"]


@every_framework
async def test_a_function_that_is_a_tool_of_headways_shares_by_itself(
    framework: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    runs: list[str] = []

    @tool(reads=["company:{symbol}"])
    async def get_rating(symbol: str) -> str:
        """How analysts rate a company."""
        runs.append(symbol)
        return "buy"

    agent = framework(client, [get_rating], {"get_rating": Effects(exclusive=True)})
    rating = ("get_rating", {"symbol": "NVDA"})
    async with session():
        assert "buy" in await agent.ask(told([rating], [rating]))
    assert runs == ["NVDA"]


# --- several frameworks in one session --------------------------------------------------------


PAIRS = [(one, other) for one in FRAMEWORKS for other in FRAMEWORKS if one is not other]
every_pair = pytest.mark.parametrize(
    ("one", "other"), PAIRS, ids=lambda framework: framework.__name__
)


@every_pair
async def test_two_frameworks_asking_one_function_at_once_run_it_once(
    one: Any, other: Any, client: AsyncOpenAI, companies: Companies, model: Obedient
) -> None:
    companies.gate = asyncio.Event()
    functions = companies.functions
    agents = [one(client, functions), other(client, functions)]
    async with session():
        asked = [asyncio.create_task(agent.ask(told([PRICE]))) for agent in agents]
        await asyncio.wait_for(companies.started.wait(), 10)
        await asyncio.sleep(0.2)
        companies.gate.set()
        said = await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert companies.runs == ["get_price NVDA"]
    assert all("100" in text for text in said)


@every_pair
async def test_each_framework_says_the_shared_result_in_its_own_way(
    one: Any, other: Any, client: AsyncOpenAI, companies: Companies, model: Obedient
) -> None:
    functions = companies.functions
    async with session():
        await one(client, functions).ask(told([PRICE]))
        after_one = await other(client, functions).ask(told([PRICE]))
    assert companies.runs == ["get_price NVDA"]
    async with session():
        assert after_one == await other(client, functions).ask(told([PRICE]))


@every_pair
async def test_a_write_by_one_voids_what_the_other_read(
    one: Any, other: Any, client: AsyncOpenAI, companies: Companies
) -> None:
    functions = companies.functions
    reader, writer = one(client, functions), other(client, functions)
    async with session():
        await reader.ask(told([PRICE]))
        await writer.ask(told([("set_price", {"symbol": "NVDA", "price": 7})]))
        assert "7" in await reader.ask(told([PRICE]))
    assert companies.runs == ["get_price NVDA", "set_price NVDA", "get_price NVDA"]
    assert EFFECTS["set_price"].writes == ("company:{symbol}",)
