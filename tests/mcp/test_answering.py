"""What the proxy answers itself, what it shares, and what makes it forget; no process, no pipe."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway import clock, events
from headway.mcp.answers import META_IN_KEY, Question
from headway.mcp.catalogue import Catalogue
from headway.mcp.keeping import Answers, Kept, Observed
from headway.mcp.proxy import Proxy
from headway.mcp.writes import MOST_CANCELLED
from headway.stores import MemoryStore, Store
from headway.stores.disk import DiskStore
from headway.testing import FakeClock
from headway.tools import UNKNOWN

pytestmark = pytest.mark.anyio

READ = {"name": "get", "annotations": {"readOnlyHint": True}}
WRITE = {"name": "put", "annotations": {"readOnlyHint": False}}
SILENT = {"name": "do"}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
}


class Table:
    """A proxy between two lists; the server's side is played by hand."""

    def __init__(
        self,
        answers: Callable[[Catalogue], Answers] = Kept,
        reads: Sequence[str] = (),
        writes: Sequence[str] = (),
        tools: Sequence[object] | None = (READ, WRITE, SILENT),
        in_key: frozenset[str] = META_IN_KEY,
        asks: bool = True,
    ) -> None:
        self.client: list[Any] = []
        self.raw: list[bytes] = []
        self.server: list[Any] = []
        self.said: list[str] = []
        catalogue = Catalogue(reads, writes)
        self.proxy = Proxy(
            self._to_client,
            self._to_server,
            self.said.append,
            answers=answers(catalogue),
            catalogue=catalogue,
            in_key=in_key,
            asks=asks,
        )
        if tools is not None:
            self.lists(tools, id="list")
            for heard in (self.client, self.raw, self.server):
                heard.clear()

    def _to_client(self, data: bytes) -> None:
        self.raw += data.splitlines()
        self.client += [json.loads(line) for line in data.splitlines()]

    def _to_server(self, data: bytes) -> None:
        self.server += [json.loads(line) for line in data.splitlines()]

    def says(self, message: object) -> None:
        self.proxy.from_client(json.dumps(message).encode())

    def lists(self, tools: Sequence[object], id: object, **more: object) -> None:
        self.says({"jsonrpc": "2.0", "id": id, "method": "tools/list"})
        self.gives(id, {"tools": tools, **more})

    def calls(self, id: object, tool: str = "get", /, meta: object = None, **arguments: object):
        params: dict[str, object] = {"name": tool, "arguments": arguments}
        if meta is not None:
            params["_meta"] = meta
        self.says({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})

    def gives(self, id: object, result: object) -> None:
        self.proxy.from_server(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode())

    def tells(self, method: str, **params: object) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self.proxy.from_server(json.dumps(message).encode())

    def cancels(self, id: object) -> None:
        params = {"requestId": id, "reason": "no more"}
        self.says({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    @property
    def asked(self) -> list[Any]:
        """Ids of the calls that have reached the server, in order."""
        single = [one for one in self.server if isinstance(one, dict)]
        return [one["id"] for one in single if one.get("method") == "tools/call"]

    def answer(self, id: object) -> Any:
        """What the client got for *id*, once."""
        (found,) = [one for one in self.client if one.get("id") == id]
        return found.get("result", found.get("error"))


def text(said: str, **more: object) -> dict[str, object]:
    return {"content": [{"type": "text", "text": said}], **more}


async def settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def test_a_read_is_asked_once_and_answered_with_the_caller_s_id() -> None:
    table = Table()
    table.calls(1, symbol="A")
    await settle()
    table.proxy.from_server(b' {"result": {"content":[] ,  "x": 1e2},"id":1,"jsonrpc":"2.0"}')
    await settle()
    table.calls("two", symbol="A")
    assert table.asked == [1]
    assert table.raw == [
        b' {"result": {"content":[] ,  "x": 1e2},"id":1,"jsonrpc":"2.0"}',
        b'{"jsonrpc":"2.0","id":"two","result":{"content":[] ,  "x": 1e2}}',
    ]


async def test_other_arguments_tools_and_clients_are_other_questions() -> None:
    table = Table(tools=[READ, {**READ, "name": "get2"}])
    questions = [
        {"symbol": "A"},
        {"symbol": "B"},
        {"symbol": "A", "more": None},
        {"n": 1},
        {"n": 1.0},
        {"n": True},
        {"n": "1"},
    ]
    for id, arguments in enumerate(questions):
        table.calls(id, **arguments)
    table.calls("t", "get2", symbol="A")
    table.calls("m", symbol="A", meta=MODERN)
    table.calls("o", symbol="A", meta={**MODERN, list(MODERN)[1]: {"sampling": {}}})
    await settle()
    assert table.asked == [*range(len(questions)), "t", "m", "o"]


async def test_the_order_of_arguments_and_what_is_about_the_way_are_not_in_the_question() -> None:
    table = Table()
    table.calls(1, a=1, b=2, meta={**MODERN, "progressToken": 1})
    await settle()
    table.gives(1, text("x"))
    await settle()
    table.calls(2, b=2, a=1, meta={**MODERN, "progressToken": 2, "traceparent": "00-1"})
    table.calls(3, a=1, b=2, meta={**MODERN, "io.modelcontextprotocol/clientInfo": {"name": "d"}})
    assert table.asked == [1]
    assert table.answer(2) == table.answer(3) == text("x")


async def test_a_name_in_meta_can_be_made_part_of_the_question() -> None:
    table = Table(in_key=META_IN_KEY | {"user"})
    table.calls(1, meta={"user": "ada"})
    table.calls(2, meta={"user": "bob"})
    table.calls(3, meta={"user": "ada", "x": 1})
    await settle()
    assert table.asked == [1, 2]


async def test_equal_calls_in_flight_are_one() -> None:
    table = Table()
    for id in range(5):
        table.calls(id, symbol="A")
    await settle()
    assert table.asked == [0]
    table.gives(0, text("x"))
    await settle()
    assert [table.answer(id) for id in range(5)] == [text("x")] * 5


@pytest.mark.parametrize(
    "result",
    [
        text("no", isError=True),
        {"resultType": "input_required", "requestState": "s"},
        {"resultType": "task", "task": {}},
        {"task": {"taskId": "1"}},
        {"isError": "yes"},
        [],
        7,
    ],
)
async def test_what_is_for_one_is_neither_kept_nor_joined(result: object) -> None:
    table = Table()
    for id in (1, 2):
        table.calls(id, symbol="A")
    await settle()
    table.gives(1, result)
    await settle()
    assert table.asked == [1, 2]
    table.gives(2, text("x"))
    table.calls(3, symbol="A")
    await settle()
    assert table.asked == [1, 2, 3]
    assert table.answer(1) == result
    assert table.answer(2) == text("x")


async def test_an_error_of_the_protocol_is_neither_kept_nor_joined() -> None:
    table = Table()
    table.calls(1)
    table.calls(2)
    await settle()
    line = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'
    table.proxy.from_server(line)
    await settle()
    assert table.raw == [line]
    assert table.asked == [1, 2]


@pytest.mark.parametrize("more", ["requestState", "inputResponses", "task", "yet to be invented"])
async def test_a_call_with_more_than_arguments_always_reaches_the_server(more: str) -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()
    params = {"name": "get", "arguments": {}, more: {}}
    table.says({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})
    table.gives(2, text("y"))
    table.calls(3)
    assert table.asked == [1, 2]
    assert table.answer(3) == text("x")


async def test_duplicate_keys_are_for_the_server_to_judge() -> None:
    table = Table()
    line = b'{"id":%d,"method":"tools/call","params":{"name":"get","arguments":{"a":1,"a":2}}}'
    for id in (1, 2):
        table.proxy.from_client(line % id)
    await settle()
    assert table.asked == [1, 2]


NAN = b'{"id":2,"method":"tools/call","params":{"name":"put","arguments":{"x":NaN}}}'
DEEP = b'{"id":2,"method":"tools/call","params":{"name":"put","arguments":%b}}' % (
    b'{"a":' * 9_000 + b"1" + b"}" * 9_000
)


@pytest.mark.parametrize("line", [NAN, DEEP], ids=["nan", "deep"])
async def test_a_write_that_only_others_can_read_is_a_write(line: bytes) -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()
    table.proxy._to_server = table.raw.append  # it is too deep for this table to read
    table.proxy.from_client(line)
    assert table.raw[-1] == line + b"\n"
    table.calls(3)
    await settle()
    assert table.asked == [1, 3]


@pytest.mark.parametrize("result", [b"NaN", b"[" * 9_000 + b"]" * 9_000], ids=["nan", "deep"])
async def test_an_answer_that_only_others_can_read_is_for_its_asker_alone(result: bytes) -> None:
    table = Table()
    for id in (1, 2):
        table.calls(id)
    await settle()
    lines: list[bytes] = []
    table.proxy._to_client = lines.append
    line = b'{"id":1,"result":{"content":%b}}' % result
    table.proxy.from_server(line)
    await settle()
    assert lines == [line + b"\n"]
    assert table.asked == [1, 2]


@pytest.mark.parametrize("write", ["put", "do", "unheard of"])
async def test_a_write_makes_old_what_was_kept(write: str) -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("old"))
    await settle()
    table.calls(2, write)
    table.calls(3)
    await settle()
    assert table.asked == [1, 2, 3]  # from the moment a write begins
    table.gives(3, text("between"))
    await settle()
    table.gives(2, text("done"))
    table.calls(4)
    await settle()
    assert table.asked == [1, 2, 3, 4]  # and again from its end
    table.gives(4, text("new"))
    await settle()
    table.calls(5)
    assert table.answer(5) == text("new")


async def test_a_read_begun_before_a_write_is_neither_kept_nor_joined_after_it() -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.calls(2, "put")
    table.calls(3)
    await settle()
    assert table.asked == [1, 2, 3]
    table.gives(2, text("done"))
    table.gives(1, text("old"))
    table.gives(3, text("old too, perhaps"))
    await settle()
    table.calls(4)
    await settle()
    assert table.asked == [1, 2, 3, 4]
    assert table.answer(1) == text("old")


async def test_a_last_line_without_its_end_counts_too() -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("old"))
    await settle()
    write = b'{"id":2,"method":"tools/call","params":{"name":"put"}}'
    table.proxy.from_client(write, end=b"")
    table.calls(3)
    await settle()
    assert table.asked == [1, 2, 3]


