"""OpenAI Agents SDK: what is its alone."""

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from agents import (
    Agent,
    FunctionTool,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    Runner,
    WebSearchTool,
    function_tool,
)
from agents.mcp import MCPServer, MCPServerStdio
from agents.tool_context import ToolContext
from mcp import types
from openai import AsyncOpenAI

from headway.doors.openai_agents import shared_tools
from headway.doors.openai_agents_mcp import SharedServer
from headway.tools import Effects, session
from tests.doors.frameworks import MODEL
from tests.doors.world import Obedient, told

READ = Effects(reads=("things:{name}",))
A = ("look", {"name": "a"})
QUIET = RunConfig(tracing_disabled=True)
runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    runs.clear()


async def look(name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name}"


def agent_of(client: AsyncOpenAI, tools: Sequence[Any] = (), **more: Any) -> Agent[Any]:
    model = OpenAIChatCompletionsModel(MODEL, client)
    return Agent(name="agent", model=model, tools=list(tools), **more)


async def ask(agent: Agent[Any], *turns: Any, **more: Any) -> str:
    run = await Runner.run(agent, told(*turns), run_config=QUIET, **more)
    return str(run.final_output)


async def test_on_the_wire_of_responses_too(client: AsyncOpenAI) -> None:
    agent = agent_of(client, shared_tools([function_tool(look)], {"look": READ}))
    agent.model = OpenAIResponsesModel(MODEL, client)
    async with session():
        assert await ask(agent, [A, A], [A]) == "saw a"
    assert runs == ["a"]


async def test_a_plain_function_runs_on_a_thread_and_is_shared(client: AsyncOpenAI) -> None:
    def look(name: str) -> str:
        """Look at a thing."""
        runs.append(name)
        return f"saw {name}"

    agent = agent_of(client, shared_tools([function_tool(look)], {"look": READ}))
    async with session():
        assert await ask(agent, [A], [A]) == "saw a"
    assert runs == ["a"]


