"""One read asked by a parent, three nested agents and clients in two other processes: run once."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tests.mcp.conversation import HEADWAY

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

SERVER = """
import asyncio, os
from fastmcp import FastMCP

server = FastMCP("prices")


def ran(what: str) -> None:
    with open("ran", "a") as file:
        file.write(f"{what}\\n")


@server.tool(annotations={"readOnlyHint": True})
async def get_price(symbol: str) -> str:
    ran(f"read {symbol}")
    await asyncio.sleep(1.5)
    return f"{symbol} at 100"


@server.tool
async def place_order(symbol: str) -> str:
    ran(f"write {symbol}")
    return "placed"


server.run("stdio", show_banner=False)
"""

CLIENT = """
import asyncio, sys
from pathlib import Path
from mcp import Client, StdioServerParameters


async def main() -> None:
    where = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:])
    async with Client(where) as client:
        await client.list_tools()
        print("ready", flush=True)
        sys.stdin.readline()
        price = await client.call_tool("get_price", {"symbol": "NVDA"})
        placed = await client.call_tool("place_order", {"symbol": "NVDA"})
        print(price.content[0].text, placed.content[0].text, flush=True)


asyncio.run(main())
"""


async def elsewhere(command: list[str], folder: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(folder / "client.py"), *command),
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        env=environment,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_a_read_asked_by_all_at_once_runs_once_and_writes_are_never_merged(
    tmp_path: Path,
) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "client.py").write_text(CLIENT)
    command = [*HEADWAY, "mcp", "--store", "disk:kept", "--", sys.executable, "server.py"]
    others = [await elsewhere(command, tmp_path) for _ in range(2)]
    here = StdioServerParameters(command=command[0], args=command[1:], cwd=tmp_path)
    async with Client(here) as client:

        async def agent() -> str:
            result = await client.call_tool("get_price", {"symbol": "NVDA"})
            return result.content[0].text

        await client.list_tools()
        for other in others:
            assert other.stdin is not None
            other.stdin.write(b"go\n")
        prices = await asyncio.gather(*[agent() for _ in range(4)])
        told = [await other.communicate() for other in others]
    assert prices == ["NVDA at 100"] * 4
    assert [out for out, _ in told] == [b"NVDA at 100 placed\n"] * 2
    ran = (tmp_path / "ran").read_text().split("\n")
    assert (ran.count("read NVDA"), ran.count("write NVDA")) == (1, 2)
