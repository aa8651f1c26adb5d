"""Agents of each framework, behind its door, asked in one way."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from agents import Agent as OpenAIAgent
from agents import OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import FunctionToolset

from headway.doors.langchain import SharedTools
from headway.doors.openai_agents import shared_tools
from headway.doors.pydantic_ai import SharedToolset
from headway.tools import Effects
from tests.doors.world import AGENTS, EFFECTS, Function

MODEL = "gpt-4o-mini"


class Agent(Protocol):
    async def ask(self, said: str) -> str: ...
    async def stream(self, said: str) -> str: ...


class LangChain:
    """An agent of LangChain 1.x."""

    def __init__(
        self,
        client: AsyncOpenAI,
        functions: Sequence[Function],
        effects: Mapping[str, Effects] = EFFECTS,
        agents: Collection[str] = AGENTS,
        *,
        has_door: bool = True,
    ) -> None:
        url = str(client.base_url)
        model = ChatOpenAI(
            model=MODEL, base_url=url, api_key="k", async_client=client.chat.completions
        )
        middleware = [SharedTools(effects, agents=agents)] if has_door else []
        self.agent = create_agent(model, [tool(one) for one in functions], middleware=middleware)

    async def ask(self, said: str) -> str:
        answer = await self.agent.ainvoke({"messages": [("user", said)]})
        return str(answer["messages"][-1].content)

    async def stream(self, said: str) -> str:
        told = ""
        async for message, where in self.agent.astream(
            {"messages": [("user", said)]}, stream_mode="messages"
        ):
            if where["langgraph_node"] == "model":
                told += message.text
        return told


class OpenAIAgents:
    """An agent of the OpenAI Agents SDK."""

    def __init__(
        self,
        client: AsyncOpenAI,
        functions: Sequence[Function],
        effects: Mapping[str, Effects] = EFFECTS,
        agents: Collection[str] = AGENTS,
        *,
        has_door: bool = True,
    ) -> None:
        tools = [function_tool(function) for function in functions]
        self.agent = OpenAIAgent[Any](
            name="agent",
            model=OpenAIChatCompletionsModel(MODEL, client),
            tools=shared_tools(tools, effects, agents=agents) if has_door else [*tools],
        )
        self.config = RunConfig(tracing_disabled=True)

    async def ask(self, said: str) -> str:
        return str((await Runner.run(self.agent, said, run_config=self.config)).final_output)

    async def stream(self, said: str) -> str:
        run = Runner.run_streamed(self.agent, said, run_config=self.config)
        told = ""
        async for event in run.stream_events():
            if event.type == "raw_response_event":
                is_text = event.data.type == "response.output_text.delta"
                told += event.data.delta if is_text else ""
        return told


class PydanticAI:
    """An agent of pydantic-ai."""

    def __init__(
        self,
        client: AsyncOpenAI,
        functions: Sequence[Function],
        effects: Mapping[str, Effects] = EFFECTS,
        agents: Collection[str] = AGENTS,
        *,
        has_door: bool = True,
    ) -> None:
        model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))
        plain = FunctionToolset[None](list(functions))
        toolset = SharedToolset(plain, effects, agents=agents) if has_door else plain
        self.agent = PydanticAgent(model, toolsets=[toolset])

    async def ask(self, said: str) -> str:
        return (await self.agent.run(said)).output

    async def stream(self, said: str) -> str:
        async with self.agent.run_stream(said) as run:
            return "".join([part async for part in run.stream_text(delta=True)])


FRAMEWORKS = (LangChain, OpenAIAgents, PydanticAI)
