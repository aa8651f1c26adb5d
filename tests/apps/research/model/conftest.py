"""A research with a scripted model, in process: everything but the model is real."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from headway import Cache, Retry, UpstreamFailed
from headway.adapters.http import through
from headway.apps.research import Caps, Conducted, ModelAddress, Setting, conduct, model_address
from headway.testing import Answer, Fault, Provider, Question, ToolUse

MODEL = "gpt-4o-mini"
TOOLS = (
    ToolUse("financials", {"symbol": "NVDA"}),
    ToolUse("compare", {"symbols": ["NVDA", "MRVL"], "metrics": ["net_margin"]}),
)
NOTES = "A strength: {revenue_growth}. Another margin: {mrvl_net_margin}."
SECTION = "NVIDIA took in {revenue}, up {revenue_growth}. A rival keeps {mrvl_net_margin}."

UNCAPPED = Caps()
Said = Answer | Fault | str


def speaks(question: Question) -> Said:
    """The model of these tests: it asks two tools at once, hands over notes, and writes."""
    if not question.tools:
        return SECTION
    return NOTES if question.tool_results else Answer(tool_calls=TOOLS)


class Bench:
    """Runs researches against one provider, through one door."""

    def __init__(self, provider: Provider, http: httpx2.AsyncClient, folder: Path) -> None:
        self.provider, self.http, self.folder = provider, http, folder
        self.screen = self.beside = ""

    def address(self, provider: str = "openai", model: str = MODEL) -> ModelAddress:
        url = self.provider.openai_url if provider == "openai" else self.provider.anthropic_url
        keys = {"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test"}
        found = model_address(f"{provider}:{model}@{url}", keys)
        assert found is not None
        return found

    async def research(
        self,
        provider: str = "openai",
        *,
        caps: Caps = UNCAPPED,
        model: str = MODEL,
        out: io.StringIO | None = None,
    ) -> Conducted:
        out, err = out or io.StringIO(), io.StringIO()
        setting = Setting(
            symbol="NVDA",
            reports=self.folder / "reports",
            folder=self.folder / ".headway",
            out=out,
            err=err,
            model=self.address(provider, model),
            caps=caps,
            http=self.http,
        )
        try:
            return await conduct(setting)
        finally:
            self.screen, self.beside = out.getvalue(), err.getvalue()

    def report(self) -> str:
        (path,) = (self.folder / "reports").glob("*.md")
        return path.read_text(encoding="utf-8")

    def record(self) -> str:
        (path,) = (self.folder / ".headway" / "runs").iterdir()
        return path.read_text(encoding="utf-8")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A provider in this loop, a door with a cache and retries that do not wait."""
    retry = Retry(3, on=(UpstreamFailed, httpx2.TransportError), first_wait=0)
    async with Provider(speaks) as provider, through(httpx2, Cache("1h"), retry) as http:
        yield Bench(provider, http, tmp_path)


@pytest.fixture
def only_for() -> Callable[[str], Callable[[Question], bool]]:
    """A condition: the question is the one that asks for a section, by its first words."""

    def condition(task: str) -> Callable[[Question], bool]:
        return lambda question: not question.tools and task in question.last_user

    return condition
