"""LiteLLM as one more door of the contract suite, as a plugin of pytest; see ``litellm_traps``.

It runs as its documentation recommends for several workers, with the cache in Redis (here Valkey).
What stands in for Headway's own words is judged by behaviour: an answer came from the provider if
the provider's log grew for it, whatever the answer's headers say.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from headway.clock import seconds
from headway.testing import Valkey
from tests.contract import every_door
from tests.contract.wire_doors import GoneStore, Setup, Way

KEPT_S = 3600
SETTLING_S = 0.25
"""LiteLLM keeps an answer shortly after it was given."""
TIMEOUT_S = 0.2
MODELS = {
    "gpt-5.6": "openai/chat-model",
    "gpt-5.6-mini": "openai/chat-model-mini",
    "text-embedding-3-small": "openai/text-embedding-3-small",
    "claude-sonnet-5": "anthropic/claude-model",
}
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "DISABLE_ADMIN_UI": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
OURS = {
    "test_trap_03_a_hit_tells_its_age": "it marks hits by a header of its own, not by age",
    "test_trap_07_another_server_is_another_question": "one process has one set of servers",
    "test_trap_12_a_hit_tells_its_usage_and_that_it_was_a_hit": "the events are Headway's own",
    "test_trap_25_room_is_counted_in_bytes": "the room is Redis's affair in this configuration",
}
"""Tests that speak of what is Headway's own, and are not asked of LiteLLM."""


FITTING = {"asked": {"miss", "bypass"}, "served": {"hit", "joined", "stale"}}


class Judged(str):
    """A mark told by behaviour: what was asked for fits every name for that, and so with served."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other in FITTING[str(self)]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Relay:
    """A fixed address in front of whichever provider is under test, byte by byte, resets too."""

    def __init__(self) -> None:
        self.target = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 2)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError as problem:
            if isinstance(problem, ConnectionResetError):
                with suppress(OSError):
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sink.close()
        for one in (sink, source):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            if one is source:
                one.close()


class Process:
    """One LiteLLM with one configuration, and the relay behind it."""

    def __init__(self, environment: Path, folder: Path, valkey: Valkey, **settings: object) -> None:
        self.relay = Relay()
        self.port = _free_port()
        configuration = folder / f"{self.port}.yaml"
        configuration.write_text(json.dumps(self._configuration(valkey, settings)))
        arguments = ["--config", str(configuration), "--host", "127.0.0.1", "--num_workers", "1"]
        with (folder / f"{self.port}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(environment / "bin" / "litellm"), *arguments, "--port", str(self.port)],
                env={**os.environ, **QUIET},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _configuration(self, valkey: Valkey, settings: dict[str, object]) -> dict[str, object]:
        root = f"http://127.0.0.1:{self.relay.port}"
        models = []
        for name, model in MODELS.items():
            base = root if model.startswith("anthropic") else f"{root}/v1"
            parameters = {"model": model, "api_base": base, "api_key": "key-of-a", **settings}
            models.append({"model_name": name, "litellm_params": parameters})
        cache = {"type": "redis", "host": "127.0.0.1", "port": valkey.port, "ttl": KEPT_S}
        retries = settings.get("num_retries", 0)
        return {
            "model_list": models,
            "litellm_settings": {
                "cache": True,
                "cache_params": cache,
                "num_retries": retries,
                "telemetry": False,
            },
            "router_settings": {
                "num_retries": retries,
                "retry_after": 0,
                "disable_cooldowns": True,
            },
        }

    def wait(self) -> None:
        """Return when it answers."""
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/liveliness", timeout=1)
                return
            time.sleep(0.1)
        raise RuntimeError("LiteLLM did not start")

    def stop(self) -> None:
        """End it and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
            return
        os.killpg(self._process.pid, signal.SIGKILL)


class Judging(httpx2.AsyncBaseTransport):
    """A client's way that notes on each answer whether the provider was asked for it."""

    def __init__(self, provider: object) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=False)
        self._provider, self._known, self._under_way = provider, len(provider.log), 0

    @property
    def under_way(self) -> int:
        return self._under_way

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._under_way += 1
        try:
            response = await self._inner.handle_async_request(translated(request))
        except BaseException:
            self._under_way -= 1
            self._was_asked()
            raise
        response.headers["x-judged"] = "asked" if self._was_asked() else "served"
        response.stream = Settling(response.stream, self)
        return response

    def _was_asked(self) -> bool:
        count = len(self._provider.log)
        was_asked = count > self._known
        self._known = count if self._under_way <= 1 else self._known + was_asked
        return was_asked

    def ended(self) -> None:
        self._under_way -= 1

    async def aclose(self) -> None:
        await self._inner.aclose()


