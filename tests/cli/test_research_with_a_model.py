"""``headway research --model ...`` as a user runs it, against a stand-in provider."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway.cli.commands import app
from headway.testing import Answer, Pace, Provider, Question, ToolUse

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
KEYS = {"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test", "COLUMNS": "100"}
TITLES = ["Executive summary", "Fundamentals", "News from filings", "Risk", "Synthesis"]


def speaks(question: Question) -> Answer | str:
    if not question.tools:
        return "NVIDIA took in {revenue}. It will earn $999 billion, they say, and so on."
    if question.tool_results:
        return "A strength: {revenue_growth}."
    return Answer(tool_calls=[ToolUse("financials", {"symbol": "NVDA"})])


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(speaks, models=["gpt-4o-mini", "home-made"], keys=["sk-test"]) as running:
        yield running


def headway(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: text for name, text in os.environ.items() if not name.endswith("_BASE_URL")}
    return subprocess.run(
        [*HEADWAY, "research", "NVDA", *arguments],
        cwd=folder,
        env={**known, **KEYS, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_model_writes_and_the_receipt_counts_it(tmp_path: Path, provider: Provider) -> None:
    model = f"openai:gpt-4o-mini@{provider.openai_url}"
    ran = headway("--model", model, "--json", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    totals = provider.totals()
    assert found["outcome"]["spent"]["calls"] == totals.requests == 11
    assert found["receipt"]["models"]["total"]["tokens_in"] == totals.usage.tokens_in
    assert found["receipt"]["models"]["total"]["tokens_cached"] == totals.usage.tokens_cached
    assert found["outcome"]["unverified"] == 5
    assert "⟨unverified: $999 billion⟩" in ran.stdout
    assert "no estimate yet" in ran.stderr
    assert "5 figures are not in the data" in ran.stderr
    assert re.search(r"openai:gpt-4o-mini: 11 model calls, [\d,]+ tokens, \$0\.", ran.stderr)
    assert "sk-test" not in ran.stdout + ran.stderr
    for title in TITLES:
        assert ran.stdout.count(f"\n{title}\n") == 1


def test_anthropic_by_the_environment_and_a_receipt_in_words(
    tmp_path: Path, provider: Provider
) -> None:
    ran = headway(
        "--model",
        "anthropic:home-made",
        folder=tmp_path,
        ANTHROPIC_BASE_URL=provider.anthropic_url,
        PYTHONIOENCODING="ascii",
    )
    assert ran.returncode == 0, ran.stderr
    assert provider.totals().by_wire == {"anthropic.messages": 11}
    assert "[unverified: $999 billion]" in ran.stdout
    assert "cost unknown" in ran.stderr
    assert "11 calls, 11 run" in ran.stdout
    (report,) = (tmp_path / "reports").glob("*.md")
    assert "⟨unverified: $999 billion⟩" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("openai:gpt-4o-mini", "OPENAI_API_KEY is not set"),
        ("anthropic:claude-x", "ANTHROPIC_API_KEY is not set"),
        ("gpt-4o-mini", "write openai:NAME@URL"),
        ("openai:m@127.0.0.1:80", "is no address: write it like"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": ""}
    ran = CliRunner().invoke(app, ["research", "NVDA", "--model", model], env=keys)
    assert ran.exit_code == 2
    assert says in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--max-cost", "0"),
        ("--max-cost", "nan"),
        ("--max-tokens", "-1"),
        ("--max-time", "soon"),
        ("--scale", "20", "--model", "openai:m"),
        ("--synthetic-price", "--model", "openai:m"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["research", "NVDA", *options], env=KEYS)
    assert ran.exit_code == 2
    assert options[0] in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_key_and_an_unknown_model_end_it_at_once(
    tmp_path: Path, provider: Provider
) -> None:
    model = f"openai:gpt-4o-mini@{provider.openai_url}"
    ran = headway("--model", model, folder=tmp_path, OPENAI_API_KEY="sk-wrong-and-long")
    assert ran.returncode == 2
    assert "refuses the key in OPENAI_API_KEY (401)" in ran.stderr
    assert "sk-wrong-and-long" not in ran.stdout + ran.stderr
    ran = headway("--model", f"openai:nobody@{provider.openai_url}", folder=tmp_path)
    assert ran.returncode == 2
    assert "has no model 'nobody'" in ran.stderr


def test_nobody_at_the_address(tmp_path: Path) -> None:
    ran = headway("--model", "openai:m@http://127.0.0.1:9/v1", folder=tmp_path)
    assert ran.returncode == 1
    assert "no answer from http://127.0.0.1:9/v1/chat/completions: ConnectError" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_cap_ends_with_3_and_names_the_gap(tmp_path: Path, provider: Provider) -> None:
    model = f"openai:gpt-4o-mini@{provider.openai_url}"
    ran = headway("--model", model, "--max-cost", "0.0002", folder=tmp_path)
    assert ran.returncode == 3
    assert "the cap of $0.0002 is reached" in ran.stderr
    (report,) = (tmp_path / "reports").glob("*.md")
    assert "left out because the cap of $0.0002 is reached" in report.read_text(encoding="utf-8")
    ran = headway("--model", model, "--max-time", "0.000001", folder=tmp_path)
    assert ran.returncode == 3


def test_a_cap_on_an_unknown_price_is_refused(tmp_path: Path, provider: Provider) -> None:
    model = f"openai:home-made@{provider.openai_url}"
    ran = headway("--model", model, "--max-cost", "1", folder=tmp_path)
    assert ran.returncode == 2
    assert "headway.toml" in ran.stderr
    assert "--max-tokens" in ran.stderr
    assert provider.log == []
    (tmp_path / "headway.toml").write_text(
        '[prices."openai/home-made"]\ninput = 1.0\noutput = 2.0\ncache_read = 0.5\n'
    )
    ran = headway("--model", model, "--max-cost", "1", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_sections_that_fail_end_with_1(tmp_path: Path, provider: Provider) -> None:
    provider.fail_next(status=500, retry_after=0, times=4, when="the section on risk")
    ran = headway("--model", f"openai:gpt-4o-mini@{provider.openai_url}", folder=tmp_path)
    assert ran.returncode == 1
    assert "incomplete: the model's endpoint answered 500" in ran.stderr
    assert "(left out: Risk)" in ran.stderr
    assert provider.totals().by_status == {200: 10, 500: 4}


def streaming(folder: Path, provider: Provider) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*HEADWAY, "research", "NVDA", "--model", f"openai:gpt-4o-mini@{provider.openai_url}"],
        cwd=folder,
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_words_come_through_a_pipe_as_they_are_written(tmp_path: Path, provider: Provider) -> None:
    provider.pace = Pace(tokens_per_s=40)
    with streaming(tmp_path, provider) as process:
        assert process.stdout is not None
        pieces: list[tuple[float, bytes]] = []
        while piece := os.read(process.stdout.fileno(), 65536):
            pieces.append((time.monotonic(), piece))
    assert process.returncode == 0
    shown = b"".join(piece for _, piece in pieces).decode()
    assert "NVIDIA took in $215.9 billion [1]." in shown
    first = next(at for at, piece in pieces if b"NVIDIA" in piece)
    sources = next(at for at, piece in pieces if b"Sources:" in piece)
    assert sources - first > 0.1
    assert sum(first <= at < sources for at, _ in pieces) > 3


def test_ctrl_c_amid_words_ends_in_good_order(tmp_path: Path, provider: Provider) -> None:
    provider.pace = Pace(tokens_per_s=20)
    with streaming(tmp_path, provider) as process:
        assert process.stdout is not None
        shown = b""
        while b"took in" not in shown:
            shown += os.read(process.stdout.fileno(), 65536)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"stopped; what was finished is in reports" in said
    assert b"Traceback" not in said
    assert b"(broken off)" in rest
    (report,) = (tmp_path / "reports").glob("*.md")
    assert "_(not finished)_" in report.read_text(encoding="utf-8")


def test_the_synthetic_paragraph_is_marked(tmp_path: Path) -> None:
    ran = headway("--synthetic-price", "--json", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (report,) = (tmp_path / "reports").glob("*.md")
    text = report.read_text(encoding="utf-8")
    assert "Synthetic, for demonstration only" in text
    assert "**Holds synthetic data" in text
    assert json.loads(ran.stdout.splitlines()[-1])["outcome"]["tool_calls_run"] == 4


def test_without_httpx2_it_says_how_to_get_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['httpx2'] = None; from headway.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "research", "NVDA", "--model", "openai:m@http://127.0.0.1:9"],
        cwd=tmp_path,
        env={**os.environ, **KEYS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "pip install 'headway[http]'" in ran.stderr
    assert list(tmp_path.iterdir()) == []
