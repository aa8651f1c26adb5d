"""Invalidations on their way to the second tier: which may be told, and how many in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from ...errors import BadSetup
from .attempt import OutOfReach, Refused
from .journal import Announcement
from .second_tier import SecondTier

TAGS_AT_ONCE: Final = 100
"""A small disk store has room for so many in one transaction."""


def sound(tags: Iterable[str]) -> Announcement:
    """*tags*, of which every store can write down each.

    Raises:
        BadSetup: one is no text, or half a character, or they do not come in a collection.
    """
    if isinstance(tags, str):
        raise BadSetup(f"invalidate({tags!r}): tags come in a collection, as [{tags!r}]")
    checked = tuple(tags)
    for tag in checked:
        try:
            tag.encode()
        except (AttributeError, UnicodeEncodeError):
            raise BadSetup(
                f"invalidate({tag!a}): a tag is a text that can be written as UTF-8"
            ) from None
    return checked


class Announcing:
    """Tells a store what became void while it was down; *own* marks what this process says."""

    def __init__(
        self, tier: SecondTier, own: Callable[[Announcement], AbstractContextManager[None]]
    ) -> None:
        self._tier, self._own = tier, own

    async def tell(self, tags: Announcement) -> None:
        """Make *tags* void there, in groups; if it will not take one, everything.

        Raises:
            OutOfReach: it does not answer, or will not take that either.
        """
        for first in range(0, len(tags), TAGS_AT_ONCE):
            group = tags[first : first + TAGS_AT_ONCE]
            try:
                with self._own(group):
                    await self._tier.attempt(
                        partial(self._tier.store.invalidate, group),
                        limit_s=self._tier.hard_s,
                        may_be_refused=True,
                    )
            except Refused as refused:
                if isinstance(refused.__cause__, (ConnectionError, TimeoutError)):
                    raise OutOfReach(str(refused.__cause__)) from refused
                await self.tell_all()
                return

    async def tell_all(self) -> None:
        """Make everything void there."""
        with self._own(()):
            await self._tier.attempt(self._tier.store.clear, limit_s=self._tier.hard_s)
