"""What headway.toml says of a server's tools: resources, and whether and how long to keep."""

from pathlib import Path

import pytest

from headway import clock, events, settings
from headway.testing import FakeClock
from tests.mcp.test_answering import READ, WRITE, Table, settle, text

pytestmark = pytest.mark.anyio

SAID = """
[tools.get]
reads = ["company:{symbol}"]
[tools.put]
writes = ["company:{symbol}"]
[tools."list_*"]
reads = ["company:*"]
ttl = "10s"
[tools.live]
reads = []
cache = false
"""
TOOLS = [READ, WRITE, {"name": "do"}, {**READ, "name": "undeclared"}]


@pytest.fixture(autouse=True)
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "headway.toml").write_text(SAID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "_kept", None)


async def asked_after(table: Table, *calls: tuple[object, str, dict[str, object]]) -> list[object]:
    """Which of *calls* reach the server, each answered before the next."""
    before = len(table.asked)
    for id, tool, arguments in calls:
        reached = len(table.asked)
        table.calls(id, tool, **arguments)
        await settle()
        if len(table.asked) > reached:
            table.gives(id, text(str(id)))
            await settle()
    return table.asked[before:]


async def test_a_write_makes_old_what_it_touches_and_no_more() -> None:
    table = Table(tools=TOOLS)
    reads = [
        ("get", {"symbol": "A"}),
        ("get", {"symbol": "B"}),
        ("list_all", {}),
        ("undeclared", {}),
    ]
    assert len(await asked_after(table, *[(n, *read) for n, read in enumerate(reads)])) == 4
    assert await asked_after(table, *[(10 + n, *read) for n, read in enumerate(reads)]) == []
    await asked_after(table, ("w", "put", {"symbol": "A"}))
    # What nobody declared may have read it.
    again = await asked_after(table, *[(20 + n, *read) for n, read in enumerate(reads)])
    assert again == [20, 22, 23]
    await asked_after(table, ("d", "do", {}))
    assert len(await asked_after(table, *[(30 + n, *read) for n, read in enumerate(reads)])) == 4
    table.tells("notifications/resources/updated", uri="a://b")
    assert len(await asked_after(table, *[(40 + n, *read) for n, read in enumerate(reads)])) == 4


async def test_a_tool_of_the_file_needs_no_word_of_the_server() -> None:
    table = Table(tools=None)
    assert await asked_after(table, (1, "get", {"symbol": "A"}), (2, "get", {"symbol": "A"})) == [1]
    assert {one["method"] for one in table.server} == {"tools/call"}


async def test_an_argument_that_is_not_given_stands_for_all() -> None:
    table = Table(tools=TOOLS)
    assert await asked_after(table, (1, "get", {}), (2, "get", {})) == [1]
    await asked_after(table, (3, "put", {"symbol": "A"}))
    assert await asked_after(table, (4, "get", {}), (5, "get", {"symbol": "A"})) == [4, 5]
    await asked_after(table, (6, "put", {}))
    assert await asked_after(table, (7, "get", {"symbol": "A"})) == [7]


async def test_how_long_and_whether_at_all() -> None:
    with clock.use(time := FakeClock()):
        table = Table(tools=TOOLS)
        calls = [(1, "list_all", {}), (2, "list_all", {}), (3, "live", {}), (4, "live", {})]
        assert await asked_after(table, *calls) == [1, 3, 4]
        await time.advance(11.0)
        assert await asked_after(table, (5, "list_all", {})) == [5]


async def test_listeners_hear_of_reads_and_writes() -> None:
    heard: list[events.Event] = []
    table = Table(tools=TOOLS)
    with events.listen(heard.append):
        await asked_after(table, (1, "get", {"symbol": "A"}), (2, "get", {"symbol": "A"}))
        table.calls(3, "put", symbol="A")
        table.gives(3, text("no", isError=True))
    ended = [event for event in heard if isinstance(event, events.CallEnded)]
    assert [(event.operation, event.source, event.error) for event in ended] == [
        ("mcp.get", "ran", None),
        ("mcp.get", "hit", None),
        ("mcp.put", "ran", "ToolFailed"),
    ]
    assert ended[2].effects is not None
    assert ended[2].effects.writes
    assert {event.kind for event in ended} == {"tool"}
