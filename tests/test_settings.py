import asyncio
import contextlib
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway import BadSetup, Cache, operation, settings


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
        (
            "\ncolour = 1",
            "line 2: there is no setting `colour`; known are off, log, folder, store, prices",
        ),
        ('off = "yes"', "line 1: `off` must be true or false, not 'yes'"),
        ("off = 1", "`off` must be true or false, not 1"),
        ("log = 3", "`log` must be text"),
        ('folder = ""', "`folder` must be the path of a folder"),
        ('folder = ["runs"]', "`folder` must be the path of a folder"),
        ("store = 3", "`store` must be one of memory, disk, .*, not int"),
        ('\nstore = "Disk"', "line 2: `store` is 'Disk': use one of memory, disk, disk:PATH"),
        ('store = ""', "`store` is ''"),
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


GOOD = """
[prices."openai/gpt-x"]
input = 2
output = 10.5
as_of = 2026-11-05
[prices]
"other/mine" = { input = 0.1, cache_read = 0 }
"""


def test_own_prices_are_read(tmp_path: Path) -> None:
    file = tmp_path / "headway.toml"
    file.write_text(GOOD)
    assert settings.load(file, {}).prices == {
        "openai/gpt-x": settings.OwnPrice(input=2.0, output=10.5, as_of="2026-11-05"),
        "other/mine": settings.OwnPrice(input=0.1, cache_read=0.0),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('off = true\n[prices."a/b"]\ninput = "2"', 'line 3: `input` of "a/b" must be US dollars'),
        ('[prices."a/b"]\n\noutput = -1', "line 3: `output`"),
        ('[prices."a/b"]\noutput = nan', "line 2: `output`"),
        ('[prices."a/b"]\noutput = inf', "line 2: `output`"),
        ('[prices."a/b"]\noutput = true', "line 2: `output`"),
        ('[prices."a/b"]\nimput = 1', "line 2: a price has no `imput`.*did you mean `input`"),
        ('[prices."a/b"]\nprice = 1', "known are input, output, cache_read, cache_write, as_of"),
        ('[prices."a/b"]\nas_of = "soon"', "line 2: `as_of` must be a day"),
        ('[prices."a/c"]\ninput = 1\n[prices."gpt-x"]\ninput = 1', "line 3: .*provider/model"),
        ('[prices]\n"a/b" = 3', 'line 2: `prices."a/b"` must be a table'),
        ('prices."a/b".input = "x"', "line 1: `input`"),
        ('prices = {"a/b" = {input = "x"}}', "line 1: `input`"),
    ],
)
def test_a_bad_price_names_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "headway.toml"
    file.write_text(text)
    with pytest.raises(BadSetup, match=said):
        settings.load(file, {})


def test_an_empty_variable_of_the_environment_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('folder = "runs"\n')
    assert settings.load(file, {"HEADWAY_FOLDER": "", "HEADWAY_LOG": ""}).folder == "runs"


STORES = [
    "memory",
    "disk",
    "disk:/var/cache/mine",
    "disk:kept here",
    "redis://127.0.0.1",
    "redis://127.0.0.1:6379/0",
    "redis://:pa%2Fss@[::1]:6379/15?timeout=3",
    "rediss://user:pass@cache.example:6380",
    "unix:///run/redis.sock?db=1",
]


@pytest.mark.parametrize("where", STORES)
def test_a_store_is_named_by_the_environment_or_the_file(tmp_path: Path, where: str) -> None:
    file = tmp_path / "headway.toml"
    file.write_text(f'store = "{where}"\n')
    assert settings.load(file, {}).store == where
    assert settings.load(file, {"HEADWAY_STORE": ""}).store == where
    file.write_text('store = "disk:elsewhere"\n')
    assert settings.load(file, {"HEADWAY_STORE": where}).store == where


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("Memory", "'Memory': use one of memory, disk"),
        ("disk:", "name a folder after the colon"),
        ("disk://x", "write a path after the colon"),
        ("disk:a\0b", "name a folder"),
        ("redis:127.0.0.1", "use one of"),
        ("valkey://127.0.0.1", r"redis://HOST:PORT/DB"),
        ("redis://", "name the host"),
        ("redis://:6379", "name the host"),
        ("redis://127.0.0.1:port", "this is no address"),
        ("redis://127.0.0.1:0", "this is no address"),
        ("redis://127.0.0.1:70000", "this is no address"),
        ("redis://[::1", "this is no address"),
        ("redis://127.0.0.1/first", "number of the database"),
        ("unix://", "name the socket"),
    ],
)
def test_a_text_that_names_no_store_is_refused(tmp_path: Path, where: str, said: str) -> None:
    empty = tmp_path / "headway.toml"
    empty.touch()
    with pytest.raises(BadSetup, match=f"^HEADWAY_STORE is .*{said}"):
        settings.load(empty, {"HEADWAY_STORE": where})
    with pytest.raises(BadSetup, match=f"^--store is .*{said}"):
        settings.refuse_wrong_store(where, "--store")


