import asyncio
import os
import signal
import subprocess
import sys
import threading
import time as real_time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from headway import (
    BadSetup,
    Cache,
    Call,
    Limit,
    Place,
    Proceed,
    Share,
    Timeout,
    bridge,
    off,
    operation,
)
from headway.testing.clock import settle

user: ContextVar[str] = ContextVar("user", default="nobody")


def in_time(ask: Callable[[], object], seconds: float = 10.0) -> object:
    """What *ask* gives or raises on a thread of its own; fails if it hangs."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(ask())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, "it hangs"
    return outcome[0]


# --- plain functions through the door -----------------------------------------------------------


def test_a_plain_function_is_asked_like_any_function() -> None:
    @operation(Limit(at_once=1))
    def add(first: int, second: int = 2) -> int:
        """Add two numbers."""
        return first + second

    assert (add(1), add(1, second=5)) == (3, 6)
    assert (add.__name__, add.__doc__) == ("add", "Add two numbers.")
    assert add.answer(1).source == "ran"


@pytest.mark.parametrize("policies", [(), (Cache("1m"),), (Limit(at_once=1),)])
def test_an_error_is_the_very_same(policies: tuple[Any, ...]) -> None:
    wrong = ValueError("no")

    @operation(*policies)
    def find(name: str) -> None:
        raise wrong

    with pytest.raises(ValueError, match="no") as raised:
        find("x")
    assert raised.value is wrong
    assert any(entry.name == "find" for entry in raised.traceback)


def test_operations_may_be_nested_deep() -> None:
    @operation(Cache("1m"), Limit(at_once=100))
    def down(depth: int) -> int:
        return 0 if depth == 0 else 1 + down(depth - 1)

    assert in_time(lambda: down(50)) == 50


def test_many_threads_may_nest() -> None:
    @operation(Cache("1m"))
    def down(depth: int, number: int) -> int:
        return 0 if depth == 0 else 1 + down(depth - 1, number)

    outcomes: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(down(10, n)), daemon=True)
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert outcomes == [10] * 20


@pytest.mark.parametrize("policies", [(), (Cache("1m"),)])
def test_context_variables_go_in_and_do_not_come_out(policies: tuple[Any, ...]) -> None:
    @operation(*policies)
    def find(name: str) -> str:
        seen = user.get()
        user.set("changed inside")
        return seen

    token = user.set("anna")
    try:
        assert find("x") == "anna"
        assert user.get() == "anna"
        assert find("x") == "anna"
        assert user.get() == "anna"
    finally:
        user.reset(token)


async def test_a_plain_operation_may_be_asked_where_a_loop_runs() -> None:
    @operation(Cache("1m"), Limit(at_once=1))
    def find(name: str) -> str:
        return f"{name} on {threading.current_thread().name}"

    assert find("x").startswith("x on headway")
    assert find.answer("x").source == "hit"
    assert asyncio.get_running_loop().is_running()


async def test_a_plain_operation_inside_an_async_one_inside_a_plain_one() -> None:
    @operation(Cache("1m"))
    def innermost(number: int) -> int:
        return number + 1

    @operation(Cache("1m"))
    async def middle(number: int) -> int:
        return await asyncio.to_thread(innermost, number) + innermost(number)

    @operation(Cache("1m"))
    def outermost(number: int) -> int:
        return asyncio.run(middle(number))  # type: ignore[arg-type]

    assert await asyncio.to_thread(outermost, 1) == 4
    assert outermost(1) == 4


def test_stop_iteration_does_not_hang_the_caller() -> None:
    @operation()
    def first(things: tuple[int, ...]) -> int:
        return next(iter(things))

    assert in_time(lambda: first((7,))) == 7
    error = in_time(lambda: first(()))
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, StopIteration)


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("policies", [(), (Cache("1m"),), (Limit(at_once=1),)])
def test_a_function_that_ends_the_program_reaches_its_caller_and_others_go_on(
    ending: BaseException, policies: tuple[Any, ...]
) -> None:
    @operation(*policies)
    def find(name: str) -> str:
        if name == "end":
            raise ending
        return name

    assert in_time(lambda: find("end")) is ending
    assert in_time(lambda: find("x")) == "x"


def test_work_that_cancels_itself_is_seen_as_such() -> None:
    @operation()
    def find(name: str) -> str:
        raise asyncio.CancelledError

    assert isinstance(in_time(lambda: find("x")), asyncio.CancelledError)


def test_an_interrupted_caller_lets_go_of_the_work() -> None:
    limit, share = Limit(at_once=1), Share()
    begun, cancelled = threading.Event(), threading.Event()

    class Endless:
        """A policy that waits for ever, and tells when it is cancelled."""

        place = Place.TIMEOUT

        async def around(self, call: Call, proceed: Proceed) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    @operation(share, limit, Endless())
    def find(name: str) -> str:
        return name

    def interrupt() -> None:
        begun.wait(5)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            find("x")
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert cancelled.wait(5)
    until = real_time.monotonic() + 5
    while limit.inside and real_time.monotonic() < until:
        threading.Event().wait(0.001)
    assert limit.inside == 0


def test_a_policy_that_waits_too_early_is_told_so() -> None:
    class Eager:
        place = Place.CACHE

        async def around(self, call: Call, proceed: Proceed) -> Any:
            await asyncio.sleep(0)
            return await proceed(call)

    @operation(Eager())
    def find(name: str) -> str:
        return name

    with pytest.raises(BadSetup, match="on_a_loop"):
        find("x")


def test_an_outer_policy_may_ask_for_a_loop() -> None:
    class Patient:
        place = Place.WATCH

        async def around(self, call: Call, proceed: Proceed) -> Any:
            await bridge.on_a_loop()
            await asyncio.sleep(0)
            return await proceed(call)

    @operation(Patient(), Cache("1m"))
    def find(name: str) -> str:
        return name

    assert [find("x"), find("x")] == ["x", "x"]


def test_a_plain_operation_on_our_own_loop_is_refused_before_it_locks_up() -> None:
    @operation()
    def find(name: str) -> str:
        return name

    class Confused:
        place = Place.LIMIT

        async def around(self, call: Call, proceed: Proceed) -> Any:
            return find("inner")

    @operation(Confused())
    def outer(name: str) -> str:
        return name

    error = in_time(lambda: outer("x"))
    assert isinstance(error, BadSetup)
    assert "own loop" in str(error)


# --- forks and the end of the program -----------------------------------------------------------


def in_child(ask: Callable[[], object], seconds: float = 10.0) -> bytes:
    """What a forked child says, at most for *seconds*."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(ask()).encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    until = real_time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if real_time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        threading.Event().wait(0.005)
    said = os.read(read, 10_000)
    os.close(read)
    return said


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    @operation(Cache("1m"), Limit(at_once=2))
    def find(name: str) -> str:
        return name.upper()

    assert find("before") == "BEFORE"
    assert in_child(lambda: (find("before"), find("after"))) == b"('BEFORE', 'AFTER')"
    assert find("still") == "STILL"


