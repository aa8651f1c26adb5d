"""What a store keeps."""

from headway.stores import Entry


def test_with_another_mark_all_else_is_the_same() -> None:
    value = ["the same object"]
    entry = Entry(
        value,
        made_at=1.0,
        fresh_until=2.0,
        stale_until=3.0,
        tags=("a",),
        version="v",
        mark=4,
        size_bytes=5,
        is_private=True,
    )
    other = entry.with_mark(6)
    assert other is not entry
    assert (entry.mark, other.mark) == (4, 6)
    assert other.value is value
    others = [name for name in Entry.__slots__ if name != "mark"]
    assert [getattr(other, name) for name in others] == [getattr(entry, name) for name in others]
