"""What a ``.env`` says of base URLs, read as programs read it."""

import os
import time
from pathlib import Path

import pytest

from headway.cli.dot_env import said_by_dot_env

NAMES = {"OPENAI_BASE_URL", "GROQ_BASE_URL"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOST", "h")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("OPENAI_BASE_URL=http://a/v1", "http://a/v1"),
        ("  export OPENAI_BASE_URL = http://a/v1  # mine", "http://a/v1"),
        ('OPENAI_BASE_URL="http://a/v1" # mine', "http://a/v1"),
        ("OPENAI_BASE_URL='http://a/v1'", "http://a/v1"),
        ("OPENAI_BASE_URL=http://${HOST}/v1", "http://h/v1"),
        ("OPENAI_BASE_URL='http://${HOST}/v1'", "http://${HOST}/v1"),
        ("OPENAI_BASE_URL=http://a/v1#x", "http://a/v1#x"),
    ],
)
def test_a_line(folder: Path, line: str, value: str) -> None:
    (folder / "here" / ".env").write_text(f"# a comment\nX=1\n{line}\nY=\n")
    found = said_by_dot_env(["python", "a.py"], NAMES, {})
    assert found == ({"OPENAI_BASE_URL": value}, folder / "here" / ".env")


@pytest.mark.parametrize(
    "line",
    [
        "#OPENAI_BASE_URL=x",
        "OPENAI_BASE_URL=",
        "OPENAI_BASE_URL",
        "MY_OPENAI_BASE_URL=x",
        "",
        'GROQ_BASE_URL=""',
        "GROQ_BASE_URL=''",
    ],
)
def test_nothing_is_said(folder: Path, line: str) -> None:
    (folder / "here" / ".env").write_text(line)
    assert said_by_dot_env(["python"], NAMES, {}) == ({}, None)


def test_the_environment_wins(folder: Path) -> None:
    (folder / "here" / ".env").write_text("OPENAI_BASE_URL=a\nGROQ_BASE_URL=b")
    assert said_by_dot_env(["x"], NAMES, {"OPENAI_BASE_URL": "c"})[0] == {"GROQ_BASE_URL": "b"}


def test_that_of_the_script_comes_first_then_those_above(folder: Path) -> None:
    (folder / ".env").write_text("OPENAI_BASE_URL=above")
    assert said_by_dot_env(["python"], NAMES, {})[0] == {"OPENAI_BASE_URL": "above"}
    (folder / "other").mkdir()
    (folder / "other" / "a.py").write_text("")
    (folder / "other" / ".env").write_text("OPENAI_BASE_URL=beside")
    found = said_by_dot_env(["python", "-u", "../other/a.py"], NAMES, {})
    assert found == ({"OPENAI_BASE_URL": "beside"}, folder / "other" / ".env")


def test_a_file_that_cannot_be_read_is_none(folder: Path) -> None:
    (folder / "here" / ".env").mkdir()
    (folder / ".env").write_bytes(b"\xff\xfe\nOPENAI_BASE_URL=x")
    assert said_by_dot_env(["python"], NAMES, {})[0] == {"OPENAI_BASE_URL": "x"}


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "here" / ".env")
    assert said_by_dot_env(["python"], NAMES, {}) == ({}, None)


def test_what_somebody_else_put_above_is_not_believed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("OPENAI_BASE_URL=http://elsewhere/v1")
    found, others = Path.stat, os.getuid() + 1

    def stat_of(path: Path) -> os.stat_result:
        fields = list(found(path))
        return os.stat_result([*fields[:4], others, *fields[5:]])

    monkeypatch.setattr(Path, "stat", stat_of)
    assert said_by_dot_env(["python"], NAMES, {}) == ({}, None)


def test_many_spaces_take_no_time(folder: Path) -> None:
    (folder / "here" / ".env").write_text("OPENAI_BASE_URL=x" + " " * 200_000 + "x\n")
    began = time.process_time()
    said_by_dot_env(["python"], NAMES, {})
    assert time.process_time() - began < 2.0  # each space against each other: minutes
