"""Lines about slow tools while a run goes on: opted for, on a thread of their own, harmless."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import headway
from headway import clock, events, operation, record
from headway.errors import BadSetup
from headway.runs import slow_tool_lines
from headway.testing import FakeClock

PATIENCE_S = 10.0


def tool(seconds: float) -> Callable[[], object]:
    """A tool that takes so long."""

    @operation(kind="tool", name="get_filing")
    async def get_filing() -> str:
        await clock.sleep(seconds)
        return "10-K"

    return get_filing


async def asked_by_a_nested_agent(seconds: float) -> None:
    """An analyst asks its reader, as a tool; the reader asks a tool."""
    get_filing = tool(seconds)

    @operation(kind="tool", name="ask_reader")
    async def ask_reader() -> None:
        with headway.scope(agent="reader"):
            await get_filing()  # type: ignore[misc]

    with headway.scope(agent="analyst"):
        await ask_reader()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread; fails if it never comes to it."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_lines_come_while_the_tool_runs_and_when_it_has_ended(tmp_path: Path) -> None:
    told: list[str] = []
    fake = FakeClock()
    with clock.use(fake):
        with record("r", folder=tmp_path, live=told.append):
            work = asyncio.create_task(asked_by_a_nested_agent(6.2))
            await fake.advance(5)
            await until(lambda: len(told) == 2)
            assert [line.partition(", call ")[0] for line in told] == [
                "headway: warning: tool ask_reader has been running for 5 s (agent analyst)",
                "headway: warning: tool get_filing has been running for 5 s (agent analyst/reader)",
            ]
            await fake.advance(2)
            await work
        assert [line.partition(", call ")[0] for line in told[2:]] == [
            "headway: warning: tool get_filing took 6.2 s (agent analyst/reader)",
            "headway: warning: tool ask_reader took 6.2 s (agent analyst)",
        ]


async def test_a_notice_between_the_limits_and_the_receipt_agrees(tmp_path: Path) -> None:
    told: list[str] = []
    fake = FakeClock()
    with clock.use(fake), record("r", folder=tmp_path, live=told.append) as run:
        work = asyncio.create_task(asked_by_a_nested_agent(2))
        await fake.advance(2)
        await work
    assert [line.split(": ")[1] for line in told] == ["notice", "notice"]
    tools = run.receipt().tools
    assert tools is not None
    by_id = {each.call: each for each in tools.slowest}
    inner = by_id[told[0].rpartition("call ")[2]]
    assert (inner.tool, inner.agent, inner.level) == ("get_filing", "analyst/reader", "notice")


async def test_silent_unless_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fake = FakeClock()
    with clock.use(fake):
        with record("r", folder=tmp_path):
            work = asyncio.create_task(asked_by_a_nested_agent(60))
            await fake.advance(60)
            await work
        work = asyncio.create_task(asked_by_a_nested_agent(60))
        await fake.advance(60)
        await work
    assert capfd.readouterr() == ("", "")
    assert not events.listeners


async def test_to_stderr_by_default(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with record("r", folder=tmp_path, live=True, slow=("1ms", "2ms")):
        await tool(0.01)()  # type: ignore[misc]
    out, err = capfd.readouterr()
    assert out == ""
    assert "headway: warning: tool get_filing took 0.01" in err
    assert err.endswith("\n")


async def test_to_a_stderr_that_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    with slow_tool_lines(slow=("1ms", "2ms")):
        await tool(0.01)()  # type: ignore[misc]
    assert "tool get_filing took" in capsys.readouterr().err


async def test_only_the_run_that_is_recorded_is_shown(tmp_path: Path) -> None:
    told: list[str] = []
    with record("mine", folder=tmp_path, live=told.append, slow=("1ms", "1h")):
        with record("other", folder=tmp_path):
            await tool(0.01)()  # type: ignore[misc]
        assert not told
        await tool(0.01)()  # type: ignore[misc]
    assert len(told) == 1


async def test_a_reader_that_has_gone_or_fails_harms_nobody(tmp_path: Path) -> None:
    asked: list[str] = []

    def gone(line: str) -> None:
        asked.append(line)
        raise BrokenPipeError

    with record("r", folder=tmp_path, live=gone, slow=("1ms", "1h")) as run:
        await tool(0.005)()  # type: ignore[misc]
        await tool(0.005)()  # type: ignore[misc]
    assert len(asked) == 1
    assert run.receipt().complete


async def test_a_reader_that_stops_reading_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.runs.live_lines.PATIENCE_S", 0.05)
    never = threading.Event()
    began = time.monotonic()
    with record("r", folder=tmp_path, live=lambda line: never.wait(60), slow=("1ms", "1h")):
        await tool(0.005)()  # type: ignore[misc]
        await tool(0.005)()  # type: ignore[misc]
    assert time.monotonic() - began < 30
    never.set()


@pytest.mark.parametrize(
    "slow", [("0s", "5s"), ("6s", "5s"), ("1s",), ("1s", "soon"), ("1s", "5s", "9s"), (1, None)]
)
def test_limits_that_are_none_are_refused(slow: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="slow="), record("r", folder=tmp_path, slow=slow):
        pass
    assert not (tmp_path / "runs").exists()
