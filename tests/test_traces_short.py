"""The replay of recorded calls counts hits, and finds those that are wrong."""

import gzip
import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headway.tools import Effects, conflict

ROOT = Path(__file__).parents[1]
RECORDED = ROOT.parent / "shared" / "data" / "traces" / "agents"


@pytest.fixture(scope="module")
def traces() -> ModuleType:
    spec = spec_from_file_location("bench_traces", ROOT / "bench" / "traces.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def conversation(*calls: tuple[str, str]) -> dict[str, Any]:
    """A conversation with a database: commands and what came of them, one a turn."""
    messages: list[dict[str, Any]] = []
    for number, (command, result) in enumerate(calls):
        arguments = json.dumps({"command": command})
        function = {"name": "execute_sql", "arguments": arguments}
        asked = {"id": f"c{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": "", "tool_calls": [asked]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": result})
    return {"source": "intercode", "messages": messages, "tools": []}


def replayed(folder: Path, *conversations: dict[str, Any]) -> dict[str, Any]:
    file = folder / "own.jsonl.gz"
    with gzip.open(file, "wt") as lines:
        lines.writelines(json.dumps(one) + "\n" for one in conversations)
    return run(file)


def run(*files: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "bench/traces.py", "--json", "--data", *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_repeated_reads_hit_until_something_is_written(tmp_path: Path) -> None:
    read, other = ("SELECT * FROM cars", "3 cars"), ("SELECT * FROM bikes", "2 bikes")
    write = ("INSERT INTO cars VALUES (4)", "ok")
    found = replayed(
        tmp_path,
        conversation(read, other, read, write, other, ("SELECT * FROM cars", "4 cars")),
        conversation(("SELECT * FROM cars", "none at all")),  # another one: nothing is shared
    )
    assert list(found)[-3:] == ["calls", "hits", "wrong"]
    assert (found["calls"], found["hits"], found["wrong"]) == (7, 1, 0)
    assert found["scoped"] == {"gained": 1, "hits": 2, "wrong": 0}


def test_a_hit_that_differs_from_the_record_is_wrong(tmp_path: Path) -> None:
    changed = conversation(("SHOW TABLES", "cars"), ("SHOW TABLES", "cars, bikes"))
    found = replayed(tmp_path, changed)
    assert (found["calls"], found["hits"], found["wrong"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        ("ls -l /tmp", True),
        ("find /data -name '*.csv' | wc -l", True),
        ("find /data -name '*.csv' | tar -czf all.tgz -T -", False),
        ("cat a.txt > b.txt", False),
        ("find . -name '*.pyc' -delete", False),
        ("python3 solve.py", False),
    ],
)
def test_what_a_command_of_a_shell_does(traces: ModuleType, command: str, reads: bool) -> None:
    assert traces.shell_reads(command) is reads


@pytest.mark.parametrize(
    ("read", "write", "touches"),
    [
        ("SELECT a FROM cars JOIN makers", "UPDATE makers SET a = 1", True),
        ("SELECT a FROM cars", "DELETE FROM bikes", False),
        ("SELECT a FROM cars, bikes", "DELETE FROM bikes", True),
        ("SHOW TABLES", "DROP TABLE bikes", True),
        ("DESCRIBE cars", "USE other", True),
        ("SELECT a FROM cars", "SELECT 1; DROP TABLE cars", True),
        ("SELECT a FROM cars", "Could I see the schema?", False),
    ],
)
def test_tables_are_told_apart(traces: ModuleType, read: str, write: str, touches: bool) -> None:
    one: Effects = traces.sql_effects(read, True)
    other: Effects = traces.sql_effects(write, False)
    assert conflict(one, other) is touches


@pytest.mark.parametrize(
    ("read", "write", "touches"),
    [
        ("cat /a/x", "touch /a/y", False),
        ("ls /a", "touch /a/y", True),
        ("cat x", "touch /a/y", True),
        ("cat x", "cd /b", True),
        ("cat /a/x", "cd /b", False),
        ("find /a -name x", "rm /a/b/c", True),
        ("cat /a/x", "rm /*", True),
        ("cat /a/x", "touch /b; rm /a/x", True),
        ("cat /a/x", "./run", True),
    ],
)
def test_files_are_told_apart(traces: ModuleType, read: str, write: str, touches: bool) -> None:
    one: Effects = traces.shell_effects(read, True)
    other: Effects = traces.shell_effects(write, False)
    assert conflict(one, other) is touches


@pytest.mark.slow
def test_recorded_conversations_of_agents() -> None:
    files = sorted(RECORDED.glob("*.jsonl.gz"))
    if not files:
        pytest.skip("the recordings are not here")
    found = run(*files)
    assert found["calls"] == 16_951
    assert found["hits"] >= 1_690
    assert found["wrong"] == found["scoped"]["wrong"] == 0
