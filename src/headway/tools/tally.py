"""What a session has done, counted by tool."""

from __future__ import annotations

import msgspec


class ToolStatistics(msgspec.Struct, kw_only=True):
    """How the calls of one tool were answered in a session.

    ``joined`` counts who waited for equal work under way, in this process or in another;
    ``bypassed`` is how many of ``ran`` were reads for which nothing was looked up.
    """

    ran: int = 0
    hit: int = 0
    joined: int = 0
    bypassed: int = 0
    voided: dict[str, int] = {}
    """How often it ran again because of a write, by the tool that wrote."""

    @property
    def asked(self) -> int:
        """All calls."""
        return self.ran + self.hit + self.joined

    def note_voided(self, by: str) -> None:
        """It ran again because of a write *by* that tool."""
        self.voided[by] = self.voided.get(by, 0) + 1

    def copy(self) -> ToolStatistics:
        """The counters as they are now."""
        return msgspec.structs.replace(self, voided=dict(self.voided))


class SessionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has done so far, by the name of the tool."""

    name: str | None
    tools: dict[str, ToolStatistics]

    @property
    def asked(self) -> int:
        """All calls."""
        return sum(tool.asked for tool in self.tools.values())

    @property
    def saved(self) -> int:
        """Calls that did not run: hits, and who joined work under way."""
        return sum(tool.hit + tool.joined for tool in self.tools.values())
