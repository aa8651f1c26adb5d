"""LangChain and LangGraph: what is theirs alone."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, Tool, ToolException, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode, ToolRuntime
from langgraph.types import Command, interrupt
from openai import AsyncOpenAI
from pydantic import Field

from headway.doors.langchain import SharedTools
from headway.errors import BadSetup
from headway.testing import Provider
from headway.tools import Effects, session
from tests.doors.world import Obedient, told

READ = Effects(reads=("things:{name}",))
runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    runs.clear()


def graph_of(*tools: Any, shared: SharedTools, **more: Any) -> Any:
    """LangGraph's own node for tools, with the door before them."""
    node = ToolNode(
        tools, wrap_tool_call=shared.wrap_tool_call, awrap_tool_call=shared.awrap_tool_call, **more
    )
    graph = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    return graph.compile(checkpointer=InMemorySaver())


def calls(*named: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What a model says to have these tools called."""
    listed = [
        {"name": name, "args": arguments, "id": f"id_{number}", "type": "tool_call"}
        for number, (name, arguments) in enumerate(named)
    ]
    return {"messages": [AIMessage(content="", tool_calls=listed)]}


threads = iter(range(1000))


def on_a_thread_of_its_own(**more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": str(next(threads)), **more}}


async def ask(graph: Any, *named: tuple[str, dict[str, Any]], **more: Any) -> list[ToolMessage]:
    answer = await graph.ainvoke(calls(*named), on_a_thread_of_its_own(**more))
    return [message for message in answer["messages"] if isinstance(message, ToolMessage)]


A = ("look", {"name": "a"})


async def look(name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name}"


def look_plainly(name: str) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name}"


class Look(BaseTool):
    """A tool that is a class, sync alone."""

    name: str = "look"
    description: str = "Look at a thing."
    metadata: dict[str, Any] | None = Field(
        default_factory=lambda: {"headway": {"reads": ["things:{name}"]}}
    )

    def _run(self, name: str, run_manager: Any = None) -> str:
        runs.append(name)
        return f"saw {name}"


class LookBothWays(Look):
    """A tool that is a class, and has a way of its own to be awaited."""

    async def _arun(self, name: str, run_manager: Any = None) -> str:
        runs.append(name)
        return f"saw {name}"


def decorated(function: Callable[..., Any]) -> Any:
    made = tool(function)
    made.name = "look"
    made.metadata = {"headway": READ}
    return made


MAKERS = {
    "async function": lambda: decorated(look),
    "plain function": lambda: decorated(look_plainly),
    "class": Look,
    "class with both ways": LookBothWays,
}
every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_kind
async def test_every_kind_of_tool_is_shared_in_a_tool_node(make: Callable[[], Any]) -> None:
    graph = graph_of(make(), shared=SharedTools())
    async with session():
        first = await ask(graph, A, ("look", {"name": "b"}))
        again = await ask(graph, ("look", {"name": "b"}), A, A)
    assert [message.content for message in first] == ["saw a", "saw b"]
    assert [message.tool_call_id for message in first] == ["id_0", "id_1"]
    assert [message.content for message in again] == ["saw b", "saw a", "saw a"]
    assert [message.tool_call_id for message in again] == ["id_0", "id_1", "id_2"]
    assert sorted(runs) == ["a", "b"]


@pytest.mark.parametrize("make", [MAKERS["plain function"], Look], ids=["function", "class"])
def test_a_graph_without_a_loop_shares_too(make: Callable[[], Any]) -> None:
    graph = graph_of(make(), shared=SharedTools())
    with session():
        for _ in range(2):
            answer = graph.invoke(calls(A), on_a_thread_of_its_own())
            assert [message.content for message in answer["messages"][1:]] == ["saw a"]
    assert runs == ["a"]


async def test_an_agent_of_a_loop_and_one_without_share() -> None:
    graph = graph_of(decorated(look_plainly), shared=SharedTools())
    async with session():
        await ask(graph, A)
        await asyncio.to_thread(graph.invoke, calls(A), on_a_thread_of_its_own())
    assert runs == ["a"]


async def test_two_objects_of_a_class_are_two_tools() -> None:
    async with session():
        for _ in range(2):
            await ask(graph_of(Look(), shared=SharedTools()), A)
    assert runs == ["a", "a"]


# --- more than the model said ----------------------------------------------------------------


async def look_in_state(
    name: str, messages: Annotated[list[Any], InjectedState("messages")]
) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name}"


async def look_at_runtime(name: str, runtime: ToolRuntime) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name} for {runtime.config['configurable'].get('user')}"


async def look_by_config(name: str, config: RunnableConfig) -> str:
    """Look at a thing."""
    runs.append(name)
    return f"saw {name} for {config['configurable'].get('user')}"


WITH_CONTEXT = [look_in_state, look_at_runtime, look_by_config]
every_context = pytest.mark.parametrize("function", WITH_CONTEXT, ids=lambda one: one.__name__)


@every_context
async def test_what_is_injected_keeps_results_apart(function: Callable[..., Any]) -> None:
    graph = graph_of(decorated(function), shared=SharedTools())
    async with session():
        await ask(graph, A, A)
    assert runs == ["a", "a"]


@pytest.mark.parametrize("function", WITH_CONTEXT[1:], ids=lambda one: one.__name__)
async def test_unless_it_is_said_what_of_it_matters(function: Callable[..., Any]) -> None:
    shared = SharedTools(context=lambda request: request.runtime.config["configurable"]["user"])
    graph = graph_of(decorated(function), shared=shared)
    async with session():
        said = [(await ask(graph, A, user=user))[0].content for user in ("Ada", "Bob", "Ada")]
    assert said == ["saw a for Ada", "saw a for Bob", "saw a for Ada"]
    assert runs == ["a", "a"]


async def test_a_command_answers_the_one_call_it_names() -> None:
    async def hand_over(name: str, id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Hand over."""
        runs.append(name)
        return Command(update={"messages": [ToolMessage(f"to {name}", tool_call_id=id)]})

    shared = SharedTools(context=lambda request: None)
    graph = graph_of(decorated(hand_over), shared=shared)
    async with session():
        messages = await ask(graph, A, A)
    assert [message.tool_call_id for message in messages] == ["id_0", "id_1"]
    assert runs == ["a", "a"]


async def test_an_interrupt_is_for_the_thread_that_met_it() -> None:
    async def look_if_allowed(name: str) -> str:
        """Look at a thing."""
        allowed = interrupt(f"may I look at {name}?")
        runs.append(name)
        return f"saw {name}: {allowed}"

    graph = graph_of(decorated(look_if_allowed), shared=SharedTools())
    configs = [on_a_thread_of_its_own() for _ in range(2)]
    async with session():
        asked = await asyncio.gather(*(graph.ainvoke(calls(A), config) for config in configs))
        assert [len(one["__interrupt__"]) for one in asked] == [1, 1]
        answer = await graph.ainvoke(Command(resume="yes"), configs[1])
        assert answer["messages"][-1].content == "saw a: yes"
    assert runs == ["a"]


class ForUser(AgentMiddleware):
    """Adds to each call for whom it is, after the model spoke."""

    def __init__(self, user: str) -> None:
        super().__init__()
        self.user = user

    def _for_user(self, request: ToolCallRequest) -> ToolCallRequest:
        call = request.tool_call
        arguments = {**call["args"], "user": self.user}
        context = replace(request.runtime, context=self.user)
        return request.override(tool_call={**call, "args": arguments}, runtime=context)

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        return handler(self._for_user(request))

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        return await handler(self._for_user(request))


async def orders(user: str = "nobody") -> str:
    """The orders of a user."""
    runs.append(user)
    return f"orders of {user}"


def orders_plainly(user: str = "nobody") -> str:
    """The orders of a user."""
    runs.append(user)
    return f"orders of {user}"


async def orders_by_context(runtime: ToolRuntime[str]) -> str:
    """The orders of a user."""
    runs.append(runtime.context)
    return f"orders of {runtime.context}"


def asked_through_middleware(
    client: AsyncOpenAI, function: Callable[..., Any], shared: SharedTools, user: str
) -> Any:
    made = tool(function)
    made.name = "orders"
    chat = ChatOpenAI(
        model="gpt-4o-mini",
        base_url=str(client.base_url),
        api_key="k",
        async_client=client.chat.completions,
    )
    return create_agent(chat, [made], middleware=[shared, ForUser(user)])


@pytest.mark.parametrize("function", [orders, orders_plainly, orders_by_context])
async def test_what_middleware_further_in_makes_of_the_arguments_counts(
    client: AsyncOpenAI, function: Callable[..., Any]
) -> None:
    shared = SharedTools(
        {"orders": Effects(reads=("orders",))}, context=lambda request: request.runtime.context
    )
    said = []
    async with session():
        for user in ("Ada", "Bob", "Ada"):
            agent = asked_through_middleware(client, function, shared, user)
            answer = await agent.ainvoke({"messages": [("user", told([("orders", {})]))]})
            said.append(answer["messages"][-1].content)
    assert said == ["orders of Ada", "orders of Bob", "orders of Ada"]
    assert runs == ["Ada", "Bob"]


async def test_what_a_tool_reads_is_told_by_the_arguments_it_receives(client: AsyncOpenAI) -> None:
    shared = SharedTools(
        {"orders": Effects(reads=("orders:{user}",)), "order": Effects(writes=("orders:Ada",))}
    )
    graph = graph_of(tool("order")(look_plainly), shared=shared)
    asked = {"messages": [("user", told([("orders", {})]))]}
    async with session():
        agents = [asked_through_middleware(client, orders, shared, who) for who in ("Ada", "Bob")]
        for agent in agents:
            await agent.ainvoke(asked)
        await ask(graph, ("order", {"name": "b"}))
        for agent in agents:
            await agent.ainvoke(asked)
    assert runs == ["Ada", "Bob", "b", "Ada"]


async def test_a_tool_of_one_text_is_shared_by_that_text() -> None:
    async def look_at(tool_input: str) -> str:
        return await look(tool_input)

    single = Tool("look", None, "Look at a thing.", coroutine=look_at)
    effects = {"look": Effects(reads=("things:{tool_input}",))}
    graph = graph_of(single, shared=SharedTools(effects, context=lambda request: None))
    one_text = [("look", {"__arg1": name}) for name in ("a", "b")]
    async with session():
        for _ in range(2):
            said = [message.content for message in await ask(graph, *one_text)]
            assert said == ["saw a", "saw b"]
    assert runs == ["a", "b"]


# --- LangChain's own ways stay -----------------------------------------------------------------


async def test_artifacts_come_with_each_answer() -> None:
    @tool(response_format="content_and_artifact")
    async def look(name: str) -> tuple[str, dict[str, str]]:
        """Look at a thing."""
        runs.append(name)
        return f"saw {name}", {"picture": name}

    graph = graph_of(look, shared=SharedTools({"look": READ}))
    async with session():
        messages = await ask(graph, A, A)
    assert [message.artifact for message in messages] == [{"picture": "a"}] * 2
    assert runs == ["a"]


async def test_a_tools_own_handling_of_errors_stays_and_errors_are_not_kept() -> None:
    @tool
    async def look(name: str) -> str:
        """Look at a thing."""
        runs.append(name)
        raise ToolException(f"{name} is dark")

    look.handle_tool_error = True
    graph = graph_of(look, shared=SharedTools({"look": READ}))
    async with session():
        for _ in range(2):
            (message,) = await ask(graph, A)
            assert (message.content, message.status) == ("a is dark", "error")
    assert runs == ["a", "a"]


async def test_annotations_of_mcp_in_the_metadata_declare() -> None:
    reading, silent = decorated(look), decorated(look_plainly)
    reading.metadata = {"readOnlyHint": True, "title": "Look"}
    silent.name, silent.metadata = "poke", {"readOnlyHint": False}
    graph = graph_of(reading, silent, shared=SharedTools())
    async with session():
        await ask(graph, A)
        await ask(graph, A)
        assert runs == ["a"]
        await ask(graph, ("poke", {"name": "b"}))
        await ask(graph, A)
    assert runs == ["a", "b", "a"]


async def test_a_tool_that_the_node_does_not_know_is_the_nodes_affair() -> None:
    graph = graph_of(decorated(look), shared=SharedTools())
    async with session():
        (message,) = await ask(graph, ("other", {}))
    assert "other is not a valid tool" in str(message.content)


async def test_callbacks_hear_of_a_call_that_was_answered() -> None:
    heard = []
    graph = graph_of(decorated(look), shared=SharedTools())
    async with session():
        for _ in range(2):
            async for event in graph.astream_events(calls(A), on_a_thread_of_its_own()):
                if event["event"] == "on_tool_end":
                    heard.append(event["data"]["output"].content)
    assert heard == ["saw a", "saw a"]
    assert runs == ["a"]


def test_an_agent_without_a_loop() -> None:
    model = Obedient()
    with Provider(answers=model) as provider:
        chat = ChatOpenAI(model="gpt-4o-mini", base_url=provider.openai_url, api_key="k")
        agent = create_agent(chat, [decorated(look_plainly)], middleware=[SharedTools()])
        with session():
            answer = agent.invoke({"messages": [("user", told([A], [A, A]))]})
        chat.root_client.close()
    assert answer["messages"][-1].content == "saw a | saw a"
    assert runs == ["a"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"reads": "things"}, "array"),
        ({"read": ["things"]}, "fields"),
        ("read", "fields"),
        ({"reads": ["{"]}, "cannot be filled in"),
    ],
)
async def test_metadata_that_say_nothing_sensible_are_refused(said: object, problem: str) -> None:
    wrong = decorated(look)
    wrong.metadata = {"headway": said}
    with pytest.raises(BadSetup, match=problem):
        await ask(graph_of(wrong, shared=SharedTools(), handle_tool_errors=False), A)


def test_what_cannot_be_effects_is_refused_at_once() -> None:
    with pytest.raises(BadSetup, match="use Effects"):
        SharedTools({"look": "read"})  # type: ignore[dict-item]
    with pytest.raises(BadSetup, match=r"\['task'\]"):
        SharedTools(agents="task")
