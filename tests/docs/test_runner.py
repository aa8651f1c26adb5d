"""The runner of the examples finds what is wrong."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.checked import Checks, compiled, is_coroutine, matches
from tests.docs.page import ROOT, Block, read
from tests.docs.run_page import commands


def run(text: str) -> Checks:
    checks = Checks()
    code = compiled(text, "page.md", 1, checks)
    begun = eval(code, {"__checks__": checks})
    if is_coroutine(code):
        asyncio.run(begun)
    return checks


@pytest.mark.parametrize(
    "text",
    [
        "1 + 1  # -> 2",
        "name = 'a' + 'b'  # -> 'ab'",
        "print('a', 3)  # -> a 3",
        "print('one\\ntwo')  # -> one...two",
        "[1,\n 2]  # -> [1, 2]",
        "int('x')  # raises ValueError: invalid literal...",
        "int('x')  # raises ValueError",
        "for _ in [1]:\n    1 + 1  # -> 2",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    3  # -> 3",
        "import asyncio\nawait asyncio.sleep(0, 5)  # -> 5",
        "async def f():\n    yield 1\nfor _ in f():  # raises TypeError\n    pass",
        "@staticmethod  # raises NameError\ndef f(a=nothing):\n    pass",
        "def f():\n    return 1  # a remark\nf()  # -> 1",
    ],
)
def test_a_true_page_passes(text: str) -> None:
    assert run(text).unreached() == []


@pytest.mark.parametrize(
    "text",
    [
        "1 + 1  # -> 3",
        "name = 'ab'  # -> ab",
        "print('a')  # -> 'a'",
        "1  # raises ValueError",
        "int('x')  # raises ValueError: another text",
        "assert False",
    ],
)
def test_a_false_page_fails(text: str) -> None:
    with pytest.raises(AssertionError):
        run(text)


def test_another_error_than_promised_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        run("1 / 0  # raises ValueError")


def test_a_check_that_is_not_reached_is_told() -> None:
    assert run("for _ in []:\n    1  # -> 2").unreached() == [2]


def test_a_check_of_no_statement_is_refused() -> None:
    with pytest.raises(SyntaxError):
        run("x = 1\n# -> 1")


def test_lines_are_those_of_the_page() -> None:
    checks = Checks()
    compiled("1\n2  # -> 2", "page.md", 41, checks)
    assert list(checks.made) == [42]


def test_dots_stand_for_anything() -> None:
    assert matches("a ... c", "a b\nb c")
    assert not matches("a ... c", "a b d")


def test_blocks_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n```python\nx = 1\n```\n\n  ```console\n  $ headway\n  ```\n[a](b)\n")
    found = read(page)
    assert found.blocks == (Block("python", 4, "x = 1\n"), Block("console", 8, "$ headway\n"))
    assert list(found.links()) == [(10, "b")]
    page.write_text("```python\nx = 1\n")
    with pytest.raises(ValueError, match="never closed"):
        read(page)


def test_commands_and_their_output_are_found() -> None:
    block = Block("console", 5, "$ headway receipt  # the last\nreceipt ...\n$ ls\n")
    assert commands(block) == [(5, "headway receipt", "receipt ...\n"), (7, "ls", "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nprint(1)\n```\n```output\n2\n```\n", "found\n1"),
        ("```python\nfor _ in []:\n    1  # -> 1\n```\n", "never reached"),
        ("```console\n$ headway nosuch\n```\n", "nosuch"),
        ("```console\n$ headway demo --nosuch\n```\n", "--nosuch"),
        ("```python\nimport asyncio\nasync def f(): ...\nf()\n```\n", "never awaited"),
        ("```python\nraise KeyError('here')\n```\n", "page.md"),
    ],
)
def test_a_page_fails_with_a_message(tmp_path: Path, text: str, message: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.run_page", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
