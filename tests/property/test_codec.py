"""Whatever has a form comes back as the same; whatever was damaged does not come back at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import Unstorable
from headway.stores import Entry
from headway.stores.codec import Codec
from headway.stores.codec.values import from_form, is_plain, to_form
from headway.stream import Stream
from tests.stores import shapes
from tests.stores.same import is_same, through

CODECS = st.sampled_from(
    [Codec(), Codec(secret=b"s" * 16), Codec(compress_over=32), Codec(secret="t" * 16)]
)

half_characters = st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=2)
texts = st.text(max_size=20) | st.text(max_size=3).flatmap(
    lambda text: half_characters.map(lambda half: text + half)
)
integers = st.integers() | st.integers(-(2**70), 2**70) | st.sampled_from([2**64, -(2**63) - 1])
plain_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
plain_values = st.recursive(
    plain_scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)

zones = (
    st.none()
    | st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata"]).map(ZoneInfo)
    | st.builds(
        timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)), st.text(max_size=4)
    )
)
members = st.sampled_from([*shapes.Colour, *shapes.Level, *shapes.Word, *shapes.Rights])
hashable_scalars = (
    plain_scalars
    | integers
    | texts
    | st.complex_numbers()
    | st.decimals()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones, allow_imaginary=True)
    | st.times(timezones=zones.filter(lambda zone: not isinstance(zone, ZoneInfo)))
    | st.timedeltas()
    | members
    | st.sampled_from([..., msgspec.UNSET, shapes.Rights.READ | shapes.Rights.WRITE])
)


def _has_hash(value: object) -> bool:
    return not (isinstance(value, Decimal) and value.is_snan())


keys = st.recursive(
    hashable_scalars.filter(_has_hash),
    lambda inner: (
        st.tuples(inner, inner)
        | st.frozensets(inner, max_size=3)
        | st.builds(shapes.Frozen, inner, inner)
        | st.builds(shapes.Point, inner, inner)
        | st.builds(shapes.FrozenRecord, a=inner)
    ),
    max_leaves=4,
)


def _holding(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.binary(max_size=9).map(bytearray),
        st.lists(inner, max_size=3).map(lambda chunks: Stream.of(chunks, made_at=1.5)),
        *(
            st.builds(kind, a=inner, b=inner)
            for kind in (shapes.Plain, shapes.Slotted, shapes.FrozenSlotted, shapes.Record)
        ),
        st.builds(shapes.Below, inner, inner, inner),
        st.builds(shapes.Box, inner),
        st.builds(shapes.Pair, inner, inner),
        st.builds(shapes.LooseRecord, inner),
    )


values = st.recursive(hashable_scalars, _holding, max_leaves=12)

OPAQUE = st.sampled_from(
    [shapes.Text("x"), shapes.Number(1), shapes.Items(), shapes.Ordered(), shapes.Opaque(), int]
)


@given(values, CODECS)
def test_any_value_comes_back_as_the_same(value: object, codec: Codec) -> None:
    assert is_same(through(value, codec), value)


@given(plain_values)
def test_plain_values_are_seen_to_be_plain_and_have_both_forms(value: object) -> None:
    assert is_plain(value)
    assert is_same(through(value), value)
    assert is_same(from_form(to_form(value)), value)
    assert is_same(from_form(to_form(value, is_sure=True)), value)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(values, inner),
        st.builds(lambda one, other: [one, other], inner, values),
        st.builds(lambda key, one: {key: one}, texts, inner),
        st.builds(shapes.Record, inner, values),
        st.builds(shapes.Slotted, values, inner),
    )


@given(st.recursive(OPAQUE, _around, max_leaves=3), CODECS)
def test_one_part_without_a_form_refuses_the_whole(value: object, codec: Codec) -> None:
    try:
        codec.encode("n", Entry(value, made_at=1.0, fresh_until=2.0))
    except Unstorable:
        return
    raise AssertionError(value)


times = st.floats(0, 4e9)


@given(times, times, times, st.lists(st.text()), st.text(), st.integers(0, 2**63), CODECS)
def test_all_of_an_entry_comes_back(
    made_at: float,
    fresh_for: float,
    stale_for: float,
    tags: list[str],
    version: str,
    mark: int,
    codec: Codec,
) -> None:
    try:
        "".join((*tags, version)).encode()
    except UnicodeEncodeError:
        return
    entry = Entry(
        None,
        made_at=made_at,
        fresh_until=made_at + fresh_for,
        stale_until=made_at + fresh_for + stale_for,
        tags=tuple(tags),
        version=version,
        mark=mark,
    )
    read = codec.decode("n", codec.encode("n", entry))
    assert read is not None
    names = ("made_at", "fresh_until", "stale_until", "tags", "version", "mark")
    assert all(is_same(getattr(read, name), getattr(entry, name)) for name in names)


def _damages() -> st.SearchStrategy[Callable[[bytes], bytes]]:
    places, bytes_ = st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)

    def put(place: float, new: bytes, over: bool) -> Callable[[bytes], bytes]:
        def damage(whole: bytes) -> bytes:
            at = int(place * len(whole))
            return whole[:at] + new + whole[at + (len(new) if over else 0) :]

        return damage

    cuts = st.builds(lambda place: lambda whole: whole[: int(place * len(whole))], places)
    return cuts | st.builds(put, places, bytes_, st.booleans())


@given(values, CODECS, _damages())
def test_what_was_damaged_is_a_miss(
    value: object, codec: Codec, damage: Callable[[bytes], bytes]
) -> None:
    written = codec.encode("n", Entry(value, made_at=1.0, fresh_until=2.0))
    damaged = damage(written)
    assert (codec.decode("n", damaged) is None) is (damaged != written)


@given(st.binary(max_size=200), CODECS, st.integers(0, 7))
def test_noise_is_a_miss(noise: bytes, codec: Codec, flags: int) -> None:
    assert codec.decode("n", noise) is None
    assert codec.decode("n", b"HWE\1" + bytes((flags,)) + noise) is None


@given(st.one_of(plain_values, st.lists(st.lists(st.integers(0, 25) | plain_values))))
def test_no_form_of_a_forger_does_more_than_miss(form: Any) -> None:
    codec = Codec()
    head = b"HWE\1\4"
    body = msgspec.msgpack.encode((1.0, 2.0, 3.0, (), "", 0, form))
    written = head + codec._proof(head, "n", body) + body
    assert codec.decode("n", written[:-1]) is None
    codec.decode("n", written)  # raises nothing
