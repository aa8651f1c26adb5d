"""Run the examples of one page, in the folder where it is called: ``python -m ... PAGE``.

All ``python`` blocks share one namespace and one event loop, as if they were one script; ``await``
may stand outside functions. An ``output`` block after one of them is what it prints; so is a
``measured`` block, but there any time, ratio or run id may stand for any other. In ``console``
blocks each ``$ headway ...`` is run, and what follows it is what it prints; those that take long
are only compared with their ``--help``. Ends with 1 and a traceback into the page if something is
not as the page says.
"""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType

from tests.docs.checked import Checks, compiled, is_coroutine, matches
from tests.docs.page import ROOT, Block, read

HEADWAY = Path(sys.executable).with_name("headway")
SLOW = ("demo",)
"""Sub-commands that are not run for a page."""

_MEASURED = re.compile(r"~?\b\d+(\.\d+)? (us|ms|s)\b|\b\d+\.\d+×|\b[0-9a-f]{12,32}\b")
"""Times, ratios, and the ids of runs and questions."""

_unraisable: list[str] = []


def run(path: Path) -> None:
    """Run the page at *path*.

    Raises:
        AssertionError: something is not as the page says; any other error is the example's own.
    """
    checks, script = Checks(), ModuleType("__main__")
    script.__dict__["__checks__"] = checks
    sys.modules["__main__"] = script
    blocks = read(path).blocks
    with asyncio.Runner() as runner:
        for block, after in zip(blocks, (*blocks[1:], None), strict=True):
            if block.language == "python":
                printed = _run_python(block, path, checks, script, runner)
                if after is not None and after.language in ("output", "measured"):
                    _compare(after, printed)
            elif block.language == "console":
                for line, command, output in commands(block):
                    _run_command(line, command, output)
    if lines := checks.unreached():
        raise AssertionError(f"the checks in these lines were never reached: {lines}")
    if _unraisable:
        raise AssertionError("left behind: " + "; ".join(_unraisable))


def _run_python(
    block: Block, path: Path, checks: Checks, script: ModuleType, runner: asyncio.Runner
) -> str:
    code = compiled(block.text, str(path), block.line, checks)
    with redirect_stdout(StringIO()) as printed:
        begun = eval(code, script.__dict__)
        if is_coroutine(code):
            runner.run(begun)
    return printed.getvalue()


def _compare(expected: Block, found: str) -> None:
    is_measured = expected.language == "measured"
    if not matches(_bare(expected.text, is_measured), _bare(found, is_measured)):
        raise AssertionError(f"line {expected.line}: expected\n{expected.text}\nfound\n{found}")


def _bare(text: str, is_measured: bool) -> str:
    """*text* with single spaces, and without what another run measures differently."""
    if is_measured:
        text = _MEASURED.sub("#", text)
    lines = (re.sub(r" +", " ", line).rstrip() for line in text.splitlines())
    return "\n".join(lines).strip("\n")


def commands(block: Block) -> list[tuple[int, str, str]]:
    """Line, command and expected output of each ``$ ...`` in a console block."""
    found: list[tuple[int, str, str]] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append((number, line[2:].partition("  #")[0].strip(), ""))
        elif found:
            first, command, output = found[-1]
            found[-1] = (first, command, f"{output}{line}\n")
    return found


def _run_command(line: int, command: str, output: str) -> None:
    words = shlex.split(command)
    given = {}
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, given[name] = words.pop(0).partition("=")
    if not words or words[0] != "headway":
        return
    if set(words) & set(SLOW):
        _compare_with_help(line, words)
        return
    done = _headway(words[1:], given)
    if done.returncode:
        raise AssertionError(f"line {line}: {command} ended with {done.returncode}: {done.stderr}")
    if output:
        _compare(Block("console", line + 1, output), done.stdout)


def _compare_with_help(line: int, words: Sequence[str]) -> None:
    shown = _headway([words[1], "--help"], {})
    options = [word.partition("=")[0] for word in words[2:] if word.startswith("-")]
    unknown = [option for option in options if option not in shown.stdout]
    if shown.returncode or unknown:
        raise AssertionError(f"line {line}: headway {words[1]} has no {unknown}: {shown.stderr}")


def _headway(words: Sequence[str], given: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [HEADWAY, *words], env={**os.environ, **given}, capture_output=True, text=True, check=False
    )


def _note_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    _unraisable.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")


if __name__ == "__main__":
    sys.unraisablehook = _note_unraisable
    run(ROOT / sys.argv[1])
