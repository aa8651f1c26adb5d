"""What mypy says of code that uses Headway: the files in ``cases/`` are checked, never run.

A line that must be refused ends in ``# error: CODE``; every other line must pass. ``assert_type``
in a case states what the caller gets.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from mypy import api

CASES = sorted((Path(__file__).parent / "cases").glob("*.py"))
ROOT = Path(__file__).parents[2]
EXPECTED = re.compile(r"# error: ([a-z-]+)$")
FOUND = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$")

Errors = set[tuple[str, int, str]]


def expected_errors(cases: Iterable[Path]) -> Errors:
    return {
        (path.name, number, found[1])
        for path in cases
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (found := EXPECTED.search(line))
    }


def errors_of(cases: Iterable[Path]) -> Errors:
    """Every error mypy finds in *cases*; its whole report when that cannot be read."""
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    shape = ["--no-pretty", "--hide-error-context", "--show-error-codes"]
    limit = (
        sys.getrecursionlimit()
    )  # mypy raises it, and the tests after this one want it as it was
    try:
        out, trouble, _ = api.run([*config, *shape, *map(str, cases)])
    finally:
        sys.setrecursionlimit(limit)
    assert not trouble, trouble
    lines = [line for line in out.splitlines() if ": note: " not in line]
    matches = [FOUND.match(line) for line in lines]
    assert all(matches), out
    return {(Path(m["path"]).name, int(m["line"]), m["code"]) for m in matches if m}


def test_types_are_what_callers_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert CASES
    assert errors_of(CASES) == expected_errors(CASES)


def test_a_missing_and_a_surplus_error_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    case = tmp_path / "case.py"
    case.write_text('x: int = "a"\ny: int = 1  # error: assignment\n')
    assert errors_of([case]) == {("case.py", 1, "assignment")}
    assert expected_errors([case]) == {("case.py", 2, "assignment")}
