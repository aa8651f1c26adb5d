"""LiteLLM as one more door of the contract suite, as a plugin of pytest; see ``litellm_traps``.

It runs with its local cache, one worker, and no retries unless a test wants some. Each test has a
namespace of its own in that cache (``cache: {"namespace": ..., "ttl": ...}`` in the body, which
LiteLLM takes out again). What stands in for Headway's own words is judged by behaviour: an answer
came from the provider if the provider's log grew for it, whatever the answer's headers say.
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
from itertools import count
from pathlib import Path

import httpx2
import pytest

from headway.clock import seconds
from headway.testing import Valkey
from tests.contract import every_door
from tests.contract.wire_doors import GoneStore, Setup, Way

HURRY = 30.0
"""A test's minutes are so much shorter: LiteLLM's clock is the machine's."""
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
    "test_trap_02_what_is_too_large_is_handed_on_and_not_kept": "its bound is 1 MB, always",
    "test_trap_03_a_hit_tells_its_age": "it marks hits by a header of its own, not by age",
    "test_trap_07_another_server_is_another_question": "one process has one set of servers",
    "test_trap_12_a_hit_tells_its_usage_and_that_it_was_a_hit": "the events are Headway's own",
    "test_trap_25_room_is_counted_in_bytes": "its local cache counts items, 200 of them",
}
"""Tests that speak of what is Headway's own, and are not asked of LiteLLM."""

SHAPELESS = {
    "organisation": "it passes no openai-organization on, so that nothing depends on it",
    "project": "it passes no openai-project on, so that nothing depends on it",
    "beta": "it passes no openai-beta on, so that nothing depends on it",
    "null beside absent": "it passes no null on, so that nothing depends on it",
}
"""Cases of trap 4 in which LiteLLM's server is asked the same, and may answer the same."""

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
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._relay, sock=self._listener)
        await server.serve_forever()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))


