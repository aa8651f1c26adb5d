"""Researches of several processes, at once and one after the other, over one store."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.testing import Answer, Provider, Question, ToolUse, Valkey

PROCESS = Path(__file__).with_name("research_process.py")
HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
SYMBOLS = (["NVDA", "KO", "NVDA", "KO"], ["KO", "NVDA", "KO"], ["NVDA", "KO", "NVDA"])
ASKED_EACH, QUESTIONS_EACH = 12, 3
SCALE = "100"  # data tools take 100 ms, analysts 600 to 900 ms


@pytest.fixture(params=["disk", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield f"disk:{tmp_path / 'kept'}"
        return
    with Valkey() as server:
        yield server.url


def test_ten_at_once_in_three_processes_run_each_data_tool_once_in_all(where: str) -> None:
    found = researched_at_once(where)
    assert len(found) == 10
    assert [asked for asked, _ in found] == [ASKED_EACH] * 10
    assert sum(ran for _, ran in found) == 2 * QUESTIONS_EACH
    assert [ran for _, ran in researched_at_once(where)] == [0] * 10


def researched_at_once(where: str) -> list[list[int]]:
    """Asked and ran of each research, counted by the data tools themselves."""
    processes = [
        subprocess.Popen(
            [sys.executable, PROCESS, where, SCALE, *symbols],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for symbols in SYMBOLS
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        told = []
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            told.append(process.communicate(timeout=60))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0, 0], [err for _, err in told]
    return [each for out, _ in told for each in json.loads(out.splitlines()[-1])]


def headway(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: text for name, text in os.environ.items() if not name.endswith("_BASE_URL")}
    return subprocess.run(
        [*HEADWAY, *arguments],
        cwd=folder,
        env={**known, "OPENAI_API_KEY": "sk-test", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def outcome(ran: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert ran.returncode == 0, ran.stderr
    assert "WARNING" not in ran.stderr
    found: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])["outcome"]
    return found


def test_a_second_research_does_not_run_the_data_tools_again(tmp_path: Path, where: str) -> None:
    command = ["research", "NVDA", "--json", "--store", where]
    first, second = (outcome(headway(*command, folder=tmp_path)) for _ in range(2))
    assert (first["tool_calls_run"], first["tool_calls_asked"]) == (QUESTIONS_EACH, ASKED_EACH)
    assert (second["tool_calls_run"], second["tool_calls_asked"]) == (0, ASKED_EACH)
    assert second["cache_hits"] == ASKED_EACH
    other = headway("research", "NVDA", "--json", "--store", "memory", folder=tmp_path)
    assert outcome(other)["tool_calls_run"] == QUESTIONS_EACH


def test_both_write_the_same_report(tmp_path: Path) -> None:
    reports = []
    for name in ("first", "second"):
        ran = headway("research", "KO", "--store", "disk", "--reports", name, folder=tmp_path)
        assert ran.returncode == 0, ran.stderr
        (report,) = (tmp_path / name).glob("*.md")
        reports.append(report.read_text(encoding="utf-8"))
    assert reports[0] == reports[1]


def test_the_setting_names_the_store(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('store = "disk"\n')
    ran = [outcome(headway("research", "KO", "--json", folder=tmp_path)) for _ in range(2)]
    assert [each["tool_calls_run"] for each in ran] == [QUESTIONS_EACH, 0]
    kept = tmp_path / ".headway" / "cache"
    assert kept.stat().st_mode & 0o777 == 0o700
    elsewhere = headway("research", "KO", "--json", folder=tmp_path, HEADWAY_STORE="disk:other")
    assert outcome(elsewhere)["tool_calls_run"] == QUESTIONS_EACH


def speaks(question: Question) -> Answer | str:
    if not question.tools:
        return "NVIDIA took in {revenue}. It will earn $999 billion, they say, and so on."
    if question.tool_results:
        return "A strength: {revenue_growth}."
    return Answer(tool_calls=[ToolUse("financials", {"symbol": "NVDA"})])


def test_a_second_research_asks_the_model_nothing_again(tmp_path: Path, where: str) -> None:
    with Provider(speaks, models=["gpt-4o-mini"], keys=["sk-test"]) as provider:
        model = f"openai:gpt-4o-mini@{provider.openai_url}"
        command = ["research", "NVDA", "--json", "--model", model, "--store", where]
        first = outcome(headway(*command, folder=tmp_path))
        asked = len(provider.log)
        second = outcome(headway(*command, folder=tmp_path))
        assert len(provider.log) == asked == 11
    assert first["unverified"] == second["unverified"] == 5
    assert second["tool_calls_run"] == 0
    spent = second["spent"]
    assert isinstance(spent, dict)
    assert spent["from_cache"] == 11


def test_another_key_is_another_tenant(tmp_path: Path, where: str) -> None:
    with Provider(speaks, models=["gpt-4o-mini"]) as provider:
        model = f"openai:gpt-4o-mini@{provider.openai_url}"
        command = ["research", "NVDA", "--json", "--model", model, "--store", where]
        for number, key in enumerate(("sk-one", "sk-two"), 1):
            outcome(headway(*command, folder=tmp_path, OPENAI_API_KEY=key))
            assert len(provider.log) == number * 11


@pytest.mark.parametrize("store", ["redi", "redis://:s3cret@:1", "disk:"])
def test_a_store_that_there_is_not_is_refused_before_anything_is_begun(
    tmp_path: Path, store: str
) -> None:
    ran = headway("research", "NVDA", "--store", store, folder=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("headway: --store is ")
    assert ran.stderr.count("\n") == 1
    assert "s3cret" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_down_costs_one_warning(tmp_path: Path) -> None:
    ran = headway(
        "research", "NVDA", "--json", "--store", "redis://:s3cret@127.0.0.1:9/0", folder=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])["outcome"]
    assert found["tool_calls_run"] == QUESTIONS_EACH
    assert ran.stderr.count("WARNING") == 1
    assert "redis is down" in ran.stderr
    assert "s3cret" not in ran.stdout + ran.stderr