class Settling(httpx2.AsyncByteStream):
    """A body behind which LiteLLM gets the time to keep what it gave."""

    def __init__(self, inner: httpx2.AsyncByteStream, judge: Judging) -> None:
        self._inner, self._judge = inner, judge

    async def __aiter__(self):
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
        self._judge.ended()
        await asyncio.sleep(SETTLING_S)


def translated(request: httpx2.Request) -> httpx2.Request:
    """The request with LiteLLM's word for leaving the cache out, where it has Headway's."""
    if request.headers.get("x-headway-cache") != "off":
        return request
    body = {**json.loads(request.content), "cache": {"no-cache": True, "no-store": True}}
    headers = [
        (name, value)
        for name, value in request.headers.items()
        if name not in ("x-headway-cache", "content-length")
    ]
    return httpx2.Request(request.method, request.url, headers=headers, json=body)


class MovedTime:
    """Time that passes for what lies in Redis: its entries lose as much of their lives."""

    def __init__(self, door: LiteLlmDoor) -> None:
        self._door = door

    async def advance(self, duration: str | float) -> None:
        gone = int(seconds(duration) * 1000 * self._door.hurry)
        with Redis(port=self._door.valkey.port) as redis:
            for key in list(redis.scan_iter()):
                left = redis.pttl(key) - gone
                redis.pexpire(key, left) if left > 0 else redis.delete(key)


class LiteLlmDoor:
    """LiteLLM's proxy; processes start when a test first needs their configuration."""

    name = "litellm"
    is_server = True
    serves_stale = False

    def __init__(self, environment: Path) -> None:
        self.valkey = Valkey().start()
        self.hurry = 1.0
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="litellm-traps-")
        self._processes: dict[str, Process] = {}
        self._store: object = None

    @contextmanager
    def clock(self):
        yield MovedTime(self)

    @asynccontextmanager
    async def open(self, provider: object, setup: Setup):
        process = self._prepared(provider, setup)
        judging = Judging(provider)
        async with httpx2.AsyncClient(transport=judging, timeout=10) as http:
            url = f"http://127.0.0.1:{process.port}"
            way = Way(
                *(http, f"{url}/v1", url),
                lambda headers: Judged(headers["x-judged"]),
                lambda: judging.under_way,
            )
            yield way
            await asyncio.sleep(SETTLING_S)
        if isinstance(setup.store, GoneStore):
            self.valkey.start()

    def _prepared(self, provider: object, setup: Setup) -> Process:
        process = self._process(setup)
        process.relay.target = int(provider.url.rpartition(":")[2])
        self.hurry = KEPT_S / seconds(setup.ttl) if setup.ttl else 1.0
        if setup.store is None or setup.store is not self._store:
            with Redis(port=self.valkey.port) as redis:
                redis.flushall()
        self._store = setup.store
        if isinstance(setup.store, GoneStore):
            self.valkey.kill()
        return process

    def _process(self, setup: Setup) -> Process:
        settings: dict[str, object] = {"num_retries": setup.attempts - 1}
        if setup.timeouts is not None or setup.timeout_s is not None:
            settings |= {"timeout": TIMEOUT_S, "stream_timeout": TIMEOUT_S}
        name = json.dumps(settings)
        if name not in self._processes:
            folder = Path(self._folder.name)
            self._processes[name] = Process(self._environment, folder, self.valkey, **settings)
            self._processes[name].wait()
        return self._processes[name]

    def close(self) -> None:
        """End all of it."""
        for process in self._processes.values():
            process.stop()
        self.valkey.close()
        self._folder.cleanup()


class Results:
    """Writes down how each test of a door went."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):
        report = yield
        door = getattr(item, "callspec", None) and item.callspec.params.get("door")
        if door is not None and (report.when == "call" or report.outcome != "passed"):
            line = {
                "door": door.name,
                "test": item.originalname,
                "id": item.name,
                "outcome": report.outcome,
                "why": _reason(report),
            }
            with self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        return report


def _reason(report: pytest.TestReport) -> str:
    if report.outcome == "skipped":
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message.splitlines()[0] if crash is not None and crash.message else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_DOORS: list[LiteLlmDoor] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--litellm", help="the environment that LiteLLM is installed in")
    parser.addoption("--results", help="a file for one line of JSON per test")


def pytest_configure(config: pytest.Config) -> None:
    if results := config.getoption("--results"):
        config.pluginmanager.register(Results(Path(results)))
    if environment := config.getoption("--litellm"):
        door = LiteLlmDoor(Path(environment))
        _DOORS.append(door)
        every_door.DOORS.append(door)
        every_door.SERVERS.append(door)


def pytest_unconfigure(config: pytest.Config) -> None:
    while _DOORS:
        _DOORS.pop().close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        door = getattr(item, "callspec", None) and item.callspec.params.get("door")
        reason = OURS.get(getattr(item, "originalname", ""))
        if isinstance(door, LiteLlmDoor) and reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"not judged: {reason}"))
