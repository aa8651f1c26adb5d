"""What a run of a graph gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..stream import Stream


class GraphResult(Mapping[str, object]):
    """What the steps gave, by name, in the order of declaration; a gap is None.

    ``gaps`` holds what optional steps failed with, ``seconds`` how long the run took, and
    ``step_seconds`` how long each step took that did its work (not one answered from a cache).
    """

    __slots__ = ("_values", "gaps", "seconds", "step_seconds")

    def __init__(
        self,
        values: Mapping[str, object],
        gaps: Mapping[str, Exception],
        seconds: float,
        step_seconds: Mapping[str, float],
    ) -> None:
        self._values, self.gaps = values, gaps
        self.seconds, self.step_seconds = seconds, step_seconds

    def __getitem__(self, step: str) -> object:
        return self._values[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        gaps = f", gaps: {', '.join(self.gaps)}" if self.gaps else ""
        return f"<GraphResult {', '.join(self) or 'of no step'}{gaps}, {self.seconds:.3g} s>"


def for_reader(value: object) -> object:
    """*value* for one more reader: each may close its handle of a stream without harm to others."""
    return value.again() if isinstance(value, Stream) else value
