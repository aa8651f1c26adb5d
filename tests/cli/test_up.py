"""``headway up`` as a process: it starts, says where, reloads, drains, and says what is wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError

import pytest

from headway.testing.provider import Pace, Provider
from tests.gateway.clients_at_work import request

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
A_WHILE = "one two three four five six seven eight nine ten"
MOST_RESIDENT_BYTES = 45_000_000  # 33 here, of which Python and asyncio are 20


@dataclass
class Running:
    """A gateway at work."""

    process: subprocess.Popen[str]
    url: str
    admin: str

    def ask(self, text: str) -> str:
        body = {
            "model": "gpt-x",
            "temperature": 0,
            "messages": [{"role": "user", "content": text}],
        }
        headers = {"authorization": "Bearer key", "content-type": "application/json"}
        url = f"{self.url}/v1/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            content: str = json.load(answer)["choices"][0]["message"]["content"]
        return content

    def shown(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.admin}{path}", timeout=20) as answer:
                return json.load(answer)
        except HTTPError as refusal:
            with refusal:
                return json.load(refusal)

    def workers(self) -> list[dict[str, Any]]:
        workers: list[dict[str, Any]] = self.shown("/state")["workers"]
        return workers

    def told(self) -> str:
        """The next line on stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def end(self, *signals: signal.Signals) -> tuple[int, str]:
        """Its exit code and the rest of stderr."""
        for each in signals or (signal.SIGTERM,):
            self.process.send_signal(each)
            time.sleep(0.05 * (len(signals) > 1))
        _, told = self.process.communicate(timeout=20)
        return self.process.returncode, told


