"""Those who asked the same, as the work on their question sees them."""

from __future__ import annotations

from typing import Protocol

from ..stores import Entry
from .asking import Asking
from .refusal import Refusal


class Reader(Protocol):
    """One who asked, and takes the answer as it comes.

    Attributes:
        place: How many pieces it has taken of those that are held.
        sent: How many bytes of the answer.
        is_slow: It takes no more for now.
    """

    asking: Asking
    body: bytes
    extra_lines: bytes
    place: int
    sent: int
    is_slow: bool

    def hand_on(self) -> None:
        """Take what has come, and see whether that was all."""

    def answer_kept(self, entry: Entry) -> None:
        """Take an answer that is kept, instead of any that comes."""

    def refuse(self, refusal: Refusal) -> None:
        """Hear that no answer comes."""

    def cut(self, why: str) -> None:
        """Be left behind."""

    def note(
        self,
        action: str,
        detail: str | None,
        *,
        seconds: float | None = None,
        count: int | None = None,
    ) -> None:
        """Tell listeners what a policy did."""
