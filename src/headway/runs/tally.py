"""Counting a run while it happens: exact counts in bounded memory, however long the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set

from ..events import (
    BatchEnded,
    CallEnded,
    CallStarted,
    Event,
    GraphPlanned,
    ModelAnswered,
    PolicyActed,
    RunEnded,
    RunStarted,
    StepSettled,
    StoreFailed,
)
from .agent_paths import AgentPaths
from .counts import Count, LineKey, Question
from .time_use import TOOL
from .tool_batches import BatchSum

MOST_CALLS = 100_000
"""So many calls are kept one by one, for times and paths; all others are only counted."""
MOST_QUESTIONS = 100_000
"""So many different questions are told apart, to find duplicates."""


_NO_ERRORS: frozenset[str] = frozenset()


class PlannedGraph:
    """A graph that ran, and how its steps were settled."""

    def __init__(self, plan: GraphPlanned) -> None:
        self.plan, self.settled = plan, dict[str, StepSettled]()
        self.is_mixed = False
        """Another graph of the same name ran at the same time: whose step is whose is a guess."""

    @property
    def is_settled(self) -> bool:
        return self.settled.keys() >= self.plan.needs.keys()


class Tally:
    """What a receipt is made from; ``add`` each event of one run, in order."""

    def __init__(
        self, *, most_calls: int = MOST_CALLS, most_questions: int = MOST_QUESTIONS
    ) -> None:
        self._most_calls, self._most_questions = most_calls, most_questions
        self.run: str | None = None
        self.started: list[RunStarted] = []
        self.ended: list[RunEnded] = []
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.lines: dict[LineKey, Count] = {}
        self.tool_lines: dict[LineKey, Count] = {}
        """Of tools alone, by the path of the agent."""
        self.paths: dict[str, str] = {}
        """Of calls that are kept: the path of their agent, where it says more than its name."""
        self._agents = AgentPaths()
        self.open: dict[str, CallStarted] = self._agents.open
        self.questions: dict[tuple[str, str], Question] = {}
        self.calls: list[CallEnded] = []
        self.answers: list[ModelAnswered] = []
        self.errors: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.action_s: dict[str, float] = {}
        self.store_failures: Counter[str] = Counter()
        self.step_outcomes: Counter[str] = Counter()
        self.graphs: list[PlannedGraph] = []
        self.batches = BatchSum()
        self.cached: dict[str, bool] = {}
        self.calls_not_kept = self.questions_not_kept = self.calls_without_key = 0
        self.answers_not_kept = 0
        self._failed_inside: dict[str, set[str]] = {}
        self._uncounted = Count()
        """Stands in for the line of a tool where what is asked is none."""
        self._counted: dict[type[Event], Callable[..., object]] = {
            RunStarted: self.started.append,
            RunEnded: self.ended.append,
            CallStarted: self._agents.started,
            CallEnded: self._call_ended,
            ModelAnswered: self._model_answered,
            PolicyActed: self._policy_acted,
            StoreFailed: self._store_failed,
            GraphPlanned: self._graph_planned,
            StepSettled: self._step_settled,
            BatchEnded: self.batches.add,
        }

    def add(self, event: Event) -> None:
        """Count *event*; kinds that say nothing of calls only move the clock."""
        if self.first_at is None:
            self.first_at, self.run = event.at, event.run
        if self.last_at is None or event.at > self.last_at:
            self.last_at = event.at
        counted = self._counted.get(type(event))
        if counted is not None:
            counted(event)

    def line(self, agent: str | None, operation: str) -> Count:
        """The count of one agent's use of one operation."""
        line = self.lines.get((agent, operation))
        if line is None:
            line = self.lines[agent, operation] = Count()
        return line

    def path_of_open(self, call: str) -> str | None:
        """The path of the agent whose call is under way under this id."""
        return self._agents.of_open(call)

    def _call_ended(self, event: CallEnded) -> None:
        agent = self._agents.ended(event)
        line = self.line(event.agent, event.operation)
        self._answered(line, event)
        errors_inside = self._failed_inside.pop(event.call, _NO_ERRORS)
        if event.error is not None:
            self._failed(line, event, event.error, errors_inside)
        self._ask(
            event, agent, self._tool_line(event, agent) if event.kind == TOOL else self._uncounted
        )
        self._note_cache(event)
        if len(self.calls) < self._most_calls:
            self.calls.append(event)
            if agent is not None and agent != event.agent:
                self.paths[event.call] = agent
        else:
            self.calls_not_kept += 1

    def _tool_line(self, event: CallEnded, agent: str | None) -> Count:
        line = self.tool_lines.setdefault((agent, event.operation), Count())
        self._answered(line, event)
        line.failed += event.error is not None
        return line

    def _answered(self, line: Count, event: CallEnded) -> None:
        line.kind = event.kind
        line.asked += 1
        match event.source:
            case "ran":
                self._ran(line, event)
            case "hit":
                line.hit += 1
            case "joined":
                line.joined += 1
            case "stale":
                line.stale += 1
        if event.age_s is not None:
            line.max_age_s = max(event.age_s, line.max_age_s or 0.0)

    def _ran(self, line: Count, event: CallEnded) -> None:
        line.ran += 1
        line.ran_s += event.seconds
        line.ran_max_s = max(event.seconds, line.ran_max_s or 0.0)

    def _failed(self, line: Count, event: CallEnded, error: str, inside: Set[str]) -> None:
        """Count an error where it arose: not in those who waited, nor in the calls around."""
        line.failed += 1
        if event.source == "ran" and error not in inside:
            self.errors[error] += 1
        if event.parent is not None:
            self._failed_inside.setdefault(event.parent, set()).add(error)

    def _ask(self, event: CallEnded, agent: str | None, line: Count) -> None:
        if event.key is None:
            self.calls_without_key += event.kind != "step"  # a step is asked once by design
            return
        which = (event.operation, event.key)
        question = self.questions.get(which)
        if question is not None:
            question.ask_again(event, agent, line)
        elif len(self.questions) < self._most_questions:
            self.questions[which] = Question(event, agent, line)
        else:
            self.questions_not_kept += 1

    def _note_cache(self, event: CallEnded) -> None:
        """An answer from a cache proves that there is one; else the event may say so itself."""
        if event.source in ("hit", "stale"):
            self.cached[event.operation] = True
        elif event.cached is not None:
            self.cached.setdefault(event.operation, event.cached)

    def _model_answered(self, event: ModelAnswered) -> None:
        if len(self.answers) < self._most_calls:
            self.answers.append(event)
        else:
            self.answers_not_kept += 1

    def _policy_acted(self, event: PolicyActed) -> None:
        self.actions[event.action] += 1
        self.action_s[event.action] = self.action_s.get(event.action, 0.0) + (event.seconds or 0.0)
        if event.action == "retried":
            self.line(event.agent, event.operation).retried += 1
        elif event.action in ("refreshed", "refresh failed"):
            self.line(event.agent, event.operation).refreshed += 1

    def _store_failed(self, event: StoreFailed) -> None:
        self.store_failures[event.store] += 1

    def _graph_planned(self, event: GraphPlanned) -> None:
        planned = PlannedGraph(event)
        for other in self.graphs:
            if other.plan.graph == event.graph and not other.is_settled:
                other.is_mixed = planned.is_mixed = True
        self.graphs.append(planned)

    def _step_settled(self, event: StepSettled) -> None:
        self.step_outcomes[event.outcome] += 1
        for graph in reversed(self.graphs):
            if (
                graph.plan.graph == event.graph
                and event.step in graph.plan.needs
                and event.step not in graph.settled
            ):
                graph.settled[event.step] = event
                return