async def test_writes_are_never_merged() -> None:
    table = Table()
    for id in (1, 2):
        table.calls(id, "put", x=1)
    table.gives(1, text("done"))
    table.calls(3, "put", x=1)
    assert table.asked == [1, 2, 3]


async def test_a_write_that_is_cancelled_may_still_happen() -> None:
    with clock.use(time := FakeClock()):
        table = Table()
        table.calls(1, "put")
        table.cancels(1)
        assert table.server[-1]["method"] == "notifications/cancelled"
        for id, seconds in ((2, 0.0), (3, 1.1), (4, 4.1), (5, 26.0)):
            await time.advance(seconds)
            table.calls(id)
            await settle()
            table.gives(id, text(str(id)))
            await settle()
        await time.advance(20.0)
        table.calls(6)
        assert table.asked == [1, 2, 3, 4, 5]
        assert table.answer(6) == text("5")


async def test_cancelled_writes_are_not_remembered_for_ever() -> None:
    heard: list[events.Event] = []
    with clock.use(FakeClock()), events.listen(heard.append):
        table = Table()
        for id in range(MOST_CANCELLED + 10):
            table.calls(id, "put")
            for _ in range(2):
                table.cancels(id)
        assert sum(isinstance(event, events.CallEnded) for event in heard) == 10


