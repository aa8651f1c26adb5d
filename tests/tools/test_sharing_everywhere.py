"""One read, whoever asks: agents in this process, and clients in others behind the proxy."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from headway import DiskStore, MemoryStore, TieredStore, scope
from headway.tools import UNKNOWN, Effects, Guard, session, tool
from tests.mcp.conversation import HEADWAY

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

SERVER = """
import asyncio, sys
from fastmcp import FastMCP

server = FastMCP("company")

async def run(tool, symbol):
    with open(sys.argv[1], "a") as log:
        log.write(f"{tool} {symbol}\\n")
    await asyncio.sleep(0.2)
    return f"{tool} of {symbol}"

@server.tool(annotations={"readOnlyHint": True})
async def get_profile(symbol: str) -> str:
    return await run("get_profile", symbol)

@server.tool(annotations={"readOnlyHint": True})
async def get_financials(symbol: str) -> str:
    return await run("get_financials", symbol)

@server.tool(annotations={"readOnlyHint": True})
async def get_ratings(symbol: str) -> str:
    return await run("get_ratings", symbol)

@server.tool(annotations={"readOnlyHint": True})
async def analyze(symbol: str) -> str:
    return await run("analyze", symbol)

@server.tool
async def place_order(symbol: str) -> str:
    return await run("place_order", symbol)

server.run("stdio", show_banner=False, log_level="ERROR")
"""

CLIENT = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters

async def main():
    command = json.loads(sys.argv[1])
    where = StdioServerParameters(command=command[0], args=command[1:], cwd=sys.argv[2])
    async with Client(where, mode="auto", cache=None) as client:
        print("ready", flush=True)
        for line in sys.stdin:
            tool, symbol = json.loads(line)
            answer = await client.call_tool(tool, {"symbol": symbol})
            print(answer.content[0].text, flush=True)

asyncio.run(main())
"""

READS = ("get_profile", "get_financials", "get_ratings", "analyze")


class Elsewhere:
    """A client of the official SDK in a process of its own, behind a proxy of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def ask(self, tool: str, symbol: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([tool, symbol]).encode() + b"\n")
        return await self.line()

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()

    async def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await asyncio.wait_for(self.process.wait(), 30) == 0


class Office:
    """A client here, two elsewhere, each with a proxy and a server of its own."""

    def __init__(self, client: Client, others: list[Elsewhere], folder: Path) -> None:
        self._client, self.others, self.folder = client, others, folder
        self._log = folder / "log"
        reads = Effects(reads=("company:*",))
        self.guards = {name: Guard(name, lambda arguments: reads) for name in READS}
        self.guards["place_order"] = Guard("place_order", lambda arguments: UNKNOWN)

    async def ask(self, tool: str, symbol: str) -> str:
        """By the client as it is, as a framework without a session would."""
        answer = await self._client.call_tool(tool, {"symbol": symbol})
        return answer.content[0].text

    async def ask_in_session(self, tool: str, symbol: str) -> str:
        return await self.guards[tool].call({"symbol": symbol}, lambda: self.ask(tool, symbol))

    def ran(self, tool: str, symbol: str) -> int:
        """How often one of the three servers ran *tool*."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return lines.count(f"{tool} {symbol}")


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    for name, text in (("server.py", SERVER), ("client.py", CLIENT)):
        (folder / name).write_text(text)
    server = [sys.executable, str(folder / "server.py"), str(folder / "log")]
    command = [*HEADWAY, "mcp", "--store", "disk:kept", "--", *server]
    client = [sys.executable, str(folder / "client.py"), json.dumps(command), str(folder)]
    where = StdioServerParameters(command=command[0], args=command[1:], cwd=folder)
    others = [
        Elsewhere(await asyncio.create_subprocess_exec(*client, stdin=PIPE, stdout=PIPE))
        for _ in range(2)
    ]
    try:
        async with Client(where, mode="auto", cache=None) as here:
            assert [await other.line() for other in others] == ["ready"] * 2
            yield Office(here, others, folder)
        for other in others:
            await other.leave()
    finally:
        for other in others:
            if other.process.returncode is None:
                other.process.kill()
                await other.process.wait()


