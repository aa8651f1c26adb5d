"""pydantic-ai: what is its alone."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from fastmcp import FastMCP
from openai import AsyncOpenAI
from pydantic_ai import Agent, DeferredToolRequests, ModelRetry, RunContext, Tool, ToolReturn
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import CombinedToolset, FunctionToolset, WrapperToolset

from headway.doors.pydantic_ai import SharedToolset, _reached
from headway.tools import Effects, session
from tests.doors.frameworks import MODEL
from tests.doors.world import Obedient, told

READ = Effects(reads=("things:{name}",))
A = ("look", {"name": "a"})
runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    runs.clear()


async def look(name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name}"


def look_plainly(name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name}"


def agent_of(client: AsyncOpenAI, *toolsets: Any, **more: Any) -> Agent[Any, Any]:
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))
    return Agent(model, toolsets=list(toolsets), **more)


@pytest.mark.parametrize("function", [look, look_plainly], ids=["async", "plain"])
async def test_metadata_of_a_tool_declare(client: AsyncOpenAI, function: Any) -> None:
    made = Tool(function, name="look", metadata={"headway": {"reads": ["things:{name}"]}})
    agent = agent_of(client, SharedToolset(FunctionToolset([made])))
    async with session():
        assert (await agent.run(told([A], [A]))).output == "saw a"
    assert runs == ["a"]


@pytest.mark.parametrize("is_outside", [True, False])
async def test_toolsets_may_be_wrapped_and_combined(client: AsyncOpenAI, is_outside: bool) -> None:
    inner: Any = FunctionToolset([look])
    if is_outside:
        toolset: Any = SharedToolset(
            CombinedToolset([inner.prefixed("my"), FunctionToolset([look_plainly])]),
            {"my_look": READ},
        )
    else:
        toolset = SharedToolset(inner, {"look": READ}).prefixed("my")
    agent = agent_of(client, toolset)
    mine = ("my_look", {"name": "a"})
    async with session():
        assert (await agent.run(told([mine], [mine]))).output == "saw a"
    assert runs == ["a"]


@dataclass
class Person:
    name: str


async def look_for(context: RunContext[Person], name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"{context.deps.name} saw {name}"


async def test_a_function_that_takes_the_context_is_not_shared(client: AsyncOpenAI) -> None:
    toolset = SharedToolset(FunctionToolset([look_for]), {"look_for": READ})
    agent = agent_of(client, toolset, deps_type=Person)
    call = ("look_for", {"name": "a"})
    async with session():
        for person in ("Ada", "Bob"):
            said = (await agent.run(told([call]), deps=Person(person))).output
            assert said == f"{person} saw a"
    assert runs == ["a", "a"]


async def test_unless_it_is_said_what_of_it_matters(client: AsyncOpenAI) -> None:
    toolset = SharedToolset(
        FunctionToolset([look_for]), {"look_for": READ}, context=lambda context: context.deps.name
    )
    agent = agent_of(client, toolset, deps_type=Person)
    call = ("look_for", {"name": "a"})
    async with session():
        for person in ("Ada", "Bob", "Ada"):
            said = (await agent.run(told([call]), deps=Person(person))).output
            assert said == f"{person} saw a"
    assert runs == ["a", "a"]


async def orders(user: str = "nobody") -> str:
    """The orders of a user."""
    runs.append(user)
    return f"orders of {user}"


class ForUser(WrapperToolset[Person]):
    """Adds to each call for whom it is, after the model spoke."""

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        arguments = {**tool_args, "user": ctx.deps.name}
        return await super().call_tool(name, arguments, ctx, tool)


class OfUser(FunctionToolset[Person]):
    """Answers for the user instead of calling the function."""

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        return await orders(ctx.deps.name)


CALLS_OF_THEIR_OWN = {
    "wrapped": lambda: ForUser(FunctionToolset([orders])),
    "renamed": lambda: (
        ForUser(FunctionToolset([orders])).prefixed("x").renamed({"orders": "x_orders"})
    ),
    "combined": lambda: CombinedToolset(
        [FunctionToolset([look]), ForUser(FunctionToolset([orders]))]
    ),
    "filtered": lambda: ForUser(CombinedToolset([FunctionToolset([orders])])).filtered(
        lambda context, tool: True
    ),
    "functions": lambda: OfUser([orders]),
}


@pytest.mark.parametrize("make", CALLS_OF_THEIR_OWN.values(), ids=CALLS_OF_THEIR_OWN)
@pytest.mark.parametrize("is_said", [False, True])
async def test_a_toolset_with_a_call_of_its_own_may_look_at_the_context(
    client: AsyncOpenAI, make: Any, is_said: bool
) -> None:
    context = (lambda context: context.deps.name) if is_said else None
    effects = {"orders": Effects(reads=("orders",))}
    toolset = SharedToolset(make(), effects, context=context)
    agent = agent_of(client, toolset, deps_type=Person)
    async with session():
        for person in ("Ada", "Bob", "Ada"):
            run = await agent.run(told([("orders", {})]), deps=Person(person))
            assert run.output == f"orders of {person}"
    assert runs == ["Ada", "Bob"] + ([] if is_said else ["Ada"])


async def test_toolsets_of_the_framework_that_hand_calls_on_do_not_hinder(
    client: AsyncOpenAI,
) -> None:
    toolset: Any = CombinedToolset([FunctionToolset([look])]).prefixed("my")
    toolset = toolset.renamed({"look": "my_look"}).filtered(lambda context, tool: True)
    agent = agent_of(client, SharedToolset(toolset, {"look": READ}))
    async with session():
        for _ in range(2):
            assert (await agent.run(told([A], [A]))).output == "saw a"
    assert runs == ["a"]


async def test_a_retry_goes_to_the_model_and_is_not_kept(
    client: AsyncOpenAI, model: Obedient
) -> None:
    async def look(name: str) -> str:
        """Look at a thing."""
        runs.append(name)
        if len(runs) == 1:
            raise ModelRetry("look again")
        return f"saw {name}"

    agent = agent_of(client, SharedToolset(FunctionToolset([look]), {"look": READ}))
    async with session():
        assert (await agent.run(told([A], [A], [A]))).output == "saw a"
    assert "look again" in model.results[0][0][1]
    assert runs == ["a", "a"]


async def test_metadata_of_a_return_come_with_each_answer(client: AsyncOpenAI) -> None:
    async def look(name: str) -> ToolReturn[str]:
        """Look at a thing."""
        runs.append(name)
        return ToolReturn(f"saw {name}", metadata={"picture": name})

    agent = agent_of(client, SharedToolset(FunctionToolset([look]), {"look": READ}))
    async with session():
        run = await agent.run(told([A], [A]))
    parts = [part for message in run.all_messages() for part in message.parts]
    assert [part.metadata for part in parts if part.part_kind == "tool-return"] == [
        {"picture": "a"}
    ] * 2
    assert runs == ["a"]


async def test_a_call_that_needs_approval_asks_for_it_each_time(client: AsyncOpenAI) -> None:
    async def look(context: RunContext[None], name: str) -> str:
        """Look at a thing."""
        runs.append(name)
        if not context.tool_call_approved:
            raise ApprovalRequired
        return f"saw {name}"

    toolset = SharedToolset(
        FunctionToolset([look]), {"look": READ}, context=lambda context: context.tool_call_approved
    )
    agent = agent_of(client, toolset, output_type=[str, DeferredToolRequests])
    async with session():
        asked = await asyncio.gather(*(agent.run(told([A])) for _ in range(2)))
    for one in asked:
        assert isinstance(one.output, DeferredToolRequests)
        assert [call.tool_name for call in one.output.approvals] == ["look"]


async def test_annotations_of_an_mcp_server_declare(client: AsyncOpenAI) -> None:
    server: Any = FastMCP("things")
    server.tool(look, annotations={"readOnlyHint": True})
    server.tool(look_plainly, name="poke")
    agents = [agent_of(client, SharedToolset(MCPToolset(server, id="things"))) for _ in range(2)]
    async with session():
        for agent in agents:
            async with agent:
                assert "saw a" in (await agent.run(told([A], [A]))).output
        assert runs == ["a"]
        await agents[0].run(told([("poke", {"name": "b"})], [A]))
    assert runs == ["a", "b", "a"]


async def test_one_id_of_two_servers_keeps_them_apart(client: AsyncOpenAI) -> None:
    async with session():
        for person in ("Ada", "Bob"):
            server: Any = FastMCP("mail")

            @server.tool(annotations={"readOnlyHint": True})
            def whose(of: str = person) -> str:
                return f"mail of {of}"

            agent = agent_of(client, SharedToolset(MCPToolset(server, id="mail")))
            assert (await agent.run(told([("whose", {})]))).output == f"mail of {person}"


def test_what_an_id_stands_for_is_how_its_server_is_reached() -> None:
    def reached(**more: Any) -> object:
        return _reached(MCPToolset("http://localhost/mcp", id="mail", **more))

    assert isinstance(reached(auth="Ada's"), str)
    assert reached(auth="Ada's") == reached(auth="Ada's")
    ways = [reached(), reached(auth="Ada's"), reached(auth="Bob's"), reached(headers={"a": "b"})]
    assert len(set(ways)) == 4
    assert "Ada" not in str(ways)


async def test_a_failed_tool_of_a_server_is_not_kept(client: AsyncOpenAI, model: Obedient) -> None:
    server: Any = FastMCP("things")

    @server.tool(annotations={"readOnlyHint": True})
    def look(name: str) -> str:
        runs.append(name)
        raise ValueError(f"{name} is dark")

    agent = agent_of(client, SharedToolset(MCPToolset(server, max_retries=5)))
    async with session():
        await agent.run(told([A], [A]))
    assert runs == ["a", "a"]
    assert "a is dark" in model.results[0][0][1]