async def test_a_late_answer_to_a_cancelled_write_voids_again() -> None:
    table = Table()
    table.calls(1, "put")
    table.cancels(1)
    table.calls(2)
    await settle()
    table.gives(2, text("x"))
    await settle()
    table.gives(1, text("done after all"))
    table.calls(3)
    await settle()
    assert table.asked == [1, 2, 3]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("notifications/resources/updated", {"uri": "a://b"}),
        ("notifications/resources/list_changed", {}),
    ],
)
async def test_news_of_a_change_make_answers_old(method: str, params: dict[str, Any]) -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()
    table.tells(method, **params)
    assert table.client[-1]["method"] == method
    table.calls(2)
    await settle()
    assert table.asked == [1, 2]


async def test_when_tools_change_the_server_is_asked_for_them_anew() -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()
    table.tells("notifications/tools/list_changed")
    table.calls(2)
    await settle()
    assert table.asked == [1]
    (own,) = [one for one in table.server if one["method"] == "tools/list"]
    table.gives(own["id"], {"tools": [{"name": "get"}]})
    await settle()
    table.calls(3)
    await settle()
    assert table.asked == [1, 2, 3]  # it is a write now
    assert [one.get("id") for one in table.client] == [1, None]


async def test_unknown_tools_are_asked_for_page_by_page() -> None:
    table = Table(tools=None)
    table.calls(3, "put")
    table.calls(1)
    table.calls(2)
    await settle()
    assert [one["method"] for one in table.server] == ["tools/list"]
    assert "params" in table.server[0]
    first = table.server[0]["id"]
    assert first.startswith("headway-")
    table.gives(first, {"tools": [WRITE], "nextCursor": "p2"})
    await settle()
    assert table.server[1]["params"] == {"cursor": "p2"}
    table.gives(table.server[1]["id"], {"tools": [READ]})
    await settle()
    assert sorted(table.asked) == [1, 3]
    assert table.client == []