async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """All bytes, and then the kind of end that there was."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        end = sink.get_extra_info("socket")
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sink.transport.abort()
    sink.close()


class Process:
    """One LiteLLM with one configuration, and the relay behind it."""

    def __init__(
        self,
        environment: Path,
        folder: Path,
        cache: dict[str, object] | None,
        **settings: object,
    ) -> None:
        self.relay = Relay()
        self.port = _free_port()
        configuration = folder / f"{self.port}.yaml"
        configuration.write_text(json.dumps(self._configuration(cache, settings)))
        arguments = ["--config", str(configuration), "--host", "127.0.0.1", "--num_workers", "1"]
        with (folder / f"{self.port}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(environment / "bin" / "litellm"), *arguments, "--port", str(self.port)],
                env={**os.environ, **QUIET},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _configuration(
        self, cache: dict[str, object] | None, settings: dict[str, object]
    ) -> dict[str, object]:
        root = f"http://127.0.0.1:{self.relay.port}"
        models = []
        for name, model in MODELS.items():
            base = root if model.startswith("anthropic") else f"{root}/v1"
            parameters = {"model": model, "api_base": base, "api_key": "key-of-a", **settings}
            models.append({"model_name": name, "litellm_params": parameters})
        retries = settings.get("num_retries", 0)
        return {
            "model_list": models,
            "litellm_settings": {
                "cache": cache is not None,
                "cache_params": cache or {},
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

    def __init__(self, provider: object, controls: dict[str, object] | None) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=False)
        self._controls = controls
        self._provider, self._known, self._under_way = provider, len(provider.log), 0

    @property
    def under_way(self) -> int:
        return self._under_way

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._under_way += 1
        try:
            response = await self._inner.handle_async_request(self._translated(request))
        except BaseException:
            await asyncio.sleep(SETTLING_S)
            self._under_way -= 1
            self._was_asked()
            raise
        response.headers["x-judged"] = "asked" if self._was_asked() else "served"
        response.stream = Settling(response.stream, self)
        return response

    def _translated(self, request: httpx2.Request) -> httpx2.Request:
        """The request as LiteLLM wants it: what to do with the cache stands in the body."""
        controls = dict(self._controls or {})
        if request.headers.get("x-headway-cache") == "off":
            controls |= {"no-cache": True, "no-store": True}
        content = request.content
        if controls and content.endswith(b"}"):
            content = content[:-1] + b',"cache":' + json.dumps(controls).encode() + b"}"
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in ("x-headway-cache", "content-length")
        }
        if "," in headers.get("accept-encoding", ""):  # the library's, and not the test's own
            headers["accept-encoding"] = "identity"
        return httpx2.Request(request.method, request.url, headers=headers, content=content)

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


class MovedTime:
    """Real time, of which less passes; answers are kept for as much less."""

    async def advance(self, duration: str | float) -> None:
        await asyncio.sleep(seconds(duration) / HURRY)


class LiteLlmDoor:
    """LiteLLM's proxy; a process starts when a test first needs its configuration."""

    name = "litellm"
    is_server = True
    serves_stale = passes_bytes = is_in_process = False

    def __init__(self, environment: Path) -> None:
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="litellm-traps-")
        self._processes: dict[str, Process] = {}
        self._namespaces = count()
        self._of_store: dict[int, str] = {}

    @contextmanager
    def clock(self):
        yield MovedTime()

    @asynccontextmanager
    async def open(self, provider: object, setup: Setup):
        process = self._process(setup)
        process.relay.target = int(provider.url.rpartition(":")[2])
        judging = Judging(provider, self._controls(setup))
        async with httpx2.AsyncClient(transport=judging, timeout=5) as http:
            url = f"http://127.0.0.1:{process.port}"
            yield Way(
                *(http, f"{url}/v1", url),
                lambda headers: Judged(headers["x-judged"]),
                lambda: judging.under_way,
            )
            await asyncio.sleep(SETTLING_S)

    def _controls(self, setup: Setup) -> dict[str, object] | None:
        if setup.ttl is None:
            return None
        namespace = f"n{next(self._namespaces)}"
        if setup.store is not None:  # one that several doors of a test share
            namespace = self._of_store.setdefault(id(setup.store), namespace)
        return {"namespace": namespace, "ttl": max(1, round(seconds(setup.ttl) / HURRY))}

    def _process(self, setup: Setup) -> Process:
        settings: dict[str, object] = {"num_retries": setup.attempts - 1}
        if setup.timeouts is not None or setup.timeout_s is not None:
            settings |= {"timeout": TIMEOUT_S, "stream_timeout": TIMEOUT_S}
        cache: dict[str, object] | None = {"type": "local"} if setup.ttl else None
        if isinstance(setup.store, GoneStore):
            cache = {"type": "redis", "host": "127.0.0.1"}
        name = json.dumps([settings, cache])
        if name not in self._processes:
            with Valkey() as valkey:
                if isinstance(setup.store, GoneStore):
                    cache = {"type": "redis", "host": "127.0.0.1", "port": valkey.port}
                folder = Path(self._folder.name)
                self._processes[name] = Process(self._environment, folder, cache, **settings)
                self._processes[name].wait()
        return self._processes[name]

    def close(self) -> None:
        """End all of it."""
        for process in self._processes.values():
            process.stop()
        self._folder.cleanup()


class Results:
    """Writes down how each test of a door went."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):
        report = yield
        door = getattr(item, "callspec", None) and item.callspec.params.get("door")
        if report.when == "call" or report.outcome != "passed":
            line = {
                "door": "gateway" if door is None else door.name,
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
        if isinstance(door, LiteLlmDoor) and "_trap_" not in item.name:
            item.add_marker(pytest.mark.skip(reason="not judged: it is none of the traps"))
        name = getattr(item, "originalname", "")
        reason = OURS.get(name)
        if name == "test_trap_04_the_whole_body_is_the_question":
            reason = next((SHAPELESS[one] for one in SHAPELESS if f"[{one}-" in item.name), None)
        if isinstance(door, LiteLlmDoor) and reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"not judged: {reason}"))