def command(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    return {
        "args": [*HEADWAY, "up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *arguments],
        "cwd": folder,
        "env": {**os.environ, **environment},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


@contextmanager
def up(folder: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    process = subprocess.Popen(**command(folder, *arguments, **environment))
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(1 + ("off" not in arguments))]
        addresses = [line.split("http://")[-1].split()[0] for line in lines]
        urls = [f"http://{address}" for address in addresses]
        yield Running(process, urls[0], urls[-1])
    finally:
        process.kill()
        process.communicate()


def refused(folder: Path, *arguments: str) -> str:
    """What it says when it cannot start."""
    ran = subprocess.run(**command(folder, *arguments), timeout=30, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    said: str = ran.stderr
    assert said.startswith("headway: ")
    assert said.count("\n") == 1
    return said


def write_settings(folder: Path, provider: Provider, more: str = "") -> None:
    upstream = f'[gateway.upstreams.openai]\nurl = "{provider.openai_url}"\n'
    (folder / "headway.toml").write_text(f"{more}\n{upstream}")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider("hello") as provider:
        write_settings(tmp_path, provider)
        yield provider


def wait_until_gone(pid: int, within_s: float = 10) -> None:
    due = time.monotonic() + within_s
    while time.monotonic() < due:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} is still there")


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- start and end ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_it_serves_and_ends_well(tmp_path: Path, provider: Provider, count: int) -> None:
    with up(tmp_path, "--workers", str(count)) as running:
        assert [running.ask("hi") for _ in range(3)] == ["hello"] * 3
        assert running.shown("/ready") == {"ready": True, "why": None}
        pids = [worker["pid"] for worker in running.workers()]
        assert len(pids) == count
        assert running.shown("/metrics.json")["workers"] == count
        assert running.end() == (0, "")
    for pid in pids:
        wait_until_gone(pid)


def test_what_is_under_way_is_finished(tmp_path: Path, provider: Provider) -> None:
    provider.answers, provider.pace = A_WHILE, Pace(latency_s=1.0)
    with up(tmp_path) as running:
        answers: list[str] = []
        asking = Thread(target=lambda: answers.append(running.ask("slow")))
        asking.start()
        while not provider.connections:
            time.sleep(0.01)
        running.process.send_signal(signal.SIGINT)
        while running.shown("/ready")["why"] != "draining":
            time.sleep(0.01)
        assert running.process.wait(20) == 0
        asking.join()
        assert answers == [A_WHILE]


@pytest.mark.parametrize(("count", "drain"), [("1", "30"), ("2", "30"), ("1", "50ms")])
def test_a_second_signal_or_the_time_cuts_it_short(
    tmp_path: Path, provider: Provider, count: str, drain: str
) -> None:
    provider.pace = Pace(latency_s=60)
    with up(tmp_path, "--workers", count, "--drain", drain) as running:
        address = running.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as client:
            client.sendall(request("never answered"))
            while not provider.connections:
                time.sleep(0.01)
            begun = time.monotonic()
            signals = [signal.SIGTERM] * (1 if drain == "50ms" else 2)
            code, told = running.end(*signals)
        assert time.monotonic() - begun < 10
        assert code == 1
        assert "before all that was under way was finished" in told


@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--drain", "20s"), 0)])
def test_the_file_says_how_long_it_drains_unless_the_command_line_does(
    tmp_path: Path, provider: Provider, arguments: tuple[str, ...], code: int
) -> None:
    provider.pace = Pace(latency_s=1.0)
    write_settings(tmp_path, provider, '[gateway]\ndrain = "50ms"')
    with up(tmp_path, *arguments) as running:
        host, _, port = running.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(request("slow"))
            while not provider.connections:
                time.sleep(0.01)
            assert running.end()[0] == code


@pytest.mark.parametrize("count", ["1", "2"])
def test_what_is_kept_is_found_again_wherever_it_is_started(
    tmp_path: Path, provider: Provider, count: str
) -> None:
    write_settings(tmp_path, provider, f'folder = "{tmp_path}/own"\n[gateway]\nstore = "disk"')
    for _ in range(2):
        arguments = ("--config", str(tmp_path / "headway.toml"), "--workers", count)
        with up(Path("/proc"), *arguments) as running:  # where nothing can be written
            assert [running.ask("the same") for _ in range(4)] == ["hello"] * 4
            assert running.end()[0] == 0
    assert len(provider.log) == 1
    assert (tmp_path / "own" / "secret").exists()


def test_no_worker_outlives_its_parent(tmp_path: Path, provider: Provider) -> None:
    with up(tmp_path, "--workers", "2") as running:
        pids = [worker["pid"] for worker in running.workers()]
        running.process.kill()
        running.process.wait()
        for pid in pids:
            wait_until_gone(pid)


def test_it_is_small_and_starts_at_once(tmp_path: Path, provider: Provider) -> None:
    begun = time.monotonic()
    with up(tmp_path) as running:
        running.ask("first")
        first_s = time.monotonic() - begun
        for number in range(500):
            running.ask(f"question {number}")
        assert resident_bytes(running.process.pid) < MOST_RESIDENT_BYTES
        loaded = Path(f"/proc/{running.process.pid}/maps").read_text()
        assert "pydantic" not in loaded  # which the command line needs, and serving does not
    assert first_s < 3  # 0.4 s on a quiet machine


# --- reload -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_reload_serves_by_the_new_file(tmp_path: Path, provider: Provider, count: str) -> None:
    with Provider("from the other") as other, up(tmp_path, "--workers", count) as running:
        assert running.ask("who?") == "hello"
        write_settings(tmp_path, other)
        running.process.send_signal(signal.SIGHUP)
        assert running.told() == "headway: reloaded\n"
        assert [running.ask("who?") for _ in range(4)] == ["from the other"] * 4
        assert running.shown("/health")["reload"]["problem"] is None


def test_a_broken_file_keeps_the_old_plan(tmp_path: Path, provider: Provider) -> None:
    with up(tmp_path) as running:
        (tmp_path / "headway.toml").write_text("[gateway]\nworkers = 0\n")
        running.process.send_signal(signal.SIGHUP)
        told = running.told()
        assert told.startswith("headway: not reloaded, the old plan stays: headway.toml, line 2")
        assert running.ask("still there?") == "hello"
        health = running.shown("/health")
        assert health["status"] == "alive"
        assert "headway.toml, line 2" in health["reload"]["problem"]
        write_settings(tmp_path, provider)
        running.process.send_signal(signal.SIGHUP)
        assert running.told() == "headway: reloaded\n"
        assert running.shown("/health")["reload"]["problem"] is None


def test_what_a_reload_cannot_change(tmp_path: Path, provider: Provider) -> None:
    write_settings(tmp_path, provider, '[gateway]\nstore = "memory"')
    with up(tmp_path) as running:
        write_settings(tmp_path, provider, f'[gateway]\nstore = "disk:{tmp_path}/kept"')
        running.process.send_signal(signal.SIGHUP)
        assert running.told() == "headway: reloaded\n"
        assert running.told() == "headway: the store changed, which needs a restart\n"
        assert running.shown("/state")["plan"]["store"] == "memory"


@pytest.mark.parametrize(("off", "asked"), [("off", 3), ("on", 1)])
def test_the_off_switch(tmp_path: Path, provider: Provider, off: str, asked: int) -> None:
    with up(tmp_path, HEADWAY=off) as running:
        assert [running.ask("the same") for _ in range(3)] == ["hello"] * 3
    assert len(provider.log) == asked


@pytest.mark.parametrize(
    ("host", "keys", "is_told"),
    [("0.0.0.0", "", True), ("127.0.0.1", "", False), ("0.0.0.0", "\n[gateway.keys.a]", False)],
)
def test_a_credential_lent_to_a_network(
    tmp_path: Path, provider: Provider, host: str, keys: str, is_told: bool
) -> None:
    with (tmp_path / "headway.toml").open("a") as file:
        file.write('key_env = "REAL"' + keys + ('\nkey_env = "TEAM"\n' if keys else ""))
    with up(tmp_path, "--listen", f"{host}:0", REAL="sk-real", TEAM="hw-team") as running:
        code, told = running.end()
    assert code == 0
    assert ("is lent the credential" in told) is is_told
    assert "sk-real" not in told


# --- what is wrong ----------------------------------------------------------------------------


def test_settings_that_will_not_do(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[gateway]\nlisten = "nowhere"\n')
    assert "other.toml, line 2" in refused(tmp_path, "--config", "other.toml")
    assert "gone.toml" in refused(tmp_path, "--config", "gone.toml")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--listen", "8080", "--listen '8080': write host and port"),
        ("--admin", "nowhere", "--admin 'nowhere': write host and port"),
        ("--drain", "soon", "--drain: 'soon' is no duration"),
        ("--workers", "1000", "--workers 1000: use 1 to 256"),
        ("--log-level", "loud", "'loud' is no log level"),
    ],
)
def test_options_that_will_not_do(tmp_path: Path, option: str, value: str, said: str) -> None:
    assert said in refused(tmp_path, option, value)


@pytest.mark.parametrize("count", ["1", "3"])
@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_a_port_that_is_taken(tmp_path: Path, option: str, count: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(tmp_path, option, address, "--workers", count)
    assert said == f"headway: {option} {address}: cannot listen there: Address already in use\n"


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_store_that_cannot_be_used(tmp_path: Path, count: str) -> None:
    (tmp_path / "headway.toml").write_text('[gateway]\nstore = "disk:/proc/no"\n')
    assert "/proc/no" in refused(tmp_path, "--workers", count)


# --- the admin side loads what it needs --------------------------------------------------------


def test_without_its_libraries_the_gateway_serves(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['starlette'] = None\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    started = subprocess.Popen(**command(tmp_path, PYTHONPATH=path))
    assert started.stdout is not None
    assert started.stderr is not None
    try:
        line = started.stdout.readline()
        url = "http://" + line.split("http://")[1].split()[0]
        assert Running(started, url, "").ask("hi") == "hello"
        assert "pip install 'headway[gateway]', or --admin off" in started.stderr.readline()
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("is_asked", [False, True])
def test_its_libraries_are_loaded_for_whoever_asks_first(
    tmp_path: Path, provider: Provider, is_asked: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NAMES_WHAT_IT_LOADED)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with up(tmp_path, PYTHONPATH=path) as running:
        assert running.ask("hi") == "hello"
        if is_asked:
            assert running.shown("/ready")["ready"]
        assert running.end() == (0, "")
    loaded = set((tmp_path / "loaded").read_text().split())
    assert "headway" in loaded
    assert {name in loaded for name in ("starlette", "uvicorn", "click")} == {is_asked}


NAMES_WHAT_IT_LOADED = """
import atexit, sys
atexit.register(lambda: open("loaded", "w").write(" ".join(sys.modules)))
"""


def test_it_can_be_off(tmp_path: Path, provider: Provider) -> None:
    with up(tmp_path, "--admin", "off") as running:
        assert running.ask("hi") == "hello"
        assert running.end() == (0, "")
