"""An analyst: a model that asks tools until it knows enough, within bounds."""

from __future__ import annotations

from typing import Protocol

import msgspec

from .talk import Ask, Exchange, ModelFailed, Prompt, Turn
from .toolbox import SPECS, Toolbox


class Bounds(msgspec.Struct, frozen=True):
    """How long an analyst may go on asking."""

    turns: int = 8
    """Answers of the model, the notes included; in the last it can ask no tool."""
    tool_calls: int = 24


BOUNDS = Bounds()


class Answering(Protocol):
    """A model that can be asked for an answer as a whole."""

    async def answer(self, ask: Ask) -> Turn:
        """The answer. Raises ModelFailed."""


async def investigate(
    model: Answering, prompt: Prompt, toolbox: Toolbox, bounds: Bounds = BOUNDS
) -> str:
    """The analyst's notes. Raises ModelFailed if there are none."""
    exchanges: tuple[Exchange, ...] = ()
    left = bounds.tool_calls
    for number in range(1, bounds.turns + 1):
        may_call = number < bounds.turns and left > 0
        turn = await model.answer(Ask(prompt, SPECS, exchanges, may_call))
        if not (turn.tool_calls and may_call):
            return _notes(turn, number)
        results = await toolbox.answer(turn.tool_calls, left)
        left -= len(turn.tool_calls)
        exchanges = (*exchanges, Exchange(turn, results))
    raise ModelFailed(f"{bounds.turns} turns are too few to answer")


def _notes(turn: Turn, turns: int) -> str:
    if turn.text.strip():
        return turn.text.strip()
    wanted = ", it still wants to ask tools" if turn.tool_calls else ""
    raise ModelFailed(f"the model wrote no notes in {turns} turns{wanted}")
