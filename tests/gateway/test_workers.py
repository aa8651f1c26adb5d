"""Workers share a port; one that dies or leaves takes nobody with it but who was connected."""

import asyncio
import os
import signal
import socket

import pytest

from headway.errors import BadSetup
from headway.gateway import worker_process
from headway.gateway import workers as crew_of_workers
from headway.gateway.addresses import (
    HostPort,
    address_of,
    host_and_port,
    listening,
    listening_together,
)
from headway.gateway.control import Ask, Drain, end_of_parent, end_of_worker
from headway.gateway.plan import Plan, Route, Upstream
from headway.gateway.reports import Reports
from headway.gateway.seat import wait_before_restart_s
from headway.gateway.worker_process import how_it_ended
from headway.gateway.workers import Workers
from headway.testing.provider import Pace, Provider
from tests.gateway.clients_at_work import LOCAL, ask, at_work, is_whole, plan_to, until, workers

SLOWLY = Pace(tokens_per_s=10)
A_WHILE = "one two three four five six seven eight nine ten"


async def pids(crew: Workers) -> dict[str, int]:
    return {report.worker: report.pid for report in (await crew.reports()).heard}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def calls(reports: Reports) -> float:
    return reports.snapshot().total("headway_calls_total")


# --- they serve -------------------------------------------------------------------------------


async def test_all_serve_one_port() -> None:
    async with Provider("hello") as provider, workers(plan_to(provider), 3) as (crew, port):
        answers = await asyncio.gather(*(ask(port, f"question {n}") for n in range(60)))
        reports = await crew.reports()
        assert all(map(is_whole, answers))
        assert [report.worker for report in reports.heard] == ["1", "2", "3"]
        assert reports.silent == ()
        assert len(set((await pids(crew)).values()) - {os.getpid()}) == 3
        assert calls(reports) == 60
        each = [report.snapshot.total("headway_calls_total") for report in reports.heard]
        assert sum(each) == 60
        assert max(each) < 60  # nobody did it all


async def test_the_sum_names_who_answered() -> None:
    async with Provider() as provider, workers(plan_to(provider), 2) as (crew, _):
        snapshot = (await crew.reports()).snapshot()
        assert snapshot.workers == 2
        assert snapshot.total("headway_worker_up") == 2
        assert snapshot.total("headway_upstream_up", upstream="openai") == 2


# --- one dies ---------------------------------------------------------------------------------


async def test_a_killed_worker_takes_its_own_connections_only() -> None:
    async with (
        Provider(A_WHILE, pace=SLOWLY) as provider,
        workers(plan_to(provider), 2) as (crew, port),
    ):
        before = await pids(crew)
        streams = [asyncio.create_task(ask(port, f"s{n}", stream=True)) for n in range(16)]
        await until(lambda: provider.connections == 16)
        held = {r.worker: int(str(r.state["connections"])) for r in (await crew.reports()).heard}
        os.kill(before["1"], signal.SIGKILL)
        ended = await asyncio.gather(*streams, return_exceptions=True)
        whole = [isinstance(each, bytes) and is_whole(each, stream=True) for each in ended]
        assert sum(whole) == held["2"]
        assert whole.count(False) == held["1"] > 0


async def test_who_comes_after_a_kill_waits_for_the_next_worker_and_is_served() -> None:
    async with Provider("hello") as provider, workers(plan_to(provider), 1) as (crew, port):
        before = await pids(crew)
        os.kill(before["1"], signal.SIGKILL)
        answers = await asyncio.gather(*(ask(port, f"question {n}") for n in range(10)))
        assert all(map(is_whole, answers))
        assert (await pids(crew))["1"] != before["1"]


async def test_counters_do_not_fall_when_a_worker_dies() -> None:
    async with Provider("hello") as provider, workers(plan_to(provider), 2) as (crew, port):
        await asyncio.gather(*(ask(port, f"question {n}") for n in range(20)))
        before = await crew.reports()
        os.kill(before.heard[0].pid, signal.SIGKILL)
        gone = before.heard[0].pid
        await until(lambda: not is_alive(gone))
        after = await crew.reports()
        assert gone not in [report.pid for report in after.heard]
        assert calls(after) == calls(before) == 20
        assert after.snapshot().total("headway_client_connections") == 0


async def test_a_worker_that_dies_while_it_is_asked_is_counted_once() -> None:
    async with Provider("hello") as provider, workers(plan_to(provider), 2) as (crew, port):
        await asyncio.gather(*(ask(port, f"question {n}") for n in range(20)))
        dying = (await crew.reports()).heard[0]
        os.kill(dying.pid, signal.SIGSTOP)
        asked = asyncio.create_task(crew.reports())
        await asyncio.sleep(0.05)
        os.kill(dying.pid, signal.SIGKILL)
        reports = await asked
        assert dying.pid not in [report.pid for report in reports.heard]
        assert calls(reports) == calls(await crew.reports()) == 20


