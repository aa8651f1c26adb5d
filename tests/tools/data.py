"""For the tests of tools: companies that can be read and written, and count how often they were."""

import asyncio
from collections import Counter
from typing import Any

from headway.tools import AsyncTool, tool


class Data:
    """A little database with a version of each company; ``hold`` keeps its tools from finishing."""

    def __init__(self, **options: Any) -> None:
        self.versions: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.read: AsyncTool[[str], str] = tool(reads=["company:{symbol}"], name="read", **options)(
            self._read
        )
        self.write: AsyncTool[..., str] = tool(
            writes=["company:{symbol}"],
            name="write",
            **{name: said for name, said in options.items() if name == "scope"},
        )(self._write)

    async def _read(self, symbol: str) -> str:
        self.runs["read"] += 1
        answer = f"{symbol} {self.versions[symbol]}"
        self.begun.set()
        await self.open.wait()
        return answer

    async def _write(self, symbol: str, error: BaseException | None = None) -> str:
        self.runs["write"] += 1
        self.begun.set()
        await self.open.wait()
        self.versions[symbol] += 1
        if error is not None:
            raise error
        return "written"

    def hold(self) -> None:
        self.begun.clear()
        self.open.clear()

    async def until_begun(self) -> None:
        await self.begun.wait()
        self.begun.clear()