Ask = Callable[[], Awaitable[str]]


async def nested(agents: dict[str, Ask]) -> list[str]:
    """What all *agents* are told: each starts the next one, and all ask at once."""
    if not agents:
        return []
    (name, ask), *rest = agents.items()
    with scope(agent=name):
        answer, answers = await asyncio.gather(ask(), nested(dict(rest)))
    return [answer, *answers]


def everyone(office: Office, name: str, symbol: str) -> dict[str, Ask]:
    """A parent and three agents, who come to the same tool by different ways."""

    @tool(reads=["company:{symbol}"])
    async def wrapped(symbol: str) -> str:
        return await office.ask(name, symbol)

    return {
        "parent": lambda: wrapped(symbol),
        "analyst": lambda: office.ask_in_session(name, symbol),
        "writer": lambda: office.ask_in_session(name, symbol),
        "checker": lambda: office.ask(name, symbol),
    }


async def test_one_execution_for_agents_here_and_clients_elsewhere(office: Office) -> None:
    async with session():
        told, *elsewhere = await asyncio.gather(
            nested(everyone(office, "get_profile", "NVDA")),
            *[other.ask("get_profile", "NVDA") for other in office.others],
        )
    assert [*told, *elsewhere] == ["get_profile of NVDA"] * 6
    assert office.ran("get_profile", "NVDA") == 1


async def test_a_table_asked_by_parent_and_agents_has_no_duplicates(office: Office) -> None:
    async def agent(name: str, tools: tuple[str, ...]) -> None:
        with scope(agent=name):
            await asyncio.gather(*[office.ask_in_session(each, "AMD") for each in tools])

    async with session() as shared, asyncio.TaskGroup() as group:
        group.create_task(agent("parent", ("get_profile",)))
        for name in ("analyst", "writer", "checker"):
            group.create_task(agent(name, READS))
    asked = {name: counted.asked for name, counted in shared.statistics().tools.items()}
    assert asked == {"get_profile": 4, "get_financials": 3, "get_ratings": 3, "analyze": 3}
    assert [office.ran(name, "AMD") for name in READS] == [1, 1, 1, 1]
    for name in READS:  # and for who comes later, from elsewhere
        assert [await other.ask(name, "AMD") for other in office.others] == [f"{name} of AMD"] * 2
    assert [office.ran(name, "AMD") for name in READS] == [1, 1, 1, 1]


async def test_every_write_runs_and_makes_reads_void_everywhere(office: Office) -> None:
    ways = [office.ask, office.ask_in_session, *[other.ask for other in office.others]]
    async with session():
        for turn in (1, 2, 3):
            for ask in ways:
                assert await ask("get_profile", "MU") == "get_profile of MU"
            assert office.ran("get_profile", "MU") == turn
            await office.ask_in_session("place_order", "MU")
            assert office.ran("place_order", "MU") == turn
        await asyncio.gather(*[ask("place_order", "MU") for ask in ways])
    assert office.ran("place_order", "MU") == 3 + len(ways)


async def test_a_session_on_the_same_store_hears_of_writes_elsewhere(office: Office) -> None:
    there = office.others[0]
    store = TieredStore(MemoryStore(), DiskStore(office.folder / "kept"))
    async with aclosing(store), session("office", store=store):
        for _ in range(2):
            await office.ask_in_session("get_profile", "TSM")
        assert office.ran("get_profile", "TSM") == 1
        await there.ask("place_order", "TSM")
        for _ in range(200):  # the news takes some milliseconds
            await office.ask_in_session("get_profile", "TSM")
            if office.ran("get_profile", "TSM") == 2:
                break
            await asyncio.sleep(0.02)
        assert office.ran("get_profile", "TSM") == 2
        await there.ask("get_profile", "TSM")
        assert office.ran("get_profile", "TSM") == 2  # kept by the proxies too
        await office.guards["place_order"].call({}, nothing)
        for _ in range(200):
            await there.ask("get_profile", "TSM")
            if office.ran("get_profile", "TSM") == 3:
                break
            await asyncio.sleep(0.02)
        assert office.ran("get_profile", "TSM") == 3


async def nothing() -> str:
    return "a write that no proxy sees"