@pytest.mark.parametrize("answer", [{"error": {"code": -32601, "message": "no"}}, {"result": 3}])
async def test_a_server_that_will_not_list_has_only_writes(answer: dict[str, Any]) -> None:
    table = Table(tools=None)
    table.calls(1)
    await settle()
    message = {"jsonrpc": "2.0", "id": table.server[0]["id"], **answer}
    table.proxy.from_server(json.dumps(message).encode())
    await settle()
    table.calls(2)
    await settle()
    assert table.asked == [1, 2]
    assert table.client == []


async def test_a_server_that_does_not_answer_for_its_tools_gets_the_calls_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headway.mcp.own_requests.PATIENCE_S", 0.02)
    table = Table(tools=None)
    table.calls(1)
    assert table.proxy.is_busy
    await asyncio.sleep(0.1)
    assert table.asked == [1]
    assert not table.proxy.is_busy
    table.gives(table.server[0]["id"], {"tools": [READ]})  # late, and still not the client's
    assert table.client == []


async def test_the_user_s_word_counts_more_than_the_server_s() -> None:
    table = Table(reads=["d*", "put"], writes=["get", "*x"], tools=None)
    for id in (1, 2):
        table.calls(id, "do")
    await settle()
    for id in (3, 4):
        table.calls(id, "get")
    for id in (5, 6):
        table.calls(id, "put")
    await settle()
    for id in (7, 8):
        table.calls(id, "dx")
    await settle()
    assert sorted(table.asked) == [1, 3, 4, 5, 7, 8]


