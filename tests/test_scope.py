import asyncio
import os
import subprocess
import sys
import threading

import pytest

from headway import HIGH, LOW, NORMAL, Event, Progress, listen, progress
from headway import scope as scope_of_calls
from headway.scope import Scope, current, new_call_id, new_run_id


def test_names_hold_inside_the_block_only() -> None:
    before = current.get()
    with scope_of_calls(run="r", agent="a", session="s", tenant="t", priority=HIGH) as inside:
        assert current.get() is inside
        assert inside == Scope(
            run="r", agent="a", session="s", tenant="t", call=before.call, priority=HIGH
        )
    assert current.get() is before


def test_what_is_not_given_stays() -> None:
    with scope_of_calls(tenant="t", priority=LOW), scope_of_calls(agent="a"):
        assert (current.get().tenant, current.get().agent, current.get().priority) == (
            "t",
            "a",
            LOW,
        )
    assert current.get().priority == NORMAL


def test_an_error_puts_the_scope_back() -> None:
    before = current.get()
    with pytest.raises(KeyError), scope_of_calls(agent="a"):
        raise KeyError
    assert current.get() is before


async def test_tasks_carry_the_scope_they_began_in() -> None:
    async def agent() -> str | None:
        await asyncio.sleep(0)
        return current.get().agent

    async def one(name: str) -> str | None:
        with scope_of_calls(agent=name):
            return await asyncio.create_task(agent())

    assert await asyncio.gather(*(one(f"a{n}") for n in range(5))) == [f"a{n}" for n in range(5)]


def test_call_ids_never_repeat_among_threads() -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.extend(new_call_id() for _ in range(500)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 4000


def test_run_ids_never_repeat() -> None:
    assert len({new_run_id() for _ in range(1000)}) == 1000


def test_a_forked_child_has_call_ids_of_its_own() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_call_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert theirs.split(".")[0] != new_call_id().split(".")[0]


def test_the_run_comes_from_the_process_around() -> None:
    program = "from headway.scope import current; print(current.get().run)"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"HEADWAY_RUN": "outer"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.strip() == "outer"


def test_progress_tells_who_and_how_far() -> None:
    seen: list[Event] = []
    progress("nobody listens")
    with scope_of_calls(run="r", agent="writer"), listen(seen.append):
        progress("reading", done=2, total=8)
    (note,) = seen
    assert isinstance(note, Progress)
    assert (note.text, note.agent, note.run, note.done, note.total) == (
        "reading",
        "writer",
        "r",
        2,
        8,
    )
