"""The shared store that a command works on: opened, walked through, and closed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from .. import clock, settings
from ..errors import BadSetup
from ..stores import Entry, MemoryStore
from ..stores.codec import Codec
from ..stores.codec.sealed import SealedCodec, is_signed
from ..stores.ledger import Ledger, Verdict
from ..stores.shared import SharedStore
from ..stores.tiered import TieredStore

MISSING: Final = "{where} needs redis, which is not installed: pip install 'headway[redis]'"

_LAST_WORDS_S, _MOMENT_S = 2.0, 0.05


class WrittenStore(SharedStore, Protocol):
    """A shared store whose entries can be taken out, and put in, as written."""

    def scan(self) -> AsyncIterator[tuple[str, bytes]]:
        """Every entry as written, by name."""

    async def load(self, pairs: Iterable[tuple[str, bytes]]) -> int:
        """Keep entries that ``scan`` gave, as good from now on; how many were kept."""


State = Literal["void", "over", "in doubt", "unreadable", "signed"]
"""Why something in a store is no entry to be served."""


class Shelf:
    """A shared store without a memory tier in front, whose values stay sealed.

    Raises:
        BadSetup: there is no such folder, or what the store needs is not installed.
    """

    def __init__(self, where: str) -> None:
        if where.startswith("disk") and not (folder := _folder(where)).exists():
            # A slip of the pen is not to become a folder.
            raise BadSetup(f"nothing is kept in {folder}: there is no such folder")
        self._where = where
        self.name = settings.without_password(where)
        self.store = _second(where, SealedCodec())

    async def walk(self) -> AsyncIterator[tuple[str, bytes, Entry | State]]:
        """Name, bytes and entry of all that is in the store, or why it is none to be served."""
        ledger = await self._ledger()
        async for name, written in self.store.scan():
            yield name, written, _judged(name, written, ledger)

    async def _ledger(self) -> Ledger:
        """All invalidations that there were since the oldest entry was made, if they are known.

        A store's own ledger begins with the first word from it, and knows nothing of before.
        """
        await self.store.catch_up()
        ledger, codec = self.store.ledger, SealedCodec()
        state, oldest = ledger.state, ledger.count
        async for name, written in self.store.scan():
            entry = codec.decode(name, written)
            if entry is not None and ledger.verdict(entry.mark, ()) is not Verdict.VOID:
                oldest = min(oldest, entry.mark)
        if state is None or oldest >= state.count:
            return ledger
        other = _second(self._where, SealedCodec())
        other.ledger.meet(msgspec.structs.replace(state, count=oldest))
        try:
            await other.catch_up()
        finally:
            await other.aclose()
        return other.ledger


def _judged(name: str, written: bytes, ledger: Ledger) -> Entry | State:
    entry = SealedCodec().decode(name, written)
    if entry is None:
        return "signed" if is_signed(written) else "unreadable"
    if clock.now() >= entry.stale_until:
        return "over"
    verdict = ledger.verdict(entry.mark, (*entry.tags, f"={name}"))
    if verdict is Verdict.GOOD:
        return entry
    return "void" if verdict is Verdict.VOID else "in doubt"


def where_from(said: str) -> str:
    """What ``--store`` *said*, else the setting.

    Raises:
        BadSetup: it names no store, or memory, which no other process can look into.
    """
    if said:
        settings.refuse_wrong_store(said, "--store")
    where = said or settings.load().store
    if where == "memory":
        raise BadSetup(
            "the store is memory, which ends with its process: name one that does not, with "
            "--store or HEADWAY_STORE, such as disk or redis://127.0.0.1:6379/0"
        )
    return where


@asynccontextmanager
async def tiered(where: str) -> AsyncIterator[TieredStore]:
    """The store that *where* names, behind memory, for one command.

    More patient than a server would be: a command that ends soon is better off with what is kept
    than without a wait, and what it kept is on its way when it is left.

    Raises:
        BadSetup: what the store needs is not installed, or its folder cannot be used.
    """
    store = TieredStore(MemoryStore(), _second(where), soft_timeout="2s", hard_timeout="10s")
    try:
        yield store
        await last_words_sent()
    finally:
        await store.aclose()


async def last_words_sent() -> None:
    """Return when no task of the loop has begun or ended for a moment, after 2 s at the latest.

    A stream is given to its store after its last reader had the end, and a lease given back after
    that; a store closed before would leave them unsaid.
    """
    before: set[asyncio.Task[object]] = set()
    given_up_at = clock.monotonic() + _LAST_WORDS_S
    while (now := asyncio.all_tasks()) != before and clock.monotonic() < given_up_at:
        before = now
        await clock.sleep(_MOMENT_S)


def _folder(where: str) -> Path:
    return Path(where.partition(":")[2] or Path(settings.load().folder, "cache"))


def _second(where: str, codec: Codec | None = None) -> WrittenStore:
    if where.startswith("disk"):
        from ..stores.disk import DiskStore
        from ..stores.disk.bound import bound_of

        folder = _folder(where)
        if (max_bytes := bound_of(folder)) is None:
            return DiskStore(folder, codec=codec)
        return DiskStore(folder, max_bytes=max_bytes, codec=codec)
    try:
        from ..stores.redis import RedisStore
    except ModuleNotFoundError as missing:
        if str(missing.name).partition(".")[0] not in ("redis", "hiredis"):
            raise
        shown = settings.without_password(where)
        raise BadSetup(MISSING.format(where=shown)) from None
    return RedisStore(where, codec=codec)