async def test_one_of_several_callers_leaves_and_the_others_stay() -> None:
    table = Table()
    for id in (1, 2, 3):
        table.calls(id, meta={"progressToken": id})
    await settle()
    table.cancels(1)  # the one whose request the server has
    table.cancels(2)
    await settle()
    assert [one["method"] for one in table.server] == ["tools/call"]
    table.cancels(1)
    table.gives(1, text("x"))
    await settle()
    assert [one["id"] for one in table.client] == [3]
    table.calls(4)
    assert table.answer(4) == text("x")


async def test_the_last_caller_to_leave_cancels_at_the_server() -> None:
    table = Table()
    for id in (1, 2):
        table.calls(id)
    await settle()
    table.cancels(1)
    await settle()
    table.cancels(2)
    await settle()
    assert table.server[-1] == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 1, "reason": "no more"},
    }
    table.calls(3)
    await settle()
    assert table.asked == [1, 3]


async def test_held_calls_are_not_overtaken_by_writes() -> None:
    table = Table(writes=["append"], tools=None)
    table.calls(1, "clear")
    table.calls(2, "append")
    table.calls(2, "append")
    table.calls(None, "append")
    await settle()
    assert table.asked == []
    table.gives(table.server[0]["id"], {"tools": [{"name": "clear"}]})
    await settle()
    assert table.asked == [1, 2, 2, None]
    table.calls(3, "append")
    assert table.asked[-1] == 3


async def test_held_calls_reach_the_server_when_there_is_no_time_to_ask() -> None:
    table = Table(tools=None)
    table.calls(1, "put")
    table.calls(2, "get")
    await settle()
    assert (table.asked, table.proxy.is_busy) == ([], True)
    table.proxy.wait_for_tools_no_more()
    assert (table.asked, table.proxy.is_busy) == ([1, 2], False)
    table.gives(table.server[0]["id"], {"tools": [READ]})
    await settle()
    assert table.asked == [1, 2]


async def test_a_call_cancelled_while_the_server_is_asked_for_its_tools_never_reaches_it() -> None:
    table = Table(tools=None)
    table.calls(1)
    table.cancels(1)
    await settle()
    table.gives(table.server[0]["id"], {"tools": [READ]})
    await settle()
    assert [one["method"] for one in table.server] == ["tools/list"]


async def test_a_call_cancelled_at_once() -> None:
    table = Table()
    table.calls(1)
    table.cancels(1)
    await settle()
    assert [one["method"] for one in table.server] == ["tools/call", "notifications/cancelled"]
    assert not table.proxy.is_busy
    table.calls(2)
    table.calls(3)
    table.cancels(3)
    await settle()
    assert table.asked == [1, 2]
    table.gives(2, text("x"))
    await settle()
    table.calls(4)
    assert [one["id"] for one in table.client] == [2, 4]


async def test_what_is_forgotten_before_its_answer_has_come_is_not_kept() -> None:
    table = Table()
    table.calls(1)
    table.calls(2, "put")  # in the same breath
    table.calls(3)
    assert table.asked == [1, 2, 3]
    table.gives(2, text("done"))
    table.gives(1, text("old"))
    table.gives(3, text("old"))
    await settle()
    table.calls(4)
    assert table.asked == [1, 2, 3, 4]
    table.cancels(1)  # too late: it has been answered
    assert table.server[-1]["method"] == "notifications/cancelled"


async def test_an_answer_is_entered_in_the_books_after_it_has_passed() -> None:
    table = Table()
    table.calls(1)
    table.gives(1, text("x"))
    assert table.answer(1) == text("x")
    table.calls(2)  # before there was time for books
    await settle()
    assert table.asked == [1]
    assert table.answer(2) == text("x")


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("is_write", [True, False])
async def test_an_answer_is_not_entered_after_a_change(turns: int, is_write: bool) -> None:
    table = Table()
    table.calls(1)
    table.gives(1, text("old"))
    for _ in range(turns):
        await asyncio.sleep(0)
    if is_write:
        table.calls(2, "put")
        table.gives(2, text("done"))
    else:
        table.tells("notifications/resources/updated", uri="a://b")
    await settle()
    for id in (3, 4):
        table.calls(id)
        await settle()
        if id in table.asked:
            table.gives(id, text("new"))
        await settle()
    assert (table.answer(3), table.answer(4)) == (text("new"), text("new"))