async def look_for(context: RunContextWrapper[str], name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"{context.context} saw {name}"


async def look_in_tool_context(context: ToolContext[str], name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"{context.context} saw {name}"


@pytest.mark.parametrize("function", [look_for, look_in_tool_context], ids=lambda f: f.__name__)
async def test_a_function_that_takes_the_context_is_not_shared(
    client: AsyncOpenAI, function: Any
) -> None:
    made = function_tool(function, name_override="look")
    agent = agent_of(client, shared_tools([made], {"look": READ}))
    async with session():
        for person in ("Ada", "Bob"):
            assert await ask(agent, [A], context=person) == f"{person} saw a"
    assert runs == ["a", "a"]


async def test_unless_it_is_said_what_of_it_matters(client: AsyncOpenAI) -> None:
    made = function_tool(look_for, name_override="look")
    tools = shared_tools([made], {"look": READ}, context=lambda context: context.context)
    agent = agent_of(client, tools)
    async with session():
        for person in ("Ada", "Bob", "Ada"):
            assert await ask(agent, [A], context=person) == f"{person} saw a"
    assert runs == ["a", "a"]


@pytest.mark.parametrize("words", [None, "it went wrong"])
async def test_errors_become_the_messages_they_are_without_a_door(
    client: AsyncOpenAI, words: str | None
) -> None:
    async def look(name: str) -> str:
        """Look at a thing."""
        runs.append(name)
        raise ValueError(f"{name} is dark")

    more: dict[str, Any] = {}
    if words is not None:
        more["failure_error_function"] = lambda context, error: f"{words}: {error}"
    made = function_tool(look, **more)
    plain = await ask(agent_of(client, [made]), [A])
    agent = agent_of(client, shared_tools([made], {"look": READ}))
    async with session():
        assert [await ask(agent, [A]) for _ in range(2)] == [plain, plain]
    assert runs == ["a", "a", "a"]


async def test_an_error_that_ends_the_run_ends_it(client: AsyncOpenAI) -> None:
    async def look(name: str) -> str:
        """Look at a thing."""
        raise ValueError(f"{name} is dark")

    made = function_tool(look, failure_error_function=None)
    agent = agent_of(client, shared_tools([made], {"look": READ}))
    async with session():
        with pytest.raises(Exception, match="a is dark"):
            await ask(agent, [A])


async def test_a_call_that_needs_approval_waits_for_it(client: AsyncOpenAI) -> None:
    made = function_tool(look, needs_approval=True)
    agent = agent_of(client, shared_tools([made], {"look": READ}))
    async with session():
        run = await Runner.run(agent, told([A]), run_config=QUIET)
        assert runs == []
        state = run.to_state()
        (interruption,) = run.interruptions
        state.approve(interruption)
        run = await Runner.run(agent, state, run_config=QUIET)
        assert run.final_output == "saw a"
    assert runs == ["a"]


async def test_a_tool_without_a_function_is_shared_by_what_it_is(client: AsyncOpenAI) -> None:
    async def invoke(context: ToolContext[Any], said: str) -> str:
        runs.append(said)
        return f"saw {said}"

    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    made = FunctionTool("look", "", schema, invoke, strict_json_schema=False)
    agent = agent_of(client, shared_tools([made], {"look": READ}, context=lambda context: None))
    async with session():
        await ask(agent, [A], [A])
    assert runs == ['{"name":"a"}']


async def test_agents_as_tools_and_tools_of_the_provider_pass(client: AsyncOpenAI) -> None:
    inner = agent_of(client, shared_tools([function_tool(look)], {"look": READ}))
    research, search = inner.as_tool("research", "Let a researcher do it."), WebSearchTool()
    assert shared_tools([research, search]) == [research, search]
    outer = agent_of(client, shared_tools([function_tool(look), research], {"look": READ}))
    async with session():
        await ask(outer, [A], [("research", {"input": told([A])})], [A])
    assert runs == ["a"]


async def test_words_that_are_no_arguments_are_the_tools_affair(
    client: AsyncOpenAI, model: Obedient
) -> None:
    (shared,) = shared_tools([function_tool(look)], {"look": READ})
    assert isinstance(shared, FunctionTool)
    for said in ("", "[]", "{", '{"name": 1}'):
        context = ToolContext(None, tool_name="look", tool_call_id="1", tool_arguments=said)
        async with session():
            assert "error" in (await shared.on_invoke_tool(context, said)).lower()
    assert runs == []


# --- MCP servers ---------------------------------------------------------------------------------

PRICE = ("get_price", {"symbol": "NVDA"})


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    (tmp_path / "ran").touch()
    return tmp_path / "ran"


def times(what: str, ran: Path) -> int:
    """How often a tool of the server has run."""
    return ran.read_text().split("\n").count(what)


def server_of(ran: Path, **more: Any) -> MCPServerStdio:
    script = Path(__file__).with_name("prices_server.py")
    return MCPServerStdio(
        {"command": sys.executable, "args": [str(script), str(ran)]},
        client_session_timeout_seconds=30,
        **more,
    )


async def test_two_agents_with_servers_of_their_own_share(client: AsyncOpenAI, ran: Path) -> None:
    async with (
        SharedServer(server_of(ran)) as one,
        SharedServer(server_of(ran)) as other,
        session(),
    ):
        agents = [agent_of(client, mcp_servers=[server]) for server in (one, other)]
        said = [await ask(agent, [PRICE], [PRICE]) for agent in agents]
        assert times("get_price NVDA", ran) == 1
        assert said[0] == said[1]
        assert "NVDA costs 100" in said[0]
        await ask(agents[1], [("set_price", {"symbol": "NVDA"})])
        await ask(agents[0], [PRICE])
    assert times("get_price NVDA", ran) == 2


async def test_a_result_that_is_an_error_is_not_kept(client: AsyncOpenAI, ran: Path) -> None:
    none = ("get_price", {"symbol": "NONE"})
    async with SharedServer(server_of(ran)) as server, session():
        said = await ask(agent_of(client, mcp_servers=[server]), [none], [none])
    assert "no such company" in said
    assert times("get_price NONE", ran) == 2


class Things(MCPServer):
    """A server of the user's own, in this process."""

    def __init__(self, annotations: types.ToolAnnotations | None, **more: Any) -> None:
        super().__init__(**more)
        self.annotations = annotations
        self.metas: list[Any] = []
        self.is_connected = False

    @property
    def name(self) -> str:
        return "things"

    async def connect(self) -> None:
        self.is_connected = True

    async def cleanup(self) -> None:
        self.is_connected = False

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> list[types.Tool]:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        return [types.Tool(name="look", input_schema=schema, annotations=self.annotations)]

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> types.CallToolResult:
        runs.append(tool_name)
        self.metas.append(meta)
        return types.CallToolResult(content=[types.TextContent(type="text", text="saw it")])

    async def list_prompts(self) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[])

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None
    ) -> types.GetPromptResult:
        return types.GetPromptResult(messages=[], description=name)


READ_ONLY = types.ToolAnnotations(read_only_hint=True)


async def test_a_server_of_ones_own_and_a_change_of_mind(client: AsyncOpenAI) -> None:
    things = Things(READ_ONLY)
    agent = agent_of(client, mcp_servers=[SharedServer(things)])
    async with session():
        await ask(agent, [A], [A])
        assert len(runs) == 1
        things.annotations = None
        await ask(agent, [A], [A])
    assert len(runs) == 3


async def test_calls_with_other_metadata_are_other_calls(client: AsyncOpenAI) -> None:
    users = iter(["Ada", "Bob", "Ada"])
    things = Things(READ_ONLY, tool_meta_resolver=lambda context: {"user": next(users)})
    agent = agent_of(client, mcp_servers=[SharedServer(things)])
    async with session():
        await ask(agent, [A], [A], [A])
    assert things.metas == [{"user": "Ada"}, {"user": "Bob"}]


async def test_all_else_is_the_servers_own(client: AsyncOpenAI) -> None:
    things = Things(None, require_approval="always", use_structured_content=True)
    async with SharedServer(things) as server:
        assert things.is_connected
        assert isinstance(server, MCPServer)
        assert (server.name, server.cached_tools, server.use_structured_content) == (
            "things",
            None,
            True,
        )
        assert (await server.list_prompts()).prompts == []
        assert (await server.get_prompt("x")).description == "x"
        for ask_for in (server.list_resources, server.list_resource_templates):
            with pytest.raises(NotImplementedError, match="things"):
                await ask_for()
        with pytest.raises(NotImplementedError, match="things"):
            await server.read_resource("x:y")
        assert copy.copy(server).name == "things"
        run = await Runner.run(agent_of(client, mcp_servers=[server]), told([A]), run_config=QUIET)
        assert len(run.interruptions) == 1
    assert not things.is_connected
    assert runs == []
