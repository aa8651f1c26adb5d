"""What is kept can be carried to another store, and is good there from then on."""

from pathlib import Path

from headway.stores.codec import Codec
from headway.stores.disk import DiskStore
from tests.stores.disk.kept import entry, keep, readable


async def test_entries_go_from_one_store_to_another(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "one"), DiskStore(tmp_path / "other")
    values = await keep(one, 250)
    await one.set("tagged", entry("tagged", tags=("a",)))
    pairs = [pair async for pair in one.scan()]
    assert len(pairs) == 251
    await other.invalidate(["a"])
    pairs.append(("0" * 32, b"nonsense"))
    pairs.append(("0" * 32, pairs[0][1]))
    assert await other.load(pairs) == 251
    assert await readable(other, values) == 250
    assert await other.get("tagged") is not None
    await other.invalidate(["a"])
    assert await other.get("tagged") is None
    await one.aclose()
    await other.aclose()


async def test_with_a_secret_what_others_wrote_is_not_read(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("key", entry())
    await store.aclose()
    signing = DiskStore(tmp_path / "cache", codec=Codec(secret="a secret of more than 16 bytes"))
    assert await signing.get("key") is None
    assert signing.statistics().errors == {"damaged": 1}
    await signing.aclose()
