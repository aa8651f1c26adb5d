"""``import headway`` loads msgspec and nothing else from outside, in next to no time.

Each measurement is a fresh interpreter (``-I``: nothing from the environment), each figure the
minimum of several, taken in turn with what it is compared with. What else the machine does only
adds to a figure, so a figure above its bar is measured again before it counts.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

MOST_CPU_ABOVE_BASE_S = 0.020
MOST_HELP_S = 0.3
ROUNDS = 9
MOST_TRIES = 4

BASE = "import asyncio, msgspec"
LOADED = """
import sys
import asyncio, msgspec  # msgspec takes typing_extensions along where it is installed
before = set(sys.modules)
import headway
tops = {name.partition('.')[0] for name in set(sys.modules) - before}
print(*sorted(tops - set(sys.stdlib_module_names)))
"""


def run(*arguments: str) -> str:
    command = [sys.executable, "-I", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def cpu_s(statement: str) -> float:
    """CPU seconds of a whole interpreter that runs *statement*."""
    return float(run("-c", f"{statement}\nimport time\nprint(time.process_time())"))


def least_cpu_s(statements: Sequence[str]) -> list[float]:
    for statement in statements:
        run("-c", statement)  # leaves the compiled files behind
    rounds = [[cpu_s(statement) for statement in statements] for _ in range(ROUNDS)]
    return [min(column) for column in zip(*rounds, strict=True)]


def test_nothing_foreign_is_loaded() -> None:
    assert set(run("-c", LOADED).split()) <= {"headway"}


def test_import_is_cheap() -> None:
    for _ in range(MOST_TRIES):
        base, with_headway = least_cpu_s([BASE, f"{BASE}\nimport headway"])
        if with_headway - base <= MOST_CPU_ABOVE_BASE_S:
            break
    assert with_headway - base <= MOST_CPU_ABOVE_BASE_S


def test_help_answers_at_once() -> None:
    headway = Path(sys.executable).parent / "headway"

    def help_s() -> float:
        begun = time.perf_counter()
        subprocess.run([headway, "--help"], capture_output=True, check=True)
        return time.perf_counter() - begun

    assert min(help_s() for _ in range(ROUNDS)) <= MOST_HELP_S