def test_a_child_does_not_wait_for_work_of_its_parent() -> None:
    begun, go = threading.Event(), threading.Event()

    @operation(Cache("1m"), Limit(at_once=1))
    def find(name: str) -> str:
        if not begun.is_set():
            begun.set()
            go.wait(10)
        return name.upper()

    thread = threading.Thread(target=find, args=("x",), daemon=True)
    thread.start()
    begun.wait(5)
    try:
        assert in_child(lambda: find("x")) == b"'X'"
    finally:
        go.set()
        thread.join(5)
    assert find("x") == "X"


@pytest.mark.parametrize("mode", [[], ["-X", "dev"]])
def test_a_program_ends_without_a_word(mode: list[str]) -> None:
    program = """
from headway import Cache, Limit, Timeout, operation

@operation(Cache("1m", stale_for="1m"), Limit(per_second=100), Timeout("1m"))
def find(name):
    return name

for number in range(3):
    assert find(number) == number
"""
    command = [sys.executable, "-W", "error", *mode, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


# --- now, or in a task --------------------------------------------------------------------------


async def test_an_answer_at_hand_needs_no_task() -> None:
    async def at_hand() -> str:
        return "here"

    before = asyncio.all_tasks()
    assert bridge.now_or_task(at_hand()) == "here"
    assert asyncio.all_tasks() == before


async def test_what_must_wait_goes_on_in_a_task() -> None:
    steps: list[str] = []

    async def waits() -> str:
        steps.append("by hand")
        await bridge.on_a_loop()
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        steps.append("in a task")
        return "done"

    task = bridge.now_or_task(waits())
    assert isinstance(task, asyncio.Task)
    assert steps == ["by hand"]
    assert await task == "done"


async def test_an_error_comes_at_once_or_from_the_task() -> None:
    wrong = ValueError("no")

    async def fails(waits: bool) -> None:
        if waits:
            await bridge.on_a_loop()
        raise wrong

    with pytest.raises(ValueError, match="no") as raised:
        bridge.now_or_task(fails(waits=False))
    assert raised.value is wrong
    task: Any = bridge.now_or_task(fails(waits=True))
    with pytest.raises(ValueError, match="no") as raised:
        await task
    assert raised.value is wrong


async def test_a_task_that_goes_on_can_be_cancelled() -> None:
    cleaned_up: list[str] = []

    async def waits() -> None:
        try:
            await bridge.on_a_loop()
            await asyncio.Event().wait()
        finally:
            cleaned_up.append("yes")

    task: Any = bridge.now_or_task(waits())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned_up == ["yes"]


async def test_an_operation_at_hand_and_one_that_must_run() -> None:
    @operation(Cache("1m"))
    async def find(name: str) -> str:
        await asyncio.sleep(0)
        return name

    def ask(name: str) -> Any:
        return bridge.now_or_task(find.operation.enter(Call(find.operation, (name,), {})))

    task = ask("x")
    assert isinstance(task, asyncio.Task)
    assert await task == "x"
    assert ask("x") == "x"


# --- going on with a coroutine ------------------------------------------------------------------


async def taken_by_hand(work: Coroutine[Any, Any, Any]) -> Any:
    return await bridge.go_on(work, work.send(None))


async def test_a_coroutine_begun_by_hand_goes_on_as_if_awaited() -> None:
    inner = asyncio.get_running_loop().create_future()
    log: list[object] = []

    async def work() -> str:
        log.append(await inner)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            await asyncio.sleep(0)
            return "anyway"
        return "never"

    task = asyncio.ensure_future(taken_by_hand(work()))
    await settle()
    inner.set_result("first")
    await settle()
    task.cancel()
    assert await task == "anyway"
    assert log == ["first", "cancelled"]


async def test_a_coroutine_that_is_thrown_away_is_closed() -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            log.append("closed")

    going_on = taken_by_hand(work())
    going_on.send(None)
    going_on.close()
    assert log == ["closed"]


async def test_background_work_is_held_until_it_is_done() -> None:
    import gc

    done = asyncio.Event()

    async def work() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
            gc.collect()
        done.set()

    bridge.background(work())
    async with asyncio.timeout(30):
        await done.wait()


def test_background_work_without_a_loop_runs_on_ours() -> None:
    seen: list[str] = []
    done = threading.Event()

    async def work() -> None:
        seen.append(threading.current_thread().name)
        done.set()

    bridge.background(work())
    assert done.wait(5)
    assert seen == ["headway-loop"]


async def test_a_call_driven_by_hand_finds_a_task_without_cache_or_share() -> None:
    @operation(Timeout(5))
    async def ask() -> bool:
        await asyncio.sleep(0)
        return asyncio.current_task() is not None

    body = ask.operation
    with off():
        task = bridge.now_or_task(body.enter_by_hand(Call(body, (), {})))
    assert isinstance(task, asyncio.Task)
    assert await task