async def test_a_silent_worker_is_named_and_its_figures_stay() -> None:
    async with Provider("hello") as provider, workers(plan_to(provider), 2) as (crew, port):
        await asyncio.gather(*(ask(port, f"question {n}") for n in range(20)))
        before = await crew.reports()
        mute = before.heard[1]
        os.kill(mute.pid, signal.SIGSTOP)
        try:
            reports = await crew.reports()
        finally:
            os.kill(mute.pid, signal.SIGCONT)
        assert [report.worker for report in reports.heard] == ["1"]
        assert reports.silent == ("2",)
        assert calls(reports) == 20
        assert reports.snapshot().total("headway_worker_up", worker="2") == 0
        assert (await crew.reports()).silent == ()


def test_who_dies_at_once_again_and_again_is_waited_for_longer_and_longer() -> None:
    waits = [wait_before_restart_s(ends) for ends in range(10)]
    assert waits == [0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert wait_before_restart_s(10_000) == 30


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by SIGKILL"), (-63, "by signal 63")],
)
def test_an_end_in_words(code: int, said: str) -> None:
    assert said in how_it_ended(code)


# --- one leaves, all reload, under load -------------------------------------------------------


async def test_no_client_sees_that_a_worker_leaves() -> None:
    async with Provider("hello") as provider, workers(plan_to(provider), 2) as (crew, port):
        before = await pids(crew)
        async with at_work(port) as seen:
            for name in before:
                await seen.until_good(20)
                os.kill(before[name], signal.SIGTERM)
                await until(lambda pid=before[name]: not is_alive(pid))  # type: ignore[misc]
                await seen.until_good(20)
        assert seen.failures == []
        assert set((await pids(crew)).values()).isdisjoint(before.values())
        assert calls(await crew.reports()) == seen.good


async def test_a_leaving_worker_finishes_what_is_under_way() -> None:
    async with (
        Provider(A_WHILE, pace=SLOWLY) as provider,
        workers(plan_to(provider), 1) as (crew, port),
    ):
        stream = asyncio.create_task(ask(port, "slow", stream=True))
        await until(lambda: provider.connections == 1)
        old = (await pids(crew))["1"]
        os.kill(old, signal.SIGTERM)
        async with asyncio.timeout(30):
            while (await pids(crew))["1"] == old:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.01)
        provider.pace = Pace()
        assert is_whole(await ask(port, "quick"))  # by the next one, while the old one still works
        assert is_alive(old)
        assert is_whole(await stream, stream=True)


async def test_no_client_sees_a_reload() -> None:
    async with Provider("one") as first, Provider("two") as second:
        async with workers(plan_to(first), 2) as (crew, port), at_work(port) as seen:
            for provider in (second, first, second):
                await seen.until_good(20)
                assert await crew.reload(plan_to(provider)) is None
            await seen.until_good(20)
        assert seen.failures == []
        assert second.log


async def test_a_worker_that_comes_later_serves_by_the_plan_of_then() -> None:
    async with (
        Provider("one") as first,
        Provider("two") as second,
        workers(plan_to(first), 1) as (crew, port),
    ):
        await crew.reload(plan_to(second))
        os.kill((await pids(crew))["1"], signal.SIGKILL)
        assert b"two" in await ask(port, "who are you?")


async def test_a_reload_is_none_of_the_affair_of_who_dies_meanwhile() -> None:
    async with (
        Provider("one") as first,
        Provider("two") as second,
        workers(plan_to(first), 1) as (crew, port),
    ):
        pid = (await pids(crew))["1"]
        os.kill(pid, signal.SIGSTOP)  # it has not said a word yet
        reloading = asyncio.create_task(crew.reload(plan_to(second)))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert await reloading is None
        assert b"two" in await ask(port, "who are you?")


async def test_a_plan_that_one_refuses_is_nobodys() -> None:
    async with Provider("one") as first, workers(plan_to(first), 2) as (crew, port):
        wrong = Plan(upstreams=(Upstream(name="x", url="http://127.0.0.1:nowhere"),))
        before = await pids(crew)
        said = await crew.reload(wrong)
        assert said is not None
        assert "worker 1: " in said
        assert all([is_whole(await ask(port, f"q{n}")) for n in range(10)])
        os.kill(before["1"], signal.SIGKILL)
        await until(lambda: not is_alive(before["1"]))
        assert all([is_whole(await ask(port, f"r{n}")) for n in range(10)])
        assert (await pids(crew))["2"] == before["2"]


# --- all end ----------------------------------------------------------------------------------


async def test_drain_finishes_what_is_under_way_and_takes_no_more() -> None:
    async with (
        Provider(A_WHILE, pace=SLOWLY) as provider,
        workers(plan_to(provider), 2) as (crew, port),
    ):
        streams = [asyncio.create_task(ask(port, f"s{n}", stream=True)) for n in range(8)]
        await until(lambda: provider.connections == 8)
        processes = await pids(crew)
        assert await crew.drain(10)
        assert all([is_whole(await stream, stream=True) for stream in streams])
        with pytest.raises(OSError, match=r"refused|Connect"):
            await ask(port, "too late")
        assert not any(map(is_alive, processes.values()))


