"""The real Claude Agent SDK against the stand-in model; it is in an environment of its own."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sdk = pytest.importorskip(
    "claude_agent_sdk",
    reason="the Claude Agent SDK is not installed: `scripts/install claude`, then "
    "`.venv-claude/bin/python -m pytest tests/doors/test_claude_agent_sdk.py`",
)

from headway.doors.claude_agent import shared_servers  # noqa: E402
from headway.testing import Answer, Provider, Question, ToolUse  # noqa: E402
from headway.tools import Effects, session  # noqa: E402

Turn = list[tuple[str, dict[str, Any]]]


class Model:
    """Calls what the main agent and its sub-agents are to call, turn by turn."""

    def __init__(self, turns: list[Turn], of_sub_agent: list[Turn]) -> None:
        self.turns, self.of_sub_agent = turns, of_sub_agent
        self.results: list[tuple[str, str]] = []

    def __call__(self, question: Question) -> Answer:
        self.results += [(one.call_id, one.text) for one in question.tool_results]
        is_sub_agent = "a sub-agent" in question.system
        turns = self.of_sub_agent if is_sub_agent else self.turns
        if not question.tools or question.turn >= len(turns):
            return Answer(text="done")
        return Answer(tool_calls=[ToolUse(*call) for call in turns[question.turn]])


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Any]:
    """Ask an agent with *servers* once; gives the text in which it ends."""

    async def ask(model: Model, servers: dict[str, Any]) -> str:
        researcher = sdk.AgentDefinition(description="Researches.", prompt="You are a sub-agent.")
        async with Provider(answers=model) as provider:
            options = sdk.ClaudeAgentOptions(
                mcp_servers=servers,
                allowed_tools=[*(f"mcp__{name}" for name in servers), "Task", "Agent"],
                agents={"researcher": researcher},
                system_prompt="You are the main agent.",
                model="claude-sonnet-4-5",
                max_turns=10,
                cwd=tmp_path,
                setting_sources=[],
                env={
                    "ANTHROPIC_BASE_URL": provider.anthropic_url,
                    "ANTHROPIC_API_KEY": "a dummy",
                    "ENABLE_TOOL_SEARCH": "false",
                    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                    "CLAUDE_CONFIG_DIR": str(tmp_path),
                    "HOME": str(tmp_path),
                    "HEADWAY_FOLDER": str(tmp_path / "headway"),
                    "PATH": os.environ["PATH"],
                },
            )
            said = ""
            async for message in sdk.query(prompt="Do it.", options=options):
                if isinstance(message, sdk.ResultMessage):
                    assert not message.is_error, message
                    said = message.result
            return said

    return ask


def prices(runs: list[str], **annotations: bool) -> Any:
    """A server in this process."""
    hints = sdk.ToolAnnotations(**annotations)

    @sdk.tool("get_price", "The price of a share.", {"symbol": str}, annotations=hints)
    async def get_price(arguments: dict[str, Any]) -> dict[str, Any]:
        runs.append(f"get_price {arguments['symbol']}")
        return {"content": [{"type": "text", "text": f"{arguments['symbol']} costs 100"}]}

    @sdk.tool("set_price", "Give a share another price.", {"symbol": str})
    async def set_price(arguments: dict[str, Any]) -> dict[str, Any]:
        runs.append(f"set_price {arguments['symbol']}")
        return {"content": [{"type": "text", "text": "done"}]}

    return sdk.create_sdk_mcp_server("prices", tools=[get_price, set_price])


GET = ("mcp__prices__get_price", {"symbol": "NVDA"})
SET = ("mcp__prices__set_price", {"symbol": "NVDA"})


async def test_a_read_of_a_server_in_this_process_runs_once(ask: Callable[..., Any]) -> None:
    runs: list[str] = []
    model = Model([[GET, GET], [GET], [SET], [GET]], [])
    async with session():
        servers = shared_servers({"prices": prices(runs, readOnlyHint=True)})
        assert await ask(model, servers) == "done"
    assert runs == ["get_price NVDA", "set_price NVDA", "get_price NVDA"]
    assert sum("costs 100" in text for _, text in model.results) == 4


async def test_two_queries_of_a_session_share(ask: Callable[..., Any]) -> None:
    runs: list[str] = []
    effects = {"get_*": Effects(reads=("company:{symbol}",))}
    async with session():
        servers = shared_servers({"prices": prices(runs)}, effects)
        for _ in range(2):
            await ask(Model([[GET]], []), servers)
    assert runs == ["get_price NVDA"]


async def test_a_sub_agent_shares_with_the_main_agent(ask: Callable[..., Any]) -> None:
    runs: list[str] = []
    task = {"description": "research", "prompt": "Do it.", "subagent_type": "researcher"}
    model = Model([[GET], [("Agent", task)], [GET]], [[GET], [GET]])
    async with session():
        await ask(model, shared_servers({"prices": prices(runs, readOnlyHint=True)}))
    assert sum("costs 100" in text for _, text in model.results) == 4
    assert runs == ["get_price NVDA"]


async def test_a_server_started_by_a_command_answers_through_the_proxy(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    script, ran = Path(__file__).with_name("prices_server.py"), tmp_path / "ran"
    plain: dict[str, Any] = {"command": sys.executable, "args": [str(script), str(ran)]}
    model = Model([[GET], [SET], [GET], [GET]], [])
    await ask(model, shared_servers({"prices": plain}, proxy=["--store", "disk"]))
    assert sum("NVDA costs 100" in text for _, text in model.results) == 3
    lines = ran.read_text().splitlines()
    assert lines == ["get_price NVDA", "set_price NVDA", "get_price NVDA"]