@pytest.mark.parametrize("turns", range(4))
async def test_who_joins_just_before_a_change_keeps_nothing_of_it(turns: int) -> None:
    table = Table()
    table.calls(1)
    table.calls(2)
    for _ in range(turns):
        await asyncio.sleep(0)
    table.tells("notifications/resources/updated", uri="a://b")
    await settle()
    table.gives(1, text("old"))
    await settle()
    for id in (3, 4):
        table.calls(id)
        await settle()
        if id in table.asked:
            table.gives(id, text("new"))
        await settle()
    assert (table.answer(3), table.answer(4)) == (text("new"), text("new"))


async def test_who_listens_hears_of_a_call_when_it_begins() -> None:
    heard: list[events.Event] = []
    table = Table()
    with events.listen(heard.append):
        table.calls(1)
        await settle()
        assert [type(event).__name__ for event in heard] == ["CallStarted"]
        table.gives(1, text("x"))
        await settle()
        table.calls(2)
    ended = [event for event in heard if isinstance(event, events.CallEnded)]
    assert [(event.operation, event.kind, event.source) for event in ended] == [
        ("mcp.get", "tool", "ran"),
        ("mcp.get", "tool", "hit"),
    ]


async def test_an_id_used_twice_at_once_is_left_to_the_server() -> None:
    table = Table()
    table.calls(1, x=1)
    await settle()
    table.calls(1, x=2)
    await settle()
    assert table.asked == [1, 1]


