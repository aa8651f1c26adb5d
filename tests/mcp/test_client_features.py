"""The official SDK's features behave the same through the proxy as without it, in both eras."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from tests.mcp.conversation import HEADWAY

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]
SERVER = [sys.executable, str(Path(__file__).with_name("feature_server.py"))]
WAYS = {"direct": SERVER, "observed": [*HEADWAY, "mcp", "--observe", "--", *SERVER]}
WAYS["proxy"] = [*HEADWAY, "mcp", "--ttl", "10m", "--", *SERVER]


class Side:
    """A client of one way and era, and what it was told."""

    def __init__(self, era: str, command: list[str]) -> None:
        self.era, self.logs, self.messages = era, [], []
        self.is_modern = era != "legacy"
        where = StdioServerParameters(
            command=command[0], args=command[1:], env={"PYTHONPATH": os.getcwd()}
        )
        self.client = Client(
            where,
            mode=era,
            sampling_callback=self._model,
            elicitation_callback=self._user,
            logging_callback=self._logged,
            message_handler=self._told,
            log_level="debug" if self.is_modern else None,
        )

    async def _model(self, context: Any, params: Any) -> types.CreateMessageResult:
        text = types.TextContent(text=f"model was asked to {params.messages[0].content.text}")
        return types.CreateMessageResult(role="assistant", content=text, model="m")

    async def _user(self, context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def _logged(self, params: Any) -> None:
        self.logs.append((params.level, params.logger, params.data))

    async def _told(self, message: Any) -> None:
        self.messages.append(type(message).__name__)

    async def text(self, tool: str, **arguments: Any) -> str:
        result = await self.client.call_tool(tool, arguments)
        return result.content[0].text

    async def has_come(self, name: str) -> bool:
        for _ in range(200):
            if name in self.messages:
                return True
            await asyncio.sleep(0.01)
        return False


@pytest.fixture(scope="module", params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=list(WAYS))
async def side(request: pytest.FixtureRequest, era: str) -> AsyncIterator[Side]:
    one = Side(era, WAYS[request.param])
    async with one.client:
        yield one


async def test_who_is_there(side: Side) -> None:
    client = side.client
    assert client.instructions == "Every feature once."
    if not side.is_modern:
        assert client.server_info is not None
        assert client.server_info.name == "features"
        await client.send_ping()
    assert client.protocol_version == ("2026-07-28" if side.is_modern else "2025-11-25")


async def test_tools(side: Side) -> None:
    tools = {tool.name: tool for tool in (await side.client.list_tools()).tools}
    assert len(tools) == 13
    assert tools["look_up"].annotations.read_only_hint is True
    result = await side.client.call_tool("add", {"a": 2, "b": 3})
    assert (result.structured_content, result.is_error) == ({"result": 5}, False)


async def test_a_failing_tool(side: Side) -> None:
    result = await side.client.call_tool("fail", {"word": "no"})
    assert result.is_error
    assert "no" in result.content[0].text


async def test_an_unknown_method_and_tool(side: Side) -> None:
    with pytest.raises(MCPError):
        await side.client.get_prompt("nobody")
    with pytest.raises(MCPError):
        await side.client.read_resource("nothing://here")


async def test_resources(side: Side) -> None:
    client = side.client
    assert [one.uri for one in (await client.list_resources()).resources] == ["config://app"]
    templates = (await client.list_resource_templates()).resource_templates
    assert [one.uri_template for one in templates] == ["notes://{name}"]
    assert (await client.read_resource("notes://b")).contents[0].text == "second note"


async def test_prompts_and_completion(side: Side) -> None:
    client = side.client
    assert [one.name for one in (await client.list_prompts()).prompts] == ["greet"]
    message = (await client.get_prompt("greet", {"name": "Ada"})).messages[0]
    assert message.content.text == "Greet Ada, please."
    found = await client.complete(
        types.PromptReference(name="greet"), {"name": "name", "value": "a"}
    )
    assert found.completion.values == ["ada", "alan"]


async def test_progress(side: Side) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    result = await side.client.call_tool("steps", {}, progress_callback=hear)
    assert result.content[0].text == "done"
    for _ in range(100):
        if len(heard) == 4:
            break
        await asyncio.sleep(0.01)
    assert heard == [(step, 4, f"step {step}") for step in range(4)]


async def test_cancellation(side: Side) -> None:
    task = asyncio.create_task(side.client.call_tool("slow", {"word": "w"}))
    await until(side, "slow w")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(side, "cancelled w")


async def test_a_time_out_cancels(side: Side) -> None:
    with pytest.raises(MCPError):
        await side.client.call_tool("slow", {"word": "t"}, read_timeout_seconds=0.3)
    await until(side, "cancelled t")


async def until(side: Side, name: str) -> None:
    for _ in range(100):
        if (await side.text("how_often", name=name)) != "0":
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{name} has not happened")


async def test_logging(side: Side) -> None:
    if not side.is_modern:
        with pytest.raises(MCPError):  # the server has no such method, and says so
            await side.client.set_logging_level("debug")
    assert await side.text("say", text="a word") == "said"
    for _ in range(100):
        if side.logs:
            break
        await asyncio.sleep(0.01)
    assert ("info", "said", "a word") in side.logs


async def test_sampling(side: Side) -> None:
    assert await side.text("ask_model") == "model was asked to say hi 1"


async def test_elicitation(side: Side) -> None:
    assert await side.text("ask_user") == "Ada 1"


async def test_subscriptions(side: Side) -> None:
    if side.is_modern:
        events = []
        subscription = side.client.listen(
            tools_list_changed=True, resource_subscriptions=["notes://a"]
        )
        async with subscription as changes:
            await side.text("change")
            async with asyncio.timeout(30):
                async for event in changes:
                    events.append(type(event).__name__)
                    if len(events) == 2:
                        break
        assert events == ["ToolsListChanged", "ResourceUpdated"]
    else:
        await side.client.subscribe_resource("notes://a")
        assert await side.text("how_often", name="subscribed notes://a") == "1"
        await side.text("change")
        assert await side.has_come("ResourceUpdatedNotification")
        assert await side.has_come("ToolListChangedNotification")


async def test_many_at_once_keep_their_answers_apart(side: Side) -> None:
    calls = [side.text("add", a=n, b=1000) for n in range(40)]
    assert await asyncio.gather(*calls) == [str(n + 1000) for n in range(40)]


async def test_a_large_answer(side: Side) -> None:
    assert await side.text("look_up", word="x" * 2_000_000) == "x" * 2_000_000 + " 1"
