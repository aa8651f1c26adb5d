"""An agent that delegates to three sub-agents, all with tools, on the plain openai SDK.

It knows nothing of Headway. Look at it from outside:  headway run -- python examples/agent.py

It talks to whatever OPENAI_BASE_URL says; with no such variable it starts a stand-in model itself.
`python examples/agent.py --provider` is that stand-in alone, for a second terminal.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from openai import AsyncOpenAI

from headway.testing import Answer, Pace, Provider, Question

MODEL, PACE = "gpt-5.4-mini", Pace(ttft_s=0.03, tokens_per_s=1000)
TEAM = ("fundamentals", "filings", "risk")
RULES = "\n".join(
    f"Rule {n}: say where figure {n} comes from, and when it was read." for n in range(70)
)
Tool = Callable[..., Awaitable[str]]
called: Counter[tuple[str, str]] = Counter()


async def get_profile(symbol: str) -> str:
    """What the company does."""
    await asyncio.sleep(0.03)
    return f"{symbol} designs processors."


async def get_filing(symbol: str, year: int) -> str:
    """A filing of one year."""
    await asyncio.sleep(0.05)
    return f"10-K {year} of {symbol}"


TOOLS: dict[str, Tool] = {"get_profile": get_profile, "get_filing": get_filing}
COMPANY = {"symbol": {"type": "string"}}
SCHEMAS = {
    "get_profile": {"type": "object", "properties": COMPANY},
    "get_filing": {"type": "object", "properties": {**COMPANY, "year": {"type": "integer"}}},
    "ask_analyst": {
        "type": "object",
        "properties": {"analyst": {"enum": list(TEAM)}, "task": {"type": "string"}},
    },
}


class Agent:
    """A loop around a model: ask it, run the tools it wants, tell it what came of them."""

    def __init__(
        self, llm: AsyncOpenAI, system: str, tools: dict[str, Tool], streams: bool
    ) -> None:
        self.llm, self.system, self.tools, self.streams = llm, system, tools, streams

    async def work(self, task: str) -> str:
        messages = [
            {"role": "system", "content": f"{self.system}\n{RULES}"},
            {"role": "user", "content": task},
        ]
        while True:
            said = await self.ask(messages)
            messages.append(said)
            if not said.get("tool_calls"):
                return str(said["content"])
            messages += await asyncio.gather(*map(self.run, said["tool_calls"]))

    async def ask(self, messages: list) -> dict:
        tools = [
            {"type": "function", "function": {"name": name, "parameters": SCHEMAS[name]}}
            for name in self.tools
        ]
        asked = {"model": MODEL, "messages": messages, "tools": tools}
        if not self.streams:
            answer = await self.llm.chat.completions.create(**asked)
        else:
            usage = {"include_usage": True}
            async with self.llm.chat.completions.stream(**asked, stream_options=usage) as stream:
                answer = await stream.get_final_completion()
        said = answer.choices[0].message.model_dump(include={"role", "content", "tool_calls"})
        for call in said["tool_calls"] or []:
            call["function"].pop("parsed_arguments", None)
        return {name: value for name, value in said.items() if value}

    async def run(self, call: dict) -> dict:
        name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
        called[name, json.dumps(arguments, sort_keys=True)] += 1
        result = await self.tools[name](**arguments)
        return {"role": "tool", "tool_call_id": call["id"], "content": result}


def model(question: Question) -> Answer:
    """What the stand-in says: the lead delegates, the analysts look up, all end with a text."""
    can, turn = {tool.name for tool in question.tools}, question.turn
    if "ask_analyst" in can and turn == 0:
        each = [("ask_analyst", {"analyst": a, "task": f"Look at NVDA: its {a}."}) for a in TEAM]
        return Answer(tool_calls=each)
    if "get_profile" in can and turn == 0:
        return Answer(tool_calls=[("get_profile", {"symbol": "NVDA"})])
    if "get_filing" in can and turn == 1 and "risk" not in question.last_user:
        years = [("get_filing", {"symbol": "NVDA", "year": year}) for year in (2025, 2026)]
        return Answer(tool_calls=years)
    return Answer(text=f"All is well. ({question.last_user})")


async def main() -> None:
    async with AsyncExitStack() as stack:
        if not os.environ.get("OPENAI_BASE_URL"):
            provider = await stack.enter_async_context(Provider(model, pace=PACE))
            os.environ["OPENAI_BASE_URL"] = provider.openai_url
        key = os.environ.get("OPENAI_API_KEY", "any text")
        llm = await stack.enter_async_context(AsyncOpenAI(api_key=key))
        team = {name: Agent(llm, f"You analyse {name}.", TOOLS, name != "risk") for name in TEAM}

        async def ask_analyst(analyst: str, task: str) -> str:
            return await team[analyst].work(task)

        lead = Agent(llm, "You are the lead.", {"ask_analyst": ask_analyst}, streams=False)
        print(await lead.work("Is NVDA a good company?"))
    by_tool = Counter(name for name, _ in called.elements())
    print("tools called:", ", ".join(f"{name} {n}" for name, n in sorted(by_tool.items())))
    print("called again with the same arguments:", called.total() - len(called))


async def provide() -> None:
    async with Provider(model, pace=PACE) as provider:
        print(f"export OPENAI_BASE_URL={provider.openai_url} OPENAI_API_KEY=any", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(provide() if "--provider" in sys.argv else main())
