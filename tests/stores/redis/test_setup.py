"""A wrong address, a wrong password, nobody there: said plainly, and never with the password."""

import pytest

from headway.errors import BadSetup
from headway.stores.redis import RedisStore
from headway.testing import Valkey
from tests.stores.redis.kept import entry, value

SECRET = "tiger&Lily/7"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        f"http://user:{SECRET}@host/0",
        f"user:{SECRET}@host:6379/0",
        f"redis:/user:{SECRET}@host",
        f"http//:{SECRET}@host",
        f"redis://host:{SECRET}/0",
        f"redis://host/0?Pass%77ord={SECRET}",
        f"redis://user:{SECRET}@host:port/0",
        f"redis://:{SECRET}@/0",
        f"redis://:{SECRET}@[half/0",
        "redis:///0",
        "redis://host/zero",
        "redis://host/0?socket_timeout=soon",
        "redis://host/0?unheard_of=1",
        "unix://",
        6379,
    ],
)
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadSetup, match=r"redis://127\.0\.0\.1:6379/0") as refusal:
        RedisStore(url)
    error: BaseException | None = refusal.value
    while error is not None:
        assert SECRET not in str(error)
        assert "Lily" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), True, "1s"])
def test_a_time_out_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(BadSetup, match="timeout_s"):
        RedisStore(timeout_s=seconds)


def test_a_store_shows_itself_without_its_password() -> None:
    assert "secret" not in repr(RedisStore("redis://me:secret@host:1/2?password=secret"))


async def test_nobody_there(own_server: Valkey) -> None:
    own_server.kill()
    store = RedisStore(f"redis://me:{SECRET.replace('/', '')}@127.0.0.1:{own_server.port}/0")
    with pytest.raises(ConnectionError, match=f"127.0.0.1:{own_server.port}") as refusal:
        await store.get("key")
    assert "tiger" not in str(refusal.value)
    assert store.statistics().errors == {"ConnectionError": 1}
    await store.aclose()


async def test_a_host_without_an_address() -> None:
    store = RedisStore("redis://no.such.host.invalid:6379/0")
    with pytest.raises(OSError, match=r"no\.such\.host\.invalid"):
        await store.get("key")
    await store.aclose()


@pytest.mark.parametrize("password", ["", ":wrong@", "nobody:wrong@"])
async def test_a_wrong_password_and_none(password: str) -> None:
    with Valkey("--requirepass", "right") as server:
        store = RedisStore(f"redis://{password}127.0.0.1:{server.port}/0")
        for work in (store.get("key"), store.set("key", entry()), store.probe()):
            with pytest.raises(PermissionError, match="refused user or password") as refusal:
                await work
            assert "wrong@" not in str(refusal.value)
        await store.aclose()


async def test_the_right_password() -> None:
    with Valkey("--requirepass", "right/one") as server:
        store = RedisStore(f"redis://:right%2Fone@127.0.0.1:{server.port}/3")
        await store.set("key", entry("mine"))
        assert await value(store, "key") == "mine"
        await store.aclose()


async def test_databases_are_apart(server: Valkey, namespace: str) -> None:
    one = RedisStore(server.url, namespace=namespace)
    two = RedisStore(server.url[:-1] + "1", namespace=namespace)
    await one.set("key", entry())
    assert await value(two, "key") is None
    await one.aclose()
    await two.aclose()
