"""Which agent made a call, told from others of its name: ``analyst/reader`` works for ``analyst``.

An agent is nested in another if a call of the other is around its own: a sub-agent that is asked as
a tool, a step of a graph, any operation. Without such a call it goes by its name alone.
"""

from __future__ import annotations

from ..events import CallEnded, CallStarted


class AgentPaths:
    """The paths of agents, while calls begin and end; remembers only calls under way (``open``)."""

    def __init__(self) -> None:
        self.open: dict[str, CallStarted] = {}
        self._nested: dict[str, str] = {}
        """Of these calls, the paths that say more than the name of the agent."""

    def started(self, event: CallStarted) -> str | None:
        """The path of the agent that made this call; None if no agent was named."""
        self.open[event.call] = event
        path = self._below(event.parent, event.agent)
        if path is not None and path != event.agent:
            self._nested[event.call] = path
        return path

    def ended(self, event: CallEnded) -> str | None:
        """The same, of a call that has ended; its beginning may never have been heard of."""
        path = self.of_open(event.call)
        self._nested.pop(event.call, None)
        self.open.pop(event.call, None)
        return path if path is not None else self._below(event.parent, event.agent)

    def of_open(self, call: str) -> str | None:
        """The path of the agent whose call is under way under this id."""
        started = self.open.get(call)
        return None if started is None else self._nested.get(call, started.agent)

    def _below(self, parent: str | None, agent: str | None) -> str | None:
        if parent is None or (around := self.open.get(parent)) is None:
            return agent
        name, path = around.agent, self.of_open(parent)
        if agent is None or path is None:
            return agent or path
        return path if agent == (name or path.rpartition("/")[2]) else f"{path}/{agent}"
