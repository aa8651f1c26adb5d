"""What happens to each message between a client and a server: nearly all pass, byte for byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .. import bridge, clock
from ..tools import UNKNOWN, Effects
from ..wire.json_rpc import Id, Message, Odd, identity, peek
from .answers import CAPABILITIES, META_IN_KEY, PROTOCOL, ToolCall, read_call
from .calls import DROP, PASS, Awaited, Calls, Fate, Send
from .catalogue import Catalogue
from .in_order import InOrder
from .keeping import Answers
from .own_requests import OwnRequests
from .writes import Writes, together

log = logging.getLogger("headway.mcp")

_CHANGES: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    }
)
_AFTER_CANCEL_S: Final = (1.0, 5.0, 30.0)
"""A write that was cancelled may go on for a while, and nobody says when it ends."""
_SHOWN: Final = 200

T = TypeVar("T")
Decide = Callable[[bytes, Message], Fate]


class Proxy:
    """Passes messages on; answers, coalesces and learns from a few of them.

    Args:
        to_client: takes what goes to the client.
        to_server: takes what goes to the server.
        tell: takes a line for whoever reads this process's stderr.
        answers: keeps and shares the answers of tools that only read.
        catalogue: knows which those are.
        in_key: the names in ``_meta`` that belong to a question.
        asks: whether the server may be asked for its tools; else only what passes is learnt.
    """

    def __init__(
        self,
        to_client: Send,
        to_server: Send,
        tell: Callable[[str], None],
        *,
        answers: Answers,
        catalogue: Catalogue,
        in_key: Collection[str] = META_IN_KEY,
        asks: bool = True,
    ) -> None:
        self._to_client, self._to_server, self._tell = to_client, to_server, tell
        self._answers, self._catalogue, self._in_key = answers, catalogue, in_key
        self._asks = asks
        self._awaited: Awaited = {}
        self._calls = Calls(answers, to_client, to_server, self._awaited)
        self._own = OwnRequests(to_server, self._awaited, catalogue)
        self._down, self._up = InOrder(), InOrder()
        self._about_client: dict[str, object] = {}
        self._held: dict[object, bytes] = {}
        self._learning: asyncio.Task[None] | None = None
        self._writes = Writes()
        self._by_method = {
            "initialize": self._initialize,
            "tools/list": self._list,
            "tools/call": self._call,
            "notifications/cancelled": self._cancel,
        }

    @property
    def is_busy(self) -> bool:
        """Whether something that the client sent has neither been answered nor passed on."""
        return bool(self._held) or self._calls.are_waiting or self._down.is_waiting

    async def aclose(self) -> None:
        """The server has ended: writes that it has not confirmed may have happened."""
        if self._learning is not None:
            self._learning.cancel()
        if (effects := self._writes.all()) is not None:
            await self._answers.void(effects)

    # --- from the client ----------------------------------------------------------------------

    def from_client(self, line: bytes, end: bytes = b"\n") -> None:
        """A line that the client sent, and what ended it: nothing, if it is the client's last."""
        self._down.take(partial(self._deal_with_clients, line, end))

    def _deal_with_clients(self, line: bytes, end: bytes) -> None:
        seen = peek(line)
        if isinstance(seen, list):
            decide = self._fate_in_batch
            self._deal_with_batch(line, seen, decide, self._down, self._to_server, end)
            return
        fate = PASS if seen is None else _decided(self._fate_of_clients, line, seen)
        self._send(line + end, fate, self._down, self._to_server)

    def _fate_of_clients(self, line: bytes, seen: Message) -> Fate:
        if isinstance(seen.method, UnsetType):
            return Fate(changes=UNKNOWN) if isinstance(seen, Odd) else PASS  # it may be a write
        if seen.method != "tools/call":
            self._calls.leave_to_server(identity(seen.id))
        decide = self._by_method.get(seen.method)
        return PASS if decide is None else decide(line, seen)

    def _initialize(self, line: bytes, seen: Message) -> Fate:
        asked = _decoded(_Handshake, seen.params)
        if (id := identity(seen.id)) is not None and asked is not None:
            self._awaited.setdefault(id, partial(self._initialized, asked))
        return PASS

    def _initialized(self, asked: _Handshake, seen: Message) -> Fate:
        agreed = _decoded(_Handshake, seen.result)
        if agreed is not None:
            self._about_client = {
                PROTOCOL: agreed.protocolVersion,
                CAPABILITIES: asked.capabilities,
            }
        return PASS

    def _list(self, line: bytes, seen: Message) -> Fate:
        asked = _Cursor() if seen.params is UNSET else _decoded(_Cursor, seen.params)
        if (id := identity(seen.id)) is not None and asked is not None:
            listed = partial(self._listed, asked.cursor, self._catalogue.edition)
            self._awaited.setdefault(id, listed)
        return PASS

    def _listed(self, cursor: str | None, edition: int, seen: Message) -> Fate:
        self._catalogue.learn(seen.result, cursor, edition)
        return PASS

    def _call(self, line: bytes, seen: Message) -> Fate:
        call, id = self._read(seen), identity(seen.id)
        if call is None or id is None:
            return self._hold(id, line, {}) if self._held else Fate(changes=UNKNOWN)
        effects = self._catalogue.effects(call.tool, call.arguments)
        if effects is not None and not effects.is_read:
            is_behind = bool(self._held)  # writes keep their order
            return self._hold(id, line, call.meta) if is_behind else self._write(id, call, effects)
        if self._asks:
            self._own.listen(call.meta)
        if effects is None:
            return self._hold(id, line, call.meta) if self._asks else PASS
        if call.question is None or not self._catalogue.is_kept(call.tool):
            return PASS
        self._calls.ask(line, seen, call.question)
        return DROP

    def _read(self, seen: Message) -> ToolCall | None:
        return read_call(seen.params, self._in_key, self._about_client)

    def _write(self, id: Id, call: ToolCall, effects: Effects) -> Fate:
        """What is kept is void when a write starts, and again when it ends."""
        if id not in self._awaited:
            self._writes.begin(id, call.tool, effects)
            self._awaited[id] = lambda seen: Fate(changes=self._writes.end(id, seen))
        return Fate(changes=effects)

    def _hold(self, id: Id | None, line: bytes, meta: Mapping[str, object]) -> Fate:
        """Keep the call until the server has told what its tools do."""
        self._held[object() if id is None or id in self._held else id] = line
        if self._learning is None:
            self._learning = asyncio.create_task(self._own.learn_tools(meta))
            self._learning.add_done_callback(self._learnt)
        return DROP

    def _learnt(self, task: asyncio.Task[None]) -> None:
        self._learning = None
        self._let_held_go_on()

    def _let_held_go_on(self) -> None:
        held, self._held = self._held, {}
        end = b"\n"
        self._down.take_first(
            [partial(self._deal_with_clients, line, end) for line in held.values()]
        )

    def wait_for_tools_no_more(self) -> None:
        """The client has left: what is held reaches the server, and may write anything."""
        if self._held:
            self._catalogue.give_up()
            self._let_held_go_on()

    def _cancel(self, line: bytes, seen: Message) -> Fate:
        asked = _decoded(_Cancelled, seen.params)
        if asked is None:
            return PASS
        id = asked.requestId
        if self._calls.cancel(id, line) or self._held.pop(id, None) is not None:
            return DROP
        effects = self._writes.of(id)
        if effects is not None and not self._writes.is_cancelled(id):
            if (oldest := self._writes.cancel(id)) is not None:
                self._awaited.pop(oldest)(Message())  # its time is up, as if it had failed
            for seconds in _AFTER_CANCEL_S:
                clock.call_later(seconds, partial(self._void, effects))
        return Fate(changes=effects)

    def _void(self, effects: Effects) -> None:
        self._calls.forget(effects)
        bridge.now_or_background(self._answers.void(effects))

    def _fate_in_batch(self, line: bytes, seen: Message) -> Fate:
        """A batch is answered as a whole, by the server; calls in it are only looked at."""
        if seen.method != "tools/call":
            return self._fate_of_clients(line, seen)
        call, id = self._read(seen), identity(seen.id)
        if call is None or id is None:
            return Fate(changes=UNKNOWN)
        effects = self._catalogue.effects(call.tool, call.arguments) or UNKNOWN
        return PASS if effects.is_read else self._write(id, call, effects)

    # --- from the server ----------------------------------------------------------------------

    def from_server(self, line: bytes) -> None:
        """A line that the server sent; what is no message does not reach the client."""
        self._up.take(partial(self._deal_with_servers, line))

    def _deal_with_servers(self, line: bytes) -> None:
        seen = peek(line)
        if isinstance(seen, Message):
            fate = _decided(self._fate_of_servers, line, seen)
            self._send(line + b"\n", fate, self._up, self._to_client)
        elif isinstance(seen, list):
            self._deal_with_batch(line, seen, self._fate_of_servers, self._up, self._to_client)
        elif line.strip():
            self._tell(f"the server wrote to its stdout what is no message: {_shown(line)}")

    def _fate_of_servers(self, line: bytes, seen: Message) -> Fate:
        if isinstance(seen.method, UnsetType):
            id = identity(seen.id)
            if id is None and isinstance(seen, Odd):
                self._calls.let_go()
            came = None if id is None else self._awaited.pop(id, None)
            return PASS if came is None else came(seen)
        if seen.id is UNSET:
            return self._fate_of_news(line, seen.method)
        return PASS

    def _fate_of_news(self, line: bytes, method: str) -> Fate:
        if method == "notifications/tools/list_changed":
            self._catalogue.forget()
        changes = UNKNOWN if method in _CHANGES else None
        return Fate(not self._own.is_for_us(line), changes)

    # --- both ways ----------------------------------------------------------------------------

    def _send(self, data: bytes, fate: Fate, way: InOrder, send: Send) -> None:
        then = partial(send, data) if fate.passes else _nothing
        if fate.changes is None:
            then()
        else:
            self._calls.forget(fate.changes)
            way.after(self._answers.void(fate.changes), then)

    def _deal_with_batch(
        self,
        line: bytes,
        parts: list[bytes],
        decide: Decide,
        way: InOrder,
        send: Send,
        end: bytes = b"\n",
    ) -> None:
        fates = [_fate_of_part(part, decide) for part in parts]
        left = [part for part, fate in zip(parts, fates, strict=True) if fate.passes]
        whole = line if len(left) == len(parts) else b"[%b]" % b",".join(left)
        changes = [fate.changes for fate in fates if fate.changes is not None]
        fate = Fate(bool(left), together(changes))
        self._send(whole + end, fate, way, send)


class _Handshake(msgspec.Struct):
    protocolVersion: str  # noqa: N815 - as it is written on the wire
    capabilities: dict[str, object] = {}


class _Cursor(msgspec.Struct):
    cursor: str | None = None


class _Cancelled(msgspec.Struct):
    requestId: int | str  # noqa: N815 - as it is written on the wire


def _decoded(kind: type[T], raw: Raw | UnsetType) -> T | None:
    if isinstance(raw, UnsetType):
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _decided(decide: Decide, line: bytes, seen: Message) -> Fate:
    """What *decide* says; should it fail, the message passes and what is kept is void."""
    try:
        return decide(line, seen)
    except Exception:
        log.exception("a message passes unread")
        return Fate(changes=UNKNOWN)


def _fate_of_part(part: bytes, decide: Decide) -> Fate:
    seen = peek(part)
    return _decided(decide, part, seen) if isinstance(seen, Message) else PASS


def _nothing() -> None:
    """What comes of a message that does not pass."""


def _shown(line: bytes) -> str:
    text = line.strip()[:_SHOWN].decode("utf-8", "backslashreplace")
    whole = text.encode("unicode_escape").decode()
    return whole if len(line.strip()) <= _SHOWN else f"{whole}... ({len(line)} bytes)"
