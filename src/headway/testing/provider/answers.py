"""Where the stand-in model gets its words: a template, a script, a recording, or a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Protocol

from . import tokens
from .answer import Answer, ToolUse
from .fault import Fault
from .question import Matcher, Question, matches
from .schema_example import example_of

Said = Answer | Fault | str
Words = Said | Callable[[Question], Said]
"""An answer, its text alone, a fault, or a function of the question that gives one of these."""


class Answers(Protocol):
    """Gives the answer to each question; asked in order of arrival, from one thread at a time."""

    def answer(self, question: Question) -> Said:
        """What the model says to *question*."""


class OutOfAnswers(LookupError):
    """The script has no answer for a question; the client gets a 500 that it does not repeat."""


class Templated:
    """The same words for the same question: the template, filled in from it.

    Fields: ``last_user``, ``system``, ``model``, ``wire``, ``turn``, ``tools``, ``tool_results``.
    A question that demands a JSON schema is answered by an example of it, one that forces a tool
    by a call with example arguments.
    """

    def __init__(self, template: str = "You said: {last_user}") -> None:
        self.template = template

    def answer(self, question: Question) -> Answer:
        """The filled template, or the example that the question demands."""
        if question.forced_tool is not None and question.tools and not question.tool_results:
            return Answer(tool_calls=(example_call(question),))
        if question.answer_schema is not None:
            return Answer(text=tokens.as_json(example_of(question.answer_schema)).decode())
        return Answer(text=self.template.format_map(_fields(question)))


def example_call(question: Question) -> ToolUse:
    """A call of the forced tool (the first, if any will do) with arguments its schema allows."""
    named = [tool for tool in question.tools if tool.name == question.forced_tool]
    tool = (named or question.tools)[0]
    return ToolUse(tool.name, example_of({"type": "object", **tool.schema}))


def _fields(question: Question) -> dict[str, object]:
    return {
        "last_user": question.last_user,
        "system": question.system,
        "model": question.model,
        "wire": question.wire,
        "turn": question.turn,
        "tools": ", ".join(tool.name for tool in question.tools),
        "tool_results": "\n".join(result.text for result in question.tool_results),
    }


class Scripted:
    """Answers written down beforehand.

    A pair ``(matcher, words)`` answers every question that it matches; the other entries are
    used up in order, each for one question. When they are, *then* answers, and without it the
    client gets a 500 that says so and that no client repeats.
    """

    def __init__(
        self, script: Iterable[Words | tuple[Matcher, Words]], then: Answers | None = None
    ) -> None:
        entries = list(script)
        self._matched = [entry for entry in entries if isinstance(entry, tuple)]
        self._in_order = [entry for entry in entries if not isinstance(entry, tuple)]
        self._then, self._used, self._lock = then, 0, Lock()

    @property
    def unused(self) -> int:
        """How many of the entries used in order are still to come."""
        return len(self._in_order) - self._used

    def answer(self, question: Question) -> Said:
        """The first matching entry, else the next in order."""
        for matcher, words in self._matched:
            if matches(matcher, question):
                return said(words, question)
        with self._lock:
            at, self._used = self._used, min(self._used + 1, len(self._in_order))
        if at < len(self._in_order):
            return said(self._in_order[at], question)
        if self._then is not None:
            return self._then.answer(question)
        raise OutOfAnswers(
            f"the script has no answer left for {question.last_user[:60]!r}; "
            "add one, or give Scripted(..., then=Templated())"
        )


class Always:
    """The same words, or the same function, for every question."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def answer(self, question: Question) -> Said:
        """The words."""
        return said(self._words, question)


class Recorded:
    """Answers from a recording: pairs of a matcher and ``Answer(raw=..., offsets=...)``.

    Pairs that match the same question are used one after the other; the last one is repeated.
    """

    def __init__(self, records: Iterable[tuple[Matcher, Answer]]) -> None:
        self._records = list(records)
        self._used: set[int] = set()
        self._lock = Lock()

    def answer(self, question: Question) -> Answer:
        """The first unused record of this question, or its last."""
        with self._lock:
            found = [at for at, (m, _) in enumerate(self._records) if matches(m, question)]
            if not found:
                raise OutOfAnswers(f"nothing was recorded for {question.last_user[:60]!r}")
            at = next((at for at in found if at not in self._used), found[-1])
            self._used.add(at)
        return self._records[at][1]


def said(words: Words, question: Question) -> Said:
    """The words themselves, or what their function makes of the question."""
    return words if isinstance(words, (Answer, Fault, str)) else words(question)


Saying = Answers | Words | Iterable[Words | tuple[Matcher, Words]]
"""Anything that can be understood as answers: a list is a script, a text is said every time."""


def answers_from(saying: Saying | None) -> Answers:
    """The answers meant; without any, the template."""
    if saying is None:
        return Templated()
    if isinstance(saying, (Answer, Fault, str)) or callable(saying):
        return Always(saying)
    return Scripted(saying) if isinstance(saying, Iterable) else saying
