"""A company's proxy between the gateway and the providers: passed by CONNECT, TLS end to end."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headway.gateway import server as server_module
from headway.gateway.addresses import HostPort
from headway.gateway.plan import Plan, Timeouts
from headway.gateway.tunnel import ProxyFailed, proxy_to
from tests.gateway.both_loops import anyio_backend as anyio_backend
from tests.gateway.certificates import authority
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import RawAnswer, RawServer, connected, passing, raw_server
from tests.gateway.raw_rig import answer_of, chat, gateway_by, said_in, saying, upstream_at, why_not

HERE = "127.0.0.1"


FREE = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def tls(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ssl.SSLContext]:
    trusted = authority(tmp_path_factory.mktemp("authority"))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.bundle))
    server_module._tls.cache_clear()
    yield trusted.server(HERE)
    server_module._tls.cache_clear()


@dataclass
class CompanyProxy:
    """Answers CONNECT with ``says``; after a 200 it carries bytes both ways.

    It may be slow to speak, and hang up when it has.
    """

    says: bytes = FREE
    is_slow: bool = False
    hangs_up: bool = False
    open: int = 0
    heard: list[bytes] = field(default_factory=list)
    port: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard.append(head)
        step = 1 if self.is_slow else len(self.says) or 1
        for at in range(0, len(self.says), step):
            writer.write(self.says[at : at + step])
            await passing()
        if self.hangs_up:
            return
        if not self.says.startswith(b"HTTP/1.1 200"):
            await reader.read()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def serve() -> None:
            self.open += 1
            try:
                await self.serve(reader, writer)
            finally:
                self.open -= 1
                writer.close()

        task = asyncio.get_running_loop().create_task(serve())
        self.tasks.add(task)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def company_proxy(
    says: bytes = FREE, *, is_slow: bool = False, hangs_up: bool = False
) -> AsyncIterator[CompanyProxy]:
    proxy = CompanyProxy(says, is_slow, hangs_up)
    server = await asyncio.start_server(proxy.accept, HERE, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
        await server.wait_closed()


async def answers_of(server: RawServer, *requests: bytes, **more: object) -> list[RawAnswer]:
    plan = Plan(upstreams=(upstream_at(server, **more),))
    async with gateway_by(plan) as gateway, connected(gateway.url) as client:
        answers = []
        for request in requests:
            await client.send(request)
            answers.append(await client.answer())
        return answers


# --- one is set ---------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_providers_are_asked_by_way_of_it(
    variable: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "a long story " * 100_000
    async with company_proxy() as proxy, raw_server(answer_of(saying(long)), tls=tls) as server:
        monkeypatch.setenv(variable, f"http://{HERE}:{proxy.port}")
        answers = await answers_of(server, chat("one " + long), chat("two"))
        assert [said_in(answer) for answer in answers] == [long, long]
        port = server.url.rpartition(":")[2]
        (head,) = proxy.heard  # both over one connection
        lines = head.decode().split("\r\n")
        assert lines == [f"CONNECT {HERE}:{port} HTTP/1.1", f"host: {HERE}:{port}", "", ""]


async def test_its_password_is_told_to_it_alone(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy() as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"ada:pass%40word@{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert answer.status == 200
        expected = b64encode(b"ada:pass@word")
        assert b"proxy-authorization: Basic " + expected in proxy.heard[0]
        assert expected not in server.heard


@pytest.mark.parametrize("said", [HERE, "*", "a.test, 127.0.0.1"])
async def test_who_is_excepted_is_asked_directly(
    said: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy() as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", said)
        (answer,) = await answers_of(server, chat())
        assert (answer.status, proxy.heard) == (200, [])


async def test_a_server_in_the_clear_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with company_proxy() as proxy, raw_server() as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert (answer.status, proxy.heard) == (200, [])


# --- it fails -----------------------------------------------------------------------------------


async def test_a_proxy_that_refuses_is_quoted(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    async with company_proxy(says) as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert (answer.status, server.requests) == (502, [])
        assert "lets nothing pass: it answered 'HTTP/1.1 407 Proxy Auth" in why_not(answer)
        assert f"(by HTTPS_PROXY, {HERE}:{proxy.port})" in why_not(answer)
        assert "secret" not in why_not(answer)


async def test_a_proxy_that_is_not_there_is_named(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:9")
        (answer,) = await answers_of(server, chat())
        assert (answer.status, server.requests) == (502, [])
        assert "the proxy is not there" in why_not(answer)
        assert f"(by HTTPS_PROXY, {HERE}:9)" in why_not(answer)


async def test_a_proxy_that_is_silent_is_not_waited_for(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy(b"") as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat(), timeouts=Timeouts(connect_s=0.1))
        assert (answer.status, server.requests) == (504, [])
        assert f"(by HTTPS_PROXY, {HERE}:{proxy.port})" in why_not(answer)


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(FREE + b"more", id="it says more than its word"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 20_000, id="no end"),
    ],
)
async def test_a_proxy_that_answers_otherwise_is_refused(
    says: bytes, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy(says) as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert (answer.status, server.requests) == (502, [])


async def test_who_stands_in_between_is_not_believed(
    tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is the server's, whoever carries it."""
    stranger = authority(tmp_path, "a stranger").server(HERE)
    async with company_proxy() as proxy, raw_server(tls=stranger) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert (answer.status, server.requests) == (502, [])
        assert "certificate" in why_not(answer)
        assert "SSL_CERT_FILE" in why_not(answer)
        assert f"(by HTTPS_PROXY, {HERE}:{proxy.port})" in why_not(answer)


