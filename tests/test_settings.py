import contextlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway import BadSetup, settings


def test_with_nothing_set_the_defaults_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.load(environment={}) == settings.Settings(off=False, log="", folder=".headway")


def test_a_file_here_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("headway.toml").write_text('off = true\nfolder = "runs"\n')
    assert settings.load(environment={}) == settings.Settings(off=True, folder="runs")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('off = true\nfolder = "runs"\nlog = "info"\n')
    environment = {"HEADWAY": "on", "HEADWAY_FOLDER": "elsewhere", "HEADWAY_LOG": "debug"}
    assert settings.load(file, environment) == settings.Settings(
        off=False, log="debug", folder="elsewhere"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("of = true", "did you mean `off`"),
        ("\ncolour = 1", "line 2: there is no setting `colour`; known are off, log, folder, prices"),
        ('off = "yes"', "line 1: `off` must be true or false, not 'yes'"),
        ("off = 1", "`off` must be true or false, not 1"),
        ("log = 3", "`log` must be text"),
        ('folder = ""', "`folder` must be the path of a folder"),
        ('folder = ["runs"]', "`folder` must be the path of a folder"),
        ("prices = 3", "`prices` must be tables"),
        ("off = ", "cannot be read"),
    ],
)
def test_a_wrong_file_names_the_file_and_the_way_out(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "headway.toml"
    file.write_text(text)
    with pytest.raises(BadSetup, match=said) as wrong:
        settings.load(file, {})
    assert str(file) in str(wrong.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "headway.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSetup, match="cannot be read"):
        settings.load(file, {})


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="cannot be read"):
        settings.load(tmp_path, {})


@pytest.mark.parametrize(
    ("value", "off"), [("off", True), ("OFF", True), ("on", False), ("", False)]
)
def test_the_off_switch_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: str, off: bool
) -> None:
    monkeypatch.setenv("HEADWAY", value)
    assert settings.off_at_construction() is off


@pytest.mark.parametrize("value", ["0", "false", "no", " off"])
def test_another_word_for_off_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HEADWAY", value)
    with pytest.raises(BadSetup, match="HEADWAY=off"):
        settings.off_at_construction()


def test_off_holds_for_the_block_and_nests() -> None:
    assert not settings.switched_off
    with contextlib.suppress(KeyError), settings.off():
        with settings.off():
            assert settings.switched_off
        assert settings.switched_off
        raise KeyError
    assert not settings.switched_off


@pytest.fixture
def loggers() -> Iterator[None]:
    root, stores = logging.getLogger("headway"), logging.getLogger("headway.stores")
    before = (list(root.handlers), root.level, stores.level)
    yield
    root.handlers[:], root.level, stores.level = before
    root.setLevel(root.level)
    stores.setLevel(stores.level)


@pytest.mark.usefixtures("loggers")
def test_one_room_can_be_heard_alone(capsys: pytest.CaptureFixture[str]) -> None:
    settings.switch_logging("stores=debug, warning")
    logging.getLogger("headway.stores").debug("looked up")
    logging.getLogger("headway.runs").info("not heard")
    logging.getLogger("headway.runs").warning("heard")
    heard = capsys.readouterr().err
    assert "looked up" in heard
    assert "not heard" not in heard
    assert "headway.runs WARNING heard" in heard


@pytest.mark.usefixtures("loggers")
def test_switching_twice_says_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    settings.switch_logging("info")
    settings.switch_logging("debug")
    logging.getLogger("headway.stores").debug("once")
    assert capsys.readouterr().err.count("once") == 1


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize("levels", ["loud", "stores=loud", "stores=", "debug,,"])
def test_an_unknown_level_is_refused(levels: str) -> None:
    with pytest.raises(BadSetup, match="no log level"):
        settings.switch_logging(levels)


@pytest.mark.usefixtures("loggers")
def test_nothing_asked_changes_nothing() -> None:
    before = list(logging.getLogger("headway").handlers)
    settings.switch_logging("  ")
    assert logging.getLogger("headway").handlers == before


@pytest.mark.parametrize(("wanted", "heard"), [(None, False), ("policies=warning", True)])
def test_a_program_hears_nothing_unless_it_asks(wanted: str | None, heard: bool) -> None:
    program = "import headway, logging; logging.getLogger('headway.policies').warning('failed')"
    environment = {} if wanted is None else {"HEADWAY_LOG": wanted}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout == ""
    assert ("failed" in ran.stderr) is heard
