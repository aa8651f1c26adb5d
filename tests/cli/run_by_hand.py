"""``headway run`` as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
_OF_SDKS = ("OPENAI_", "ANTHROPIC_", "AZURE_", "GEMINI_", "GOOGLE_", "AWS_", "CLAUDE_")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This one without keys and URLs of its own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OF_SDKS)}
    kept |= {"HOME": str(folder), "NO_COLOR": "1"}
    return {**kept, **more}


def command(options: Sequence[str], program: Sequence[str]) -> list[str]:
    """The whole command line."""
    return [*HEADWAY, "run", *options, "--", *program]


def run(
    *program: str, folder: Path, options: Sequence[str] = (), stdin: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run *program* behind it in *folder*."""
    return run_as_is(command(options, program), folder, stdin, **more)


def run_as_is(
    words: Sequence[str], folder: Path, stdin: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the whole command line *words* in *folder*."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment(folder, **more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def receipt(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What ``--json`` gave."""
    found: dict[str, Any] = msgspec.json.decode(ran.stderr.splitlines()[-1])
    return found


ASK = """
import os, sys
from openai import OpenAI
for _ in range(int(sys.argv[1])):
    said = OpenAI(api_key="k", max_retries=0).chat.completions.create(
        model="gpt-5.4-mini", temperature=0, messages=[{"role": "user", "content": "hi"}])
    print(said.choices[0].message.content)
"""
"""A program that asks the same question so many times."""
