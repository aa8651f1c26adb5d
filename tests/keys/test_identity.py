import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Iterator

import pytest

from headway.errors import NoKey
from headway.keys import canonical, digest, identity, key_from_signature
from headway.keys.identity import held_by_id, owner, token_of


class Client:
    async def fetch(self, symbol: str) -> None:
        pass

    @classmethod
    async def make(cls, symbol: str) -> None:
        pass


class Equal:
    """Equal to everything and without a hash, as arrays and models can be."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Packed:
    __slots__ = ("x",)


fetch = key_from_signature(Client.fetch)


def tokens_held() -> int:
    gc.collect()  # what earlier tests left behind
    return len(held_by_id)


def test_one_object_has_one_token_while_it_lives() -> None:
    one, other = Client(), Client()
    assert token_of(one) is token_of(one)
    assert token_of(one) is not token_of(other)
    assert canonical(token_of(one)) != canonical(token_of(other))


def test_equality_of_the_objects_is_not_asked() -> None:
    one, other = Equal(), Equal()
    assert token_of(one) is not token_of(other)


def test_a_token_is_never_given_again() -> None:
    before, ids, seen = tokens_held(), set[int](), set[Hashable]()
    for _ in range(20_000):
        client = Client()
        ids.add(id(client))
        key = fetch((client, "NVDA"), {})
        assert key not in seen
        seen.add(key)
        del client
    assert len(ids) < 20_000  # so addresses were reused, which is the trap
    assert len({digest(key) for key in list(seen)[:200]}) == 200
    assert len(held_by_id) == before


def test_what_the_table_says_of_an_id_is_not_believed_of_another_object() -> None:
    one, other = Client(), Client()
    token = token_of(one)
    held_by_id[id(other)] = held_by_id[id(one)]
    assert token_of(other) is not token
    held_by_id[id(other)] = held_by_id[id(one)]
    assert fetch((other, "x"), {}) != fetch((one, "x"), {})


def test_objects_in_circles_are_forgotten_too() -> None:
    before = tokens_held()
    for _ in range(100):
        one, other = Client(), Client()
        one.other, other.other = other, one  # type: ignore[attr-defined]
        token_of(one), token_of(other)
        del one, other
    assert tokens_held() == before


def test_an_object_that_comes_back_to_life_gets_no_other_ones_token() -> None:
    saved: list[object] = []

    class Phoenix:
        def __del__(self) -> None:
            if not saved:
                token_of(self)  # a finalizer may ask, in the middle of anything
                saved.append(self)

    phoenix = Phoenix()
    before = token_of(phoenix)
    del phoenix
    newcomers = [Client() for _ in range(1000)]
    assert before not in {token_of(one) for one in newcomers}
    assert token_of(saved[0]) is token_of(saved[0])
    assert token_of(saved[0]) not in {token_of(one) for one in newcomers}


def test_a_token_can_be_asked_for_while_one_is_made() -> None:
    class Asking(type):
        def __getattribute__(cls, name: str) -> object:
            token_of(Client())  # as a finalizer does that a collection sets off
            return super().__getattribute__(name)

    one = Asking("One", (), {})
    assert token_of(one) is token_of(one)


def test_what_cannot_be_weakly_referenced_is_refused_with_the_way_out() -> None:
    with pytest.raises(NoKey, match=r"Packed cannot be weakly referenced.*__weakref__ slot"):
        token_of(Packed())


def test_an_own_key_stands_in_for_identity() -> None:
    class Keyed:
        def __init__(self, base: object) -> None:
            self.base = base

        def __headway_key__(self) -> object:
            return self.base

        async def fetch(self, symbol: str) -> None:
            pass

    class Derived(Keyed):
        pass

    key_of = key_from_signature(Keyed.fetch)
    one = Keyed("a")
    assert owner(one) is one
    assert key_of((one, "x"), {}) == key_of((Keyed("a"), "x"), {})
    different = [Keyed("b"), Keyed(b"a"), Keyed(1), Keyed(True), Derived("a")]
    assert len({key_of((each, "x"), {}) for each in (one, *different)}) == 6
    one.base = "b"
    assert key_of((one, "x"), {}) == key_of((Keyed("b"), "x"), {})


def test_cls_is_the_class() -> None:
    class Derived(Client):
        pass

    key_of = key_from_signature(Client.make.__func__)  # type: ignore[attr-defined]
    assert key_of((Client, "x"), {}) == key_of((Client,), {"symbol": "x"})
    assert key_of((Client, "x"), {}) != key_of((Derived, "x"), {})
    assert canonical(token_of(Client)) == canonical(Client)


def _in_threads(work: Callable[[int], None], threads: int = 8) -> None:
    barrier = threading.Barrier(threads)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []


@pytest.fixture
def busy_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_meet_at_an_object_without_token_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting, lock = threading.Barrier(2), threading.Lock()

    class Door:
        def __enter__(self) -> None:
            meeting.wait(timeout=10)  # by now both have seen that there is no token
            lock.acquire()

        def __exit__(self, *error: object) -> None:
            lock.release()

    monkeypatch.setattr(identity, "_lock", Door())
    client, tokens = Client(), list[identity.Token]()
    _in_threads(lambda number: tokens.append(token_of(client)), threads=2)
    assert tokens[0] is tokens[1]


@pytest.mark.usefixtures("busy_switching")
def test_threads_agree_on_the_token_of_an_object() -> None:
    clients = [Client() for _ in range(500)]
    seen: list[list[Hashable]] = [[] for _ in range(8)]
    _in_threads(lambda number: seen[number].extend(fetch((one, "x"), {}) for one in clients))
    assert all(of_thread == seen[0] for of_thread in seen)
    assert len(set(seen[0])) == len(clients)


@pytest.mark.usefixtures("busy_switching")
def test_threads_that_make_and_drop_objects_never_share_a_token() -> None:
    before = tokens_held()
    seen: list[list[bytes]] = [[] for _ in range(8)]

    def make_and_drop(number: int) -> None:
        for _ in range(1000):
            seen[number].append(token_of(Client()).written)

    _in_threads(make_and_drop)
    every = [token for of_thread in seen for token in of_thread]
    assert len(set(every)) == len(every) == 8000
    assert len(held_by_id) == before


FORKED = """
import os, threading
from headway.keys import digest, identity

class Client: pass

old = Client()
before = digest(identity.token_of(old))
locked, go_on = threading.Event(), threading.Event()
def hold():
    with identity._lock:
        locked.set()
        go_on.wait()
holder = threading.Thread(target=hold)
holder.start()
locked.wait()  # the child is born while another thread holds the lock
read, write = os.pipe()
if os.fork() == 0:
    digests = [digest(identity.token_of(one)) for one in (old, Client())]
    os.write(write, " ".join(digests).encode())
    os._exit(0)
os.wait()
go_on.set()
holder.join()
print(before, digest(identity.token_of(Client())), os.read(read, 1000).decode())
"""


def test_a_forked_process_makes_tokens_of_its_own() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    before, new_in_parent, old_in_child, new_in_child = out.split()
    assert before == old_in_child
    assert len({before, new_in_parent, new_in_child}) == 3