async def test_drain_says_if_it_took_too_long() -> None:
    async with (
        Provider(A_WHILE, pace=SLOWLY) as provider,
        workers(plan_to(provider), 1) as (crew, port),
    ):
        stream = asyncio.create_task(ask(port, "slow", stream=True))
        await until(lambda: provider.connections == 1)
        assert not await crew.drain(0.05)
        ended = (await asyncio.gather(stream, return_exceptions=True))[0]
        assert not (isinstance(ended, bytes) and is_whole(ended, stream=True))


async def test_who_ends_at_once_waits_for_nobody_to_read_what_was_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_process, "TO_END_S", 0.2)
    monkeypatch.setattr(crew_of_workers, "RELOAD_S", 0.05)
    async with Provider() as provider, workers(plan_to(provider), 1) as (crew, _):
        pid = (await pids(crew))["1"]
        os.kill(pid, signal.SIGSTOP)
        many = tuple(Route(path=f"/{number}") for number in range(3000))
        for _ in range(2):  # more than the channel holds
            await crew.reload(Plan(upstreams=plan_to(provider).upstreams, routes=many))
        async with asyncio.timeout(30):
            await crew.aclose()
        assert not is_alive(pid)


async def test_a_leaving_worker_is_given_as_long_as_all_are() -> None:
    async with (
        Provider(A_WHILE, pace=SLOWLY) as provider,
        workers(plan_to(provider), 1, drain_s=0.1) as (crew, port),
    ):
        stream = asyncio.create_task(ask(port, "slow", stream=True))
        await until(lambda: provider.connections == 1)
        old = (await pids(crew))["1"]
        os.kill(old, signal.SIGTERM)
        ended = (await asyncio.gather(stream, return_exceptions=True))[0]
        assert not (isinstance(ended, bytes) and is_whole(ended, stream=True))
        await until(lambda: not is_alive(old))


async def test_a_plan_that_cannot_be_served_is_refused_at_the_start() -> None:
    plan = Plan(upstreams=(Upstream(name="x", url="http://127.0.0.1:1"),), store="disk:/proc/no")
    with pytest.raises(BadSetup, match="/proc/no"):
        async with workers(plan, 2):
            pass


# --- where they listen ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1:8080", HostPort("127.0.0.1", 8080)),
        ("localhost:0", HostPort("localhost", 0)),
        ("[::1]:65535", HostPort("::1", 65535)),
    ],
)
def test_an_address(text: str, meant: HostPort) -> None:
    assert host_and_port(text, "--listen") == meant


@pytest.mark.parametrize(
    "text",
    ["", "8080", ":8080", "localhost", "127.0.0.1:", "h:65536", "h:-1", "::1:80", "h:\u0663"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadSetup, match="write host and port"):
        host_and_port(text, "--listen")


def test_a_port_that_is_taken() -> None:
    with listening(LOCAL, "--listen") as first:
        with pytest.raises(BadSetup, match=r"--listen 127.0.0.1:.*in use"):
            listening(address_of(first), "--listen")
        with pytest.raises(BadSetup, match="in use"):
            listening_together(address_of(first), 2, "--listen")


def test_a_port_that_others_share_is_not_joined() -> None:
    others = listening_together(LOCAL, 2, "--listen")
    try:
        with pytest.raises(BadSetup, match="in use"):
            listening_together(address_of(others[0]), 2, "--listen")
    finally:
        for each in others:
            each.close()


def test_a_host_that_is_none_of_this_machine() -> None:
    with pytest.raises(BadSetup, match=r"192\.0\.2\.1:80: cannot listen there"):
        listening(HostPort("192.0.2.1", 80), "--listen")


# --- what parent and worker say ---------------------------------------------------------------


async def test_messages_arrive_as_they_were_said() -> None:
    here, there = socket.socketpair()
    parent, worker = await end_of_parent(here), await end_of_worker(there)
    said = [Ask(1), Drain(2.5), Ask(3)]
    for each in said:
        parent.say(each)
    assert [await worker.hear() for _ in said] == said
    await parent.aclose()
    parent.say(Ask(4))  # nobody hears it, and nothing fails
    assert await worker.hear() is None
    await worker.aclose()


@pytest.mark.parametrize(
    "written",
    [b"", b"\0\0", b"\0\0\0\x05nope", b"\xff\xff\xff\xff", b"\0\0\0\x02{}", b"\0\0\0\x09not json!"],
)
async def test_what_is_no_message_is_the_end(written: bytes) -> None:
    here, there = socket.socketpair()
    parent = await end_of_parent(here)
    with there:
        there.sendall(written)
    assert await parent.hear() is None
    await parent.aclose()