@pytest.mark.parametrize(
    "where",
    [
        "redis://:s3cret@",
        "redis://:s3cret@127.0.0.1:port",
        "redis://:s3cret@127.0.0.1/first",
        "redis://user:s3cret/with/s3cret@127.0.0.1",
        "redis://user:s3c@s3cret@127.0.0.1:0",
        "redis://user:s3cret?s3cret@127.0.0.1:0",
        "redis://user:s3cret#s3cret@127.0.0.1:0",
        "redis://[::1?password=s3cret",
        "redis://127.0.0.1:0?password=x@s3cret",
        "redis:/user:s3cret@127.0.0.1",
        "s3cret@127.0.0.1",
        "http://user:s3cret@127.0.0.1",
        "unix://user:s3cret@/?password=s3cret",
    ],
)
def test_a_password_is_never_shown(tmp_path: Path, where: str) -> None:
    file = tmp_path / "headway.toml"
    file.write_text(f'store = "{where}"\n')
    for environment in ({}, {"HEADWAY_STORE": where}):
        with pytest.raises(BadSetup) as wrong:
            settings.load(file, environment)
        assert "s3cret" not in str(wrong.value)
        assert wrong.value.__cause__ is None
    assert "s3cret" not in settings.without_password(where)


def test_a_store_is_shown_as_it_is_but_for_its_secrets() -> None:
    assert settings.without_password("disk:/a@b/c?d") == "disk:/a@b/c?d"
    assert settings.without_password("redis://u:p@host:1/2") == "redis://***@host:1/2"
    assert settings.without_password("redis://host:1/2") == "redis://host:1/2"
    assert settings.without_password("redis://[::1]:1/2") == "redis://[::1]:1/2"
    assert settings.without_password("redis://host:pass/word/2") == "redis://host:***"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, and a process that has not looked for its settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "_kept", None)
    for name in ("HEADWAY", "HEADWAY_FOLDER", "HEADWAY_LOG", "HEADWAY_STORE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_process_reads_its_file_once(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fresh / "headway.toml"
    file.write_text('folder = "first"\n')
    assert settings.current().folder == "first"
    file.write_text('folder = "second"\n')
    assert settings.current().folder == "first"
    assert settings.load().folder == "second"
    monkeypatch.setenv("HEADWAY_FOLDER", "third")
    assert settings.current().folder == "third"


def test_off_in_the_file_switches_off_what_is_made(fresh: Path) -> None:
    (fresh / "headway.toml").write_text("off = true\n")
    assert settings.off_at_construction()
    cache = Cache("1h")
    asked: list[int] = []

    @operation(cache)
    async def ask() -> int:
        asked.append(1)
        return 1

    async def twice() -> None:
        await ask()
        await ask()

    asyncio.run(twice())
    assert len(asked) == 2


def test_the_environment_can_switch_on_what_the_file_switches_off(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fresh / "headway.toml").write_text("off = true\n")
    monkeypatch.setenv("HEADWAY", "on")
    assert not settings.off_at_construction()


def test_a_wrong_file_is_not_passed_over_in_silence(fresh: Path) -> None:
    (fresh / "headway.toml").write_text("of = true\n")
    with pytest.raises(BadSetup, match="did you mean `off`"):
        Cache("1h")


def test_importing_headway_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text("broken")
    ran = subprocess.run(
        [sys.executable, "-c", "import headway, headway.runs, headway.prices"],
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


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
@pytest.mark.parametrize("levels", ["store=debug", "debug,memory=info", "runs.record=debug"])
def test_an_unknown_room_is_refused_and_the_rooms_are_named(levels: str) -> None:
    with pytest.raises(BadSetup, match=r"no room .*graph.* runs.* stores"):
        settings.switch_logging(levels)


def test_every_logger_of_the_house_is_named_like_a_room() -> None:
    package = Path(settings.__file__).parents[1]
    sources = "\n".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    rooms = set(re.findall(r'getLogger\("headway\.(\w+)"\)', sources))
    assert rooms
    for room in rooms:
        assert (package / room).is_dir() or (package / f"{room}.py").is_file()


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
