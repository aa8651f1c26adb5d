"""Tool calls read from conversations: asked for in an answer, their results in a later request.

A program that runs its own tools tells nobody, but its model: so duplicates show on a receipt
without a change to the program. A conversation repeats its history every turn; each call is counted
once, when it is asked for, and ends when its result first comes. What comes never stays begun.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Final

from .. import events
from ..adapters.http.plumbing import plain_name
from ..scope import current, new_call_id
from ..wire.exchange import AnswerFacts, RequestFacts, ToolCall
from ..wire.json_values import as_object
from .spoken import Brought, Spoken
from .transcript import LONGEST_TASK, key_of, read_arguments, spoken_of

MOST_OPEN: Final = 10_000
"""So many calls are remembered until their results come; then the oldest are forgotten."""
MOST_TASKS: Final = 1_000
"""So many texts may be tasks of sub-agents; then the oldest are forgotten."""
MOST_TEXTS: Final = 10
"""Of one call, so many of its arguments may be."""
LEAST_TASK: Final = 12
"""A shorter text may stand in two places by chance."""
SURELY_A_TASK: Final = 64
"""So long a text does not stand by chance within another."""

TOOL: Final = "tool"


class _Open:
    """A call whose result has not come."""

    __slots__ = ("agent", "at", "call", "id", "key", "name", "parent", "tasks")

    def __init__(self, asked: ToolCall, agent: str | None, at: float, parent: str | None) -> None:
        self.call, self.agent, self.at, self.parent = new_call_id(), agent, at, parent
        self.id, self.name = asked.id or "", asked.name
        given = read_arguments(asked.arguments)
        self.key = key_of(asked.name, given)
        self.tasks = list(islice(_texts(given), MOST_TEXTS))

    def fits(self, brought: Brought) -> bool:
        """Whether *brought* may be its result."""
        if brought.name is not None and brought.name != self.name:
            return False
        return brought.key is None or brought.key == self.key


class Conversations:
    """Emits ``CallStarted`` and ``CallEnded`` of kind tool; call it only if somebody listens.

    *run* is the run of the events; default: that of the scope in which this is made.
    """

    def __init__(self, run: str | None = None) -> None:
        self._run = run or current.get().run
        # Ordered ones forget their oldest at once; a plain one searches for it.
        self._open: OrderedDict[str, list[_Open]] = OrderedDict()
        self._number = 0
        self._tasks: OrderedDict[str, list[_Open]] = OrderedDict()
        self._roots: OrderedDict[str, None] = OrderedDict()

    @property
    def unanswered(self) -> int:
        """Calls whose results have not come, and are still remembered."""
        return self._number

    def asked(self, facts: RequestFacts | Spoken, agent: str | None, at: float) -> str | None:
        """Read the results that a request brings; *at* is when it came, by ``clock.now()``.

        Args:
            facts: With the body; or what was read from it before.

        Returns:
            The tool call inside which it was made, if a sub-agent surely made it there: its task is
            what that call was asked.
        """
        spoken = facts if isinstance(facts, Spoken) else spoken_of(facts)
        for brought in spoken.results:
            found = self._find(brought, agent)
            if found is not None:
                self._end(found, at)
        around = self._around(spoken.task)
        return None if around is None else around.call

    def answered(
        self, facts: AnswerFacts, agent: str | None, at: float, parent: str | None = None
    ) -> None:
        """Read the tool calls that a whole answer asks for; *at* is when it ended.

        Args:
            parent: what ``asked`` returned for its request.
        """
        if facts.is_error or not facts.is_complete:
            return
        for asked in facts.tool_calls:
            self._begin(_Open(asked, agent, at, parent))

    def _begin(self, opened: _Open) -> None:
        if self._number >= MOST_OPEN:
            self._forget(next(iter(self._open.values()))[0])
        self._open.setdefault(opened.id, []).append(opened)
        self._number += 1
        for text in opened.tasks:
            if text not in self._roots:
                if text not in self._tasks and len(self._tasks) >= MOST_TASKS:
                    self._tasks.popitem(last=False)
                self._tasks.setdefault(text, []).append(opened)
        events.emit(
            events.CallStarted(
                at=opened.at,
                run=self._run,
                call=opened.call,
                operation=plain_name(opened.name),
                kind=TOOL,
                key=opened.key,
                agent=opened.agent,
                parent=opened.parent,
            )
        )

    def _find(self, brought: Brought, agent: str | None) -> _Open | None:
        """The call that *brought* answers: the agent's own, else the only one that can be meant."""
        fitting = [one for one in self._open.get(brought.id or "", ()) if one.fits(brought)]
        own = [one for one in fitting if one.agent == agent]
        if own:
            return own[0]
        return fitting[0] if len(fitting) == 1 and brought.id else None

    def _end(self, opened: _Open, at: float) -> None:
        self._forget(opened)
        events.emit(
            events.CallEnded(
                at=at,
                run=self._run,
                call=opened.call,
                operation=plain_name(opened.name),
                kind=TOOL,
                source="ran",
                seconds=max(0.0, at - opened.at),
                key=opened.key,
                agent=opened.agent,
                parent=opened.parent,
            )
        )

    def _forget(self, opened: _Open) -> None:
        same_id = self._open[opened.id]
        same_id.remove(opened)
        self._number -= 1
        if not same_id:
            del self._open[opened.id]
        for text in opened.tasks:
            if opened in (around := self._tasks.get(text, [])):
                around.remove(opened)
                if not around:
                    del self._tasks[text]

    def _around(self, task: str) -> _Open | None:
        """The open call that was asked what this conversation is about.

        A task that somebody had before it was asked of a tool proves nothing.
        """
        if len(task) < LEAST_TASK:
            return None
        found = self._tasks.get(task) or self._within(task)
        if found:
            return found[0]
        if len(self._roots) >= MOST_TASKS:
            self._roots.popitem(last=False)
        self._roots[task] = None
        return None

    def _within(self, task: str) -> list[_Open] | None:
        for text, those in self._tasks.items():
            if len(text) >= SURELY_A_TASK and text in task:
                return those
        return None


def _texts(given: object) -> Iterator[str]:
    for value in as_object(given).values():
        if isinstance(value, str) and len(value) >= LEAST_TASK:
            yield value[:LONGEST_TASK]