@pytest.mark.parametrize("method", ["tools/list", "initialize", "resources/read"])
async def test_an_id_used_again_by_another_request_leaves_nobody_waiting(method: str) -> None:
    table = Table()
    table.calls(1)
    table.calls(2)
    await settle()
    params = {"protocolVersion": "2025-06-18"}
    table.says({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    table.gives(1, {"tools": []})
    table.gives(1, text("x"))
    await settle()
    assert table.asked == [1, 2]  # whose answer came first, nobody can tell
    table.gives(2, text("y"))
    assert table.answer(2) == text("y")


@pytest.mark.parametrize("id", [None, 1.5, True, [1]])
async def test_an_id_that_is_none_passes(id: object) -> None:
    table = Table()
    table.calls(id)
    table.calls(id)
    assert table.asked == [id, id]


async def test_an_answer_given_again_promises_no_time() -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x", ttlMs=5_000, more=[1]))
    await settle()
    table.calls(2)
    await settle()
    assert table.asked == [1]
    assert table.answer(1) == text("x", ttlMs=5_000, more=[1])
    assert table.answer(2) == text("x", ttlMs=0, more=[1])


@pytest.mark.parametrize(("scope", "is_kept"), [("public", True), ("private", False)])
async def test_private_answers_enter_no_shared_store(
    scope: str, is_kept: bool, tmp_path: Path
) -> None:
    result = json.dumps(text("x", cacheScope=scope)).encode()
    question, runs = Question("get", b"{}", b"{}"), 0

    async def ask() -> bytes:
        nonlocal runs
        runs += 1
        return result

    for expected, store in ((1, MemoryStore()), (1 if is_kept else 2, _disk(tmp_path))):
        runs, kept = 0, Kept(Catalogue(["get"]), store=store)
        for _ in range(2):
            assert await kept.read(question, ask) == result
        assert runs == expected
        await kept.aclose()


def _disk(folder: Path) -> Store:
    return DiskStore(folder / "answers")


async def test_ttl_ms_of_a_result_is_honoured() -> None:
    with clock.use(time := FakeClock()):
        table = Table()
        for id, ttl in ((1, 0), (2, 5_000), (3, 999_000)):
            table.calls(id, n=id)
            await settle()
            table.gives(id, text("x", ttlMs=ttl))
            await settle()
        table.calls(4, n=1)
        table.calls(5, n=2)
        await settle()
        assert table.asked == [1, 2, 3, 4]
        await time.advance(6.0)
        table.calls(6, n=2)
        table.calls(7, n=3)
        await settle()
        assert table.asked == [1, 2, 3, 4, 6]
        await time.advance(300.0)
        table.calls(8, n=3)
        await settle()
        assert table.asked[-1] == 8


async def test_the_modern_era_is_asked_in_its_own_way_and_listened_to() -> None:
    table = Table(tools=None)
    table.calls(1, meta={**MODERN, "progressToken": 5})
    await settle()
    listen, own = table.server
    assert listen["method"] == "subscriptions/listen"
    assert listen["params"]["_meta"] == own["params"]["_meta"] == MODERN
    assert listen["params"]["notifications"]["toolsListChanged"] is True
    mark = {"_meta": {"io.modelcontextprotocol/subscriptionId": listen["id"]}}
    table.tells("notifications/subscriptions/acknowledged", **mark, notifications={})
    table.gives(own["id"], {"tools": [READ], "resultType": "complete"})
    await settle()
    table.gives(1, text("x"))
    await settle()
    table.calls(2, meta=MODERN)
    table.tells("notifications/resources/list_changed", **mark)
    table.calls(3, meta=MODERN)
    await settle()
    assert table.asked == [1, 3]
    assert [one.get("id") for one in table.client] == [1, 2]


async def test_news_for_the_client_s_own_subscription_pass_and_count() -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()
    mark = {"_meta": {"io.modelcontextprotocol/subscriptionId": "listen-1"}}
    table.tells("notifications/resources/updated", uri="a://b", **mark)
    table.calls(2)
    await settle()
    assert table.asked == [1, 2]
    assert table.client[-1]["params"]["uri"] == "a://b"


async def test_a_subscription_that_ends_may_have_missed_something() -> None:
    table = Table()
    table.calls(1, meta=MODERN)
    await settle()
    listen = table.server[0]
    table.gives(1, text("x"))
    await settle()
    table.gives(listen["id"], {"resultType": "complete"})
    table.calls(2, meta=MODERN)
    await settle()
    assert table.asked == [1, 2]
    methods = [one["method"] for one in table.server]
    assert methods.count("subscriptions/listen") == 2  # listened to again
    assert [one["id"] for one in table.client] == [1]


async def test_a_server_that_refuses_to_be_listened_to_is_asked_once() -> None:
    table = Table()
    table.calls(1, meta=MODERN)
    line = {"id": table.server[0]["id"], "error": {"code": -32601, "message": "no"}}
    table.proxy.from_server(json.dumps(line).encode())
    await settle()
    table.gives(1, text("x"))
    await settle()
    table.calls(2, meta=MODERN)
    assert table.answer(2) == text("x")
    assert [one["method"] for one in table.server] == ["subscriptions/listen", "tools/call"]


async def test_what_the_handshake_said_is_part_of_the_question() -> None:
    table = Table()
    asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
    for number, version in enumerate(["2025-11-25", "2024-11-05", "2025-11-25"]):
        table.says({"id": f"i{number}", "method": "initialize", "params": asked})
        table.gives(f"i{number}", {"protocolVersion": version, "capabilities": {}})
        table.calls(number)
        if number < 2:
            table.gives(number, text(version))
        await settle()
    assert table.asked == [0, 1]
    assert table.answer(2) == text("2025-11-25")


async def test_batches_pass_whole_and_their_writes_count() -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()
    call = {"jsonrpc": "2.0", "method": "tools/call"}
    reads = [{**call, "id": id, "params": {"name": "get", "arguments": {}}} for id in (2, 3)]
    table.says(reads)
    assert table.server[-1] == reads  # a batch is answered as a whole, by the server
    table.calls(4)
    assert table.answer(4) == text("x")
    table.says([reads[0], {**call, "id": 5, "params": {"name": "put"}}])
    table.calls(6)
    await settle()
    table.gives(6, text("y"))
    await settle()
    line = b'[ {"id":2,"result":{}}, {"id":5,"result":{}} ]'
    table.proxy.from_server(line)
    assert table.raw[-1] == line
    table.calls(7)
    await settle()
    assert table.asked == [1, 6, 7]


async def test_an_own_answer_in_a_batch_is_taken_out() -> None:
    table = Table(tools=None)
    table.calls(1)
    await settle()
    own = table.server[0]["id"]
    line = b'[{"id":"a","result":1},{"id":"%b","result":{"tools":[]}}]' % own.encode()
    table.proxy.from_server(line)
    assert table.client == [[{"id": "a", "result": 1}]]
    await settle()
    assert table.asked == [1]


async def test_observing_asks_the_server_every_time_and_counts() -> None:
    observed = Observed()
    table = Table(lambda catalogue: observed, tools=None, asks=False)
    table.calls(0)
    table.gives(0, text("x"))
    table.lists([READ, WRITE], id="l")
    for id in (1, 2):
        table.calls(id)
    await settle()
    for id in (1, 2):
        table.gives(id, text("x"))
    await settle()
    table.calls(3)
    await settle()
    table.gives(3, text("x"))
    await settle()
    table.calls(4, "put")
    table.calls(5)
    await settle()
    assert table.asked == [0, 1, 2, 3, 4, 5]
    assert (observed.reads, observed.shared, observed.kept) == (4, 1, 1)
    assert [one["method"] for one in table.server if one["method"] != "tools/call"] == [
        "tools/list"
    ]
    assert "4 calls" in observed.summary()


class Broken:
    """Answers that fail."""

    is_local = False

    async def read(self, question: object, run: object) -> bytes:
        raise RuntimeError("a fault of ours")

    async def void(self, effects: object) -> None: ...

    def summary(self) -> str:
        return ""

    async def aclose(self) -> None: ...


async def test_a_fault_of_ours_lets_the_call_pass() -> None:
    table = Table(lambda catalogue: Broken())
    table.calls(1)
    assert table.asked == [1]
    table.gives(1, text("x"))
    assert table.answer(1) == text("x")


async def test_a_fault_in_deciding_lets_messages_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("x"))
    await settle()

    def fail(*args: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(Catalogue, "effects", fail)
        table.calls(2, "put")
        patch.setattr(Catalogue, "forget", fail)
        table.tells("notifications/tools/list_changed")
    table.calls(3)
    await settle()
    assert table.asked == [1, 2, 3]
    assert table.client[-1]["method"] == "notifications/tools/list_changed"


async def test_a_store_that_cannot_be_told_of_a_change_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = Table()
    table.calls(1)
    await settle()
    table.gives(1, text("old"))
    await settle()

    async def fail(store: MemoryStore, tags: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "invalidate", fail)
        table.calls(2, "put")
        table.gives(2, text("done"))
        table.calls(3)
        await settle()
        assert table.asked == [1, 2, 3]
        table.gives(3, text("new"))
        await settle()
    table.calls(4)
    await settle()
    assert table.asked == [1, 2, 3, 4]
    table.gives(4, text("new"))
    await settle()
    table.calls(5)
    await settle()
    assert table.answer(5) == text("new")


def test_the_wire_names_are_decoded_as_written() -> None:
    catalogue = Catalogue()
    page = msgspec.Raw(b'{"tools":[{"name":"a","annotations":{"readOnlyHint":true}}]}')
    assert catalogue.learn(page, None, catalogue.edition) is None
    assert catalogue.effects("a", {}).is_read
    assert catalogue.effects("b", {}) == UNKNOWN
