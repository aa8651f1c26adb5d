"""The admin side tells how the gateway fares, to whoever may know, and never a secret."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from threading import Event
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient, HTTPError, Response

from headway.gateway import admin_on_demand
from headway.gateway.addresses import HostPort, address_of, listening
from headway.gateway.admin import MOST_CONNECTIONS, hosts
from headway.gateway.admin_on_demand import AdminOnDemand
from headway.gateway.plan import ClientKey, Plan, Upstream
from headway.gateway.reports import Phase, Reload, Report, Reports, why_not_ready
from headway.gateway.serving import Serving
from headway.monitor import Snapshot, prometheus_text
from headway.testing.provider import Provider
from tests.gateway.clients_at_work import LOCAL, ask, plan_to

SECRETS = Plan(
    upstreams=(
        Upstream(name="a", url="https://me:password-1@models.test/v1?key=secret-2", key="secret-3"),
    ),
    keys=(ClientKey(name="team", sha256="5" * 64),),
    store="redis://me:password-4@cache.test:6379/0",
)


class Shown:
    """An overview whose every word the test says."""

    def __init__(self, plan: Plan, *reports: Report) -> None:
        self.plan, self.address = plan, "127.0.0.1:8080"
        self.phase: Phase = "serving"
        self.last_reload: Reload | None = None
        self.said = Reports(heard=reports)

    async def reports(self) -> Reports:
        return self.said


def report(worker: str = "1", *, draining: bool = False, **up: bool) -> Report:
    snapshot = Snapshot(since=1, at=2, workers=1, counters=(), gauges=(), timings=(), slow=())
    upstreams = {name: {"up": is_up} for name, is_up in up.items()}
    state: dict[str, object] = {"draining": draining, "upstreams": upstreams}
    return Report(worker=worker, pid=1, resident_bytes=2, cpu_s=3.0, state=state, snapshot=snapshot)


@asynccontextmanager
async def admin(shown: Shown) -> AsyncIterator[AsyncClient]:
    sock = listening(LOCAL, "--admin")
    url = f"http://{address_of(sock)}"
    server = AdminOnDemand(shown, sock)
    try:
        async with AsyncClient(base_url=url) as client:
            yield client
    finally:
        await server.aclose()


def content(response: Response) -> Any:
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    return response.json()


# --- health and readiness ---------------------------------------------------------------------


async def test_health_tells_of_the_last_reload() -> None:
    shown = Shown(SECRETS)
    async with admin(shown) as client:
        said = content(await client.get("/health"))
        assert said == {"status": "alive", "phase": "serving", "reload": None}
        shown.last_reload = Reload(12.5, "headway.toml, line 3: no")
        told = content(await client.get("/health"))
        assert told["reload"] == {"at": 12.5, "problem": "headway.toml, line 3: no"}


async def test_ready_by_status() -> None:
    shown = Shown(SECRETS, report(a=True))
    async with admin(shown) as client:
        ready = await client.get("/ready")
        assert (ready.status_code, content(ready)) == (200, {"ready": True, "why": None})
        shown.phase = "draining"
        ready = await client.get("/ready")
        assert (ready.status_code, content(ready)) == (503, {"ready": False, "why": "draining"})
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("phase", "reports", "why"),
    [
        ("serving", [report(a=True)], None),
        ("serving", [report(a=False, b=True)], None),
        ("serving", [report(a=False), report("2", a=True)], None),
        ("serving", [report()], None),  # it has no upstream that could be passed over
        ("serving", [report(a=False, b=False), report("2", a=False)], "every upstream"),
        ("serving", [], "no worker is up"),
        ("serving", [report(a=True, draining=True)], "no worker is up"),
        ("starting", [report(a=True)], "starting"),
        ("draining", [report(a=True)], "draining"),
    ],
)
def test_when_it_is_ready(phase: Phase, reports: list[Report], why: str | None) -> None:
    said = why_not_ready(phase, Reports(heard=tuple(reports)))
    assert said is why is None or (why is not None and why in str(said))


# --- figures ----------------------------------------------------------------------------------


async def test_both_forms_of_the_metrics_are_of_one_snapshot() -> None:
    async with Provider("hello") as provider:
        shown, sock = Shown(plan_to(provider)), listening(LOCAL, "--listen")
        port = address_of(sock).port
        serving = Serving(shown.plan)
        serving.adopt(sock)
        try:
            await asyncio.gather(*(ask(port, "the same") for _ in range(5)))
            shown.said = Reports(heard=(serving.report(),), silent=("2",))
            async with admin(shown) as client:
                text, as_json = await client.get("/metrics"), await client.get("/metrics.json")
        finally:
            await serving.aclose()
    snapshot = msgspec.json.decode(as_json.content, type=Snapshot)
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert text.text == prometheus_text(snapshot)
    assert snapshot.total("headway_calls_total") == 5
    assert snapshot.total("headway_calls_total", source="ran") == 1
    assert snapshot.total("headway_resident_memory_bytes") > 1_000_000
    assert 'headway_worker_up{worker="1"} 1\n' in text.text
    assert 'headway_worker_up{worker="2"} 0\n' in text.text


async def test_state() -> None:
    shown = Shown(SECRETS, report("1", a=True), report("2", a=False))
    shown.said = Reports(heard=shown.said.heard, silent=("3",))
    async with admin(shown) as client:
        state = content(await client.get("/state"))
    assert state["upstreams"] == {"a": {"asked_by": 1, "passed_over_by": 1}}
    assert [worker["worker"] for worker in state["workers"]] == ["1", "2"]
    assert state["workers"][0]["resident_bytes"] == 2
    assert state["silent_workers"] == ["3"]
    assert state["listen"] == "127.0.0.1:8080"


async def test_no_page_shows_a_secret() -> None:
    shown = Shown(SECRETS, report(a=True))
    async with admin(shown) as client:
        state = await client.get("/state")
    plan = content(state)["plan"]
    assert plan["upstreams"][0]["name"] == "a"
    assert "models.test" in plan["upstreams"][0]["url"]
    assert plan["keys"] == [{"name": "team", "sha256": "***"}]
    for secret in ("password-1", "secret-2", "secret-3", "password-4", "5" * 64):
        assert secret not in json.dumps(plan)


# --- who may ask ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9", 200),
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("[::1]:80", 200),
        ("evil.test", 400),
        ("127.0.0.1.evil.test", 400),
        ("localhost.evil.test", 400),
        ("www.localhost", 400),
        ("", 400),
    ],
)
async def test_a_page_from_elsewhere_is_refused(host: str, status: int) -> None:
    async with admin(Shown(SECRETS)) as client:
        answer = await client.get("/health", headers={"host": host})
        assert answer.status_code == status


def test_on_a_network_names_are_given_by_others() -> None:
    assert hosts(HostPort("0.0.0.0", 1)) == ["*"]
    assert hosts(HostPort("10.0.0.1", 1)) == ["*"]
    assert "127.0.0.2" in hosts(HostPort("127.0.0.2", 1))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_is_changed_here(method: str) -> None:
    async with admin(Shown(SECRETS)) as client:
        assert (await client.request(method, "/state")).status_code == 405
        assert (await client.get("/")).status_code == 404


ENDLESS = {
    "head": (b"GET /health HTTP/1.1\r\nhost: localhost\r\n", b"x: y\r\n" * 10_000),
    "url": (b"GET /", b"a" * 60_000),
    "body": (
        b"POST /state HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n",
        b"a" * 60_000,
    ),
    "pipeline": (b"", b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1_000),
}


async def write_often(writer: asyncio.StreamWriter, more: bytes) -> None:
    for _ in range(1000):  # 40 megabytes or more
        writer.write(more)
        await writer.drain()


@pytest.mark.parametrize("what", ENDLESS)
async def test_who_sends_without_end_is_dropped(what: str) -> None:
    begin, more = ENDLESS[what]
    async with admin(Shown(SECRETS)) as client, asyncio.timeout(10):
        _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        try:
            writer.write(begin)
            with pytest.raises(OSError, match=r"reset|Broken|lost"):
                await write_often(writer, more)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        assert (await client.get("/health")).status_code == 200


async def test_many_who_say_nothing_take_not_all_files() -> None:
    async with admin(Shown(SECRETS)) as client, AsyncExitStack() as stack:
        host, port = client.base_url.host, client.base_url.port or 0
        for _ in range(MOST_CONNECTIONS):
            stack.enter_context(await asyncio.to_thread(socket.create_connection, (host, port)))
        with pytest.raises(HTTPError):
            await client.get("/health")


async def test_it_closes_with_a_connection_open() -> None:
    async with asyncio.timeout(30), admin(Shown(SECRETS)) as client:
        assert (await client.get("/health")).status_code == 200


# --- from the first connection on -------------------------------------------------------------


async def test_it_closes_if_nobody_came() -> None:
    sock = listening(LOCAL, "--admin")
    await AdminOnDemand(Shown(SECRETS), sock).aclose()
    assert sock.fileno() == -1


async def test_it_closes_while_its_libraries_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    come, loaded = asyncio.Event(), Event()
    loop = asyncio.get_running_loop()

    def load() -> None:
        loop.call_soon_threadsafe(come.set)
        loaded.wait(10)

    monkeypatch.setattr(admin_on_demand, "_admin_server", load)
    sock = listening(LOCAL, "--admin")
    server = AdminOnDemand(Shown(SECRETS), sock)
    with socket.create_connection(sock.getsockname()):
        try:
            async with asyncio.timeout(30):
                await come.wait()
                await server.aclose()
        finally:
            loaded.set()
    assert sock.fileno() == -1


async def test_libraries_that_are_broken_are_logged_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> None:
        raise ImportError("half of it is gone")

    monkeypatch.setattr(admin_on_demand, "_admin_server", load)
    async with admin(Shown(SECRETS)) as client:
        for _ in range(2):
            with pytest.raises(HTTPError):
                await client.get("/health")
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "half of it is gone"
    ]


async def test_a_server_that_cannot_be_made_is_logged_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise TypeError("no such setting")

    monkeypatch.setattr(admin_on_demand, "_admin_server", lambda: refuse)
    async with admin(Shown(SECRETS)) as client:
        with pytest.raises(HTTPError):
            await client.get("/health", timeout=2)
    assert "the admin side cannot be started" in caplog.text