async def test_an_answer_in_pieces_is_understood(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy(is_slow=True) as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert answer.status == 200


@pytest.mark.parametrize("says", [b"", FREE], ids=["before its word", "behind its word"])
async def test_a_proxy_that_hangs_up_is_named(
    says: bytes, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy(says, hangs_up=True) as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        (answer,) = await answers_of(server, chat())
        assert (answer.status, server.requests) == (502, [])
        assert "closed the connection" in why_not(answer) or "reset by peer" in why_not(answer)
        assert f"(by HTTPS_PROXY, {HERE}:{proxy.port})" in why_not(answer)


async def test_who_leaves_meanwhile_leaves_nothing(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company_proxy(b"") as proxy, raw_server(tls=tls) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HERE}:{proxy.port}")
        plan = Plan(upstreams=(upstream_at(server),))
        async with gateway_by(plan) as gateway:
            (one,) = gateway._servers.values()
            async with connected(gateway.url) as client:
                await client.send(chat())
                await until(lambda: len(proxy.heard) == 1)
                assert one.connections == 1
            await until(lambda: one.connections == 0 and proxy.open == 0)


# --- what the environment says ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "HTTPS_PROXY, p:1"),
        ({"HTTPS_PROXY": " p:1 "}, "HTTPS_PROXY, p:1"),
        ({"HTTPS_PROXY": "http://p"}, "HTTPS_PROXY, p:80"),
        ({"HTTPS_PROXY": "http://[::1]:1"}, "HTTPS_PROXY, [::1]:1"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:2"}, "https_proxy, q:2"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, None),
        ({"https_proxy": "", "ALL_PROXY": "http://q:2"}, "ALL_PROXY, q:2"),
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://q:2"}, "HTTPS_PROXY, p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "test"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".test"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h.test:443"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h.test:444"}, "HTTPS_PROXY, p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, * "}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "est"}, "HTTPS_PROXY, p:1"),
    ],
    ids=str,
)
def test_which_proxy_is_meant(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_to(HostPort("h.test", 443))
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize("said", ["::1", "[::1]", "[::1]:443"])
def test_an_address_of_version_6_may_be_excepted(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", said)
    assert proxy_to(HostPort("::1", 443)) is None


def test_its_password_stays_out_of_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:secret@p:1")
    found = proxy_to(HostPort("h.test", 443))
    assert found is not None
    assert found.authorization == "Basic " + b64encode(b"ada:secret").decode()
    assert "authorization" not in repr(found)


@pytest.mark.parametrize(
    "said",
    [
        *("socks5://127.0.0.1:1080", "http://", "http://a:port", "//", "http://a:0"),
        *("http://a b:1", "http://me:\udcff@a:1"),
    ],
    ids=ascii,
)
def test_what_is_no_proxy_is_refused_without_its_secrets(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", said)
    with pytest.raises(ProxyFailed) as refused:
        proxy_to(HostPort("h.test", 443))
    assert str(refused.value) == "ALL_PROXY is not http://host:port; NO_PROXY=h.test goes past it"
