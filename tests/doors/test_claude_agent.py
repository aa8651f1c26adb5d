"""The door of the Claude Agent SDK, asked as the SDK asks, by a client of MCP in this process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, types
from mcp.server import Server

from headway.doors.claude_agent import shared_servers
from headway.errors import BadSetup
from headway.tools import Effects, session

runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    runs.clear()


def server_of_things(
    gate: asyncio.Event | None = None, started: asyncio.Event | None = None
) -> Server[Any]:
    """A server as ``create_sdk_mcp_server`` makes them, whose list of tools has two pages."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    read_only = types.ToolAnnotations(read_only_hint=True)
    pages = {
        None: types.Tool(name="poke", input_schema=schema),
        "2": types.Tool(name="look", input_schema=schema, annotations=read_only),
    }

    async def on_list(context: Any, params: Any) -> types.ListToolsResult:
        cursor = params.cursor if params is not None else None
        return types.ListToolsResult(
            tools=[pages[cursor]], next_cursor="2" if cursor is None else None
        )

    async def on_call(context: Any, params: Any) -> types.CallToolResult:
        name = (params.arguments or {}).get("name", "nothing")
        runs.append(f"{params.name} {name}")
        if gate is not None and started is not None:
            started.set()
            await gate.wait()
        text = types.TextContent(type="text", text=f"saw {name}")
        return types.CallToolResult(content=[text], is_error=name == "the dark")

    return Server("things", on_list_tools=on_list, on_call_tool=on_call)


def sdk(server: Server[Any]) -> dict[str, Any]:
    return {"type": "sdk", "name": "things", "instance": server}


@asynccontextmanager
async def client_of(*servers: Any, effects: Any = None) -> AsyncIterator[Client]:
    """A client of the first server, all of which have been given to the door."""
    for server in servers:
        shared_servers({"things": sdk(server)}, effects)
    async with Client(servers[0]) as client:
        yield client


async def ask(client: Client, tool: str, name: str, **meta: Any) -> str:
    result = await client.call_tool(tool, {"name": name}, meta=meta or None)
    return result.content[0].text  # type: ignore[union-attr]


async def test_a_read_runs_once_and_a_write_voids() -> None:
    async with session(), client_of(server_of_things()) as client:
        for _ in range(2):
            assert await ask(client, "look", "a") == "saw a"
        assert runs == ["look a"]
        await ask(client, "poke", "b")
        await ask(client, "poke", "b")
        assert await ask(client, "look", "a", progress="of this call") == "saw a"
    assert runs == ["look a", "poke b", "poke b", "look a"]


async def test_clients_of_one_session_share_work_under_way() -> None:
    gate, started = asyncio.Event(), asyncio.Event()
    server = server_of_things(gate, started)
    async with session(), client_of(server) as one, client_of(server) as other:
        asked = [asyncio.create_task(ask(client, "look", "a")) for client in (one, other)]
        await asyncio.wait_for(started.wait(), 10)
        await asyncio.sleep(0.1)  # the other has come to the server by then
        gate.set()
        assert await asyncio.gather(*asked) == ["saw a", "saw a"]
    assert runs == ["look a"]


async def test_a_result_that_is_an_error_is_not_kept() -> None:
    async with session(), client_of(server_of_things()) as client:
        for _ in range(2):
            result = await client.call_tool("look", {"name": "the dark"})
            assert result.is_error
    assert runs == ["look the dark"] * 2


async def test_effects_declared_here_win() -> None:
    effects = {"p*": Effects(writes=("things:{name}",)), "look": Effects(reads=("things:{name}",))}
    async with session(), client_of(server_of_things(), effects=effects) as client:
        for tool, name in (("look", "a"), ("poke", "b"), ("look", "a"), ("poke", "a")):
            await ask(client, tool, name)
        await ask(client, "look", "a")
    assert runs == ["look a", "poke b", "poke a", "look a"]


async def test_wrapped_twice_it_follows_what_was_said_last() -> None:
    server = server_of_things()
    shared_servers({"things": sdk(server)}, {"look": Effects(exclusive=True)})
    async with session(), client_of(server) as client:
        await ask(client, "look", "a")
        await ask(client, "look", "a")
    assert runs == ["look a"]


async def test_two_servers_of_one_name_share_nothing() -> None:
    async with session():
        for _ in range(2):
            async with client_of(server_of_things()) as client:
                await ask(client, "look", "a")
    assert runs == ["look a", "look a"]


def test_a_server_without_tools_stays_as_it_is() -> None:
    server: Server[Any] = Server("empty")
    shared_servers({"empty": sdk(server)})
    assert server.get_request_handler("tools/call") is None


def test_a_server_started_by_a_command_is_put_behind_the_proxy() -> None:
    plain = {"command": "files-server", "args": ["--root", "/srv"], "env": {"A": "1"}}
    bare = {"type": "stdio", "command": "clock-server"}
    shared = shared_servers({"files": plain, "clock": bare}, proxy=["--store", "disk"])
    headway = shared["files"]["command"]
    assert Path(str(headway)).name == "headway"
    before = ["mcp", "--store", "disk", "--"]
    assert shared == {
        "files": {
            "command": headway,
            "args": [*before, "files-server", "--root", "/srv"],
            "env": {"A": "1"},
        },
        "clock": {"type": "stdio", "command": headway, "args": [*before, "clock-server"]},
    }
    assert plain["args"] == ["--root", "/srv"]


def test_the_command_beside_this_interpreter_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    wrapped = shared_servers({"x": {"command": "y"}})["x"]
    assert wrapped["command"] == "headway"


def test_a_server_reached_by_a_url_stays_as_it_is() -> None:
    there = {"type": "http", "url": "http://127.0.0.1:1/mcp"}
    assert shared_servers({"there": there}) == {"there": there}


def test_the_path_of_a_file_and_an_old_server_are_refused() -> None:
    with pytest.raises(BadSetup, match="headway mcp wrap"):
        shared_servers(".mcp.json")  # type: ignore[arg-type]
    with pytest.raises(BadSetup, match=r"'old' needs the `mcp` package 2\.0"):
        shared_servers({"old": {"type": "sdk", "name": "old", "instance": object()}})
