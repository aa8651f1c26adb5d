"""The receipt of ``examples/agent.py``, against the provider's log and the example's own count."""

import importlib.util
import re
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headway.testing import Asked, Pace, Provider
from tests.cli.run_by_hand import PYTHON, ROOT, receipt, run

EXAMPLE = ROOT / "examples" / "agent.py"


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_agent", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Seen:
    """One run of the example: what it printed, what the provider logged, what the receipt says."""

    def __init__(self, folder: Path) -> None:
        with Provider(_example().model, pace=Pace(ttft_s=0.02, tokens_per_s=2000)) as provider:
            ran = run(
                *(PYTHON, "-W", "error", str(EXAMPLE)),
                folder=folder,
                options=["--json"],
                OPENAI_BASE_URL=provider.openai_url,
            )
            self.log: list[Asked] = provider.log
        assert ran.returncode == 0, ran.stderr
        self.said, self.receipt = ran.stdout, receipt(ran)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return Seen(tmp_path_factory.mktemp("agent"))


def _by_prompt(log: list[Asked]) -> dict[str, list[Asked]]:
    """The log by the first line of the system prompt."""
    found: dict[str, list[Asked]] = defaultdict(list)
    for asked in log:
        body: Any = asked.body
        found[body["messages"][0]["content"].partition("\n")[0]].append(asked)
    return found


def _counted(log: list[Asked]) -> tuple[int, ...]:
    used = [one.usage for one in log if one.usage is not None]
    names = ("tokens_in", "tokens_cached", "tokens_out")
    return (len(log), *(sum(getattr(one, name) for one in used) for name in names))


def test_each_agent_has_the_calls_and_tokens_that_the_provider_counted(seen: Seen) -> None:
    lines = seen.receipt["models"]["lines"]
    names = ("ran", "tokens_in", "tokens_cached", "tokens_out")
    told = sorted(tuple(line[name] for name in names) for line in lines)
    assert told == sorted(map(_counted, _by_prompt(seen.log).values()))
    assert len({line["agent"] for line in lines}) == len(lines) == 4
    assert all(line["calls"] == line["ran"] for line in lines)
    assert not any(line["failed"] or line["usage_unknown"] for line in lines)


def test_the_total_is_the_provider_s(seen: Seen) -> None:
    total = seen.receipt["models"]["total"]
    used = [one.usage for one in seen.log if one.usage is not None]
    assert total["calls"] == len(seen.log) == 10
    assert sum(one.streamed for one in seen.log) == 6
    assert total["tokens_cached"] == sum(one.tokens_cached for one in used) > 0
    assert (total["hit"], total["joined"], seen.receipt["complete"]) == (0, 0, True)


def test_tools_are_those_that_the_example_called(seen: Seen) -> None:
    said = re.search(r"tools called: (.*)", seen.said)
    assert said is not None
    own = {name: int(n) for name, n in (pair.split(" ") for pair in said[1].split(", "))}
    on_receipt: dict[str, int] = defaultdict(int)
    for line in seen.receipt["tools"]["lines"]:
        on_receipt[line["tool"]] += line["ran"]
        assert (line["unfinished"], line["failed"], line["other"]) == (0, 0, 0)
    assert on_receipt == own
    assert seen.receipt["tool_calls_made"] == sum(own.values())


def test_duplicates_are_those_that_the_example_counted(seen: Seen) -> None:
    said = re.search(r"same arguments: (\d+)", seen.said)
    assert said is not None
    assert seen.receipt["duplicates_run"] == int(said[1]) > 0
    profile = next(
        one for one in seen.receipt["top_duplicates"] if one["operation"] == "get_profile"
    )
    assert profile["asked"] == 3


def test_sub_agents_are_inside_the_calls_that_asked_them(seen: Seen) -> None:
    agents = [agent["agent"] for agent in seen.receipt["agents"]]
    lead = next(agent for agent in agents if "/" not in agent)
    assert len(agents) == 4
    assert all(agent == lead or agent.startswith(f"{lead}/") for agent in agents)
