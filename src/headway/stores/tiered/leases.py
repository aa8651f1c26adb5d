"""Leases of the second tier, or, while that is down, of nobody but this process."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..entry import Key
from ..shared import Ending, Lease
from .attempt import OutOfReach
from .second_tier import SecondTier

_ALONE: Final = "alone"


class TierLeases:
    """Never raises: without the second tier work goes on, once a process instead of once in all.

    Work that takes seconds is about to begin, or to be given back: what is asked here may take the
    hard time-out, lest a busy machine pass for a dead store and the work run twice. A store that
    answers but takes no leases (it is full, or this user may only read) stays in use for reads.
    """

    def __init__(self, tier: SecondTier) -> None:
        self._tier, self._store = tier, tier.store

    async def lease(self, key: Key, seconds: float) -> Lease | None:
        """The right to do the work on *key*, or None while somebody else has it."""
        try:
            return await self._tier.ask(
                partial(self._store.lease, key, seconds),
                late=self._hand_back,
                is_patient=True,
                may_be_refused=True,
            )
        except OutOfReach:
            return Lease(key, _ALONE, seconds)

    async def renew(self, lease: Lease) -> bool:
        """Hold *lease* for its seconds from now; also True if nobody can tell."""
        if lease.token == _ALONE:
            return True
        try:
            return await self._tier.ask(
                partial(self._store.renew, lease), is_patient=True, may_be_refused=True
            )
        except OutOfReach:
            return True

    async def release(self, lease: Lease, *, kept: bool) -> None:
        """Give *lease* back; one that cannot be given back runs out."""
        if lease.token != _ALONE:
            try:
                await self._tier.ask(
                    partial(self._store.release, lease, kept=kept),
                    is_patient=True,
                    may_be_refused=True,
                )
            except OutOfReach:
                pass

    async def wait(self, key: Key, at_most_s: float) -> Ending:
        """As the second tier's; over when that goes down."""
        try:
            return await self._tier.ask_as_long(
                partial(self._store.wait, key, at_most_s), at_most_s
            )
        except OutOfReach:
            return "over"

    def _hand_back(self, lease: Lease | None) -> None:
        if lease is not None:
            self._tier.here().begin(self.release(lease, kept=False))
