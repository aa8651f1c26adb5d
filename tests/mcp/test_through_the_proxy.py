"""A real client, a real proxy, a real server: what runs, and how often."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.mcp.conversation import HEADWAY
from tests.mcp.test_client_features import SERVER

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]
MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])


def client(mode: str, *options: str, cwd: Path | None = None, **environment: str) -> Client:
    command = [*HEADWAY, "mcp", *options, "--", *SERVER]
    environment = {"PYTHONPATH": os.getcwd(), **environment}
    where = StdioServerParameters(
        command=command[0], args=command[1:], env=environment, cwd=cwd or Path.cwd()
    )
    return Client(where, mode=mode, cache=None)


async def text(client: Client, tool: str, **arguments: Any) -> str:
    return (await client.call_tool(tool, arguments)).content[0].text


@MODES
async def test_a_session_of_reads_and_writes(mode: str) -> None:
    async with client(mode) as one:
        # Not one list of tools has passed: the proxy asks for itself.
        same = [text(one, "look_up", word="w", seconds=0.1) for _ in range(5)]
        assert await asyncio.gather(*same) == ["w 1"] * 5
        assert await text(one, "look_up", word="w", seconds=0.1) == "w 1"
        assert await text(one, "read_note", name="a") == "first note"
        await text(one, "write_note", name="a", text="changed")
        assert await text(one, "read_note", name="a") == "changed"
        assert await text(one, "look_up", word="w", seconds=0.1) == "w 2"
        assert [(await one.call_tool("fail", {"word": "x"})).is_error for _ in (1, 2)] == [True] * 2
        assert await text(one, "how_often", name="fail") == "2"


@MODES
async def test_progress_reaches_who_runs_and_an_answer_who_joins(mode: str) -> None:
    async with client(mode) as one:
        heard: list[list[float]] = [[], []]

        async def ask(number: int) -> str:
            async def hear(done: float, total: float | None, message: str | None) -> None:
                heard[number].append(done)

            await asyncio.sleep(number * 0.03)
            result = await one.call_tool("look_up_in_steps", {"word": "p"}, progress_callback=hear)
            return result.content[0].text

        assert await asyncio.gather(ask(0), ask(1)) == ["p 1", "p 1"]
        assert heard == [[0, 1, 2], []]


@MODES
async def test_one_joined_caller_leaves_then_the_last(mode: str) -> None:
    async with client(mode) as one:
        calls = [asyncio.create_task(text(one, "slow", word="j")) for _ in range(3)]
        await asyncio.sleep(0.3)
        calls[0].cancel()
        await asyncio.sleep(0.2)
        assert await text(one, "how_often", name="cancelled j") == "0"
        for call in calls[1:]:
            call.cancel()
        for _ in range(50):
            if await text(one, "how_often", name="cancelled j") == "1":
                break
            await asyncio.sleep(0.02)
        assert await text(one, "how_often", name="slow j") == "1"
        assert await text(one, "how_often", name="cancelled j") == "1"


async def test_news_that_nobody_but_the_proxy_listens_to() -> None:
    async with client("auto") as one:
        assert await text(one, "look_up", word="n") == "n 1"
        assert await text(one, "look_up", word="n") == "n 1"
        await text(one, "change")
        assert await text(one, "look_up", word="n") == "n 2"


async def test_proxies_of_one_project_share_reads_and_hear_of_writes(tmp_path: Path) -> None:
    def sharing(**environment: str) -> Client:
        return client("auto", "--store", "disk:kept", cwd=tmp_path, **environment)

    root = str(Path.cwd())
    async with sharing(PYTHONPATH=root) as one, sharing(PYTHONPATH=root) as two:
        both = [text(each, "look_up", word="s", seconds=0.5) for each in (one, two) * 2]
        assert await asyncio.gather(*both) == ["s 1"] * 4
        ran = [await text(each, "how_often", name="look_up s") for each in (one, two)]
        assert sorted(ran) == ["0", "1"]
        await text(one, "write_note", name="a", text="x")
        await text(two, "look_up", word="s", seconds=0.5)
        ran = [await text(each, "how_often", name="look_up s") for each in (one, two)]
        assert sum(map(int, ran)) == 2
        async with sharing(PYTHONPATH=root, API_KEY="another's") as stranger:
            assert await text(stranger, "look_up", word="s", seconds=0.5) == "s 1"
            assert await text(stranger, "how_often", name="look_up s") == "1"


async def test_calls_are_part_of_the_run_that_the_environment_names(tmp_path: Path) -> None:
    root = str(Path.cwd())
    async with client("auto", cwd=tmp_path, PYTHONPATH=root, HEADWAY_RUN="run-7") as one:
        for _ in range(2):
            await text(one, "look_up", word="r")
        await text(one, "write_note", name="a", text="x")
    (written,) = (tmp_path / ".headway" / "runs").glob("*run-7*.jsonl")
    ended = [line for line in written.read_text().splitlines() if "CallEnded" in line]
    assert ["mcp.look_up" in line for line in ended] == [True, True, False]
    assert '"source":"hit"' in ended[1]
