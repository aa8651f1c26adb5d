"""What a store promises whose entries outlive the process or are seen by others."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from .entry import Key, Store
from .ledger import Ledger

Ending = Literal["kept", "given up", "over"]
"""How waiting ended: an answer was kept; its maker failed or keeps nothing; the lease ran out."""


class Lease(msgspec.Struct, frozen=True):
    """The right to do the work on one key, for *seconds* from the last ``lease`` or ``renew``."""

    key: Key
    token: str
    seconds: float


class SharedStore(Store, Protocol):
    """A store that several processes use at once.

    Every method may raise when the store cannot be reached (OSError, TimeoutError, or an error of
    its library); callers go on without it. ``mark()`` is ``ledger.count``. Entries are told apart
    by ``keys.digest`` of their keys, so a key must mean the same in every process. An entry whose
    value has no safe form to be written down, or that is private, is not kept, and counted as
    refused.
    """

    ledger: Ledger

    async def catch_up(self) -> None:
        """Hear of every invalidation that was acknowledged before this call, or raise."""

    async def probe(self) -> None:
        """Return if the store answers; costs as little as can be."""

    async def lease(self, key: Key, seconds: float) -> Lease | None:
        """The right to do the work on *key*, or None while somebody else has it."""

    async def renew(self, lease: Lease) -> bool:
        """Hold *lease* for its seconds from now; False if it ran out and is another's, or free."""

    async def release(self, lease: Lease, *, kept: bool) -> None:
        """Give *lease* back and wake who waits, told whether an answer was kept."""

    async def wait(self, key: Key, at_most_s: float) -> Ending:
        """Return when the lease on *key* is given back or has run out ("over" at once if free).

        Also "over" after *at_most_s*. Waits for a message; does not ask again and again.
        """

    async def aclose(self) -> None:
        """Let go of connections, files and tasks; entries stay."""
