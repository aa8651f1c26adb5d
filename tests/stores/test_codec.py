"""Entries as bytes: what comes back, and all that is a miss."""

import random
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import msgspec
import pytest
from backports import zstd

from headway import BadSetup
from headway.errors import HeadwayError, Unstorable
from headway.stores import NEVER, Entry
from headway.stores.codec import Codec
from headway.stores.codec import codec as codecs
from headway.stores.codec.compression import MOST_UNFOLDED_BYTES

SECRET = b"sixteen bytes or more"
ANSWER = {"role": "assistant", "content": "It rose. " * 300, "usage": {"in": 812, "out": 400}}

CODECS = pytest.mark.parametrize(
    "codec",
    [
        Codec(),
        Codec(secret=SECRET),
        Codec(compress_over=100),
        Codec(secret=SECRET.decode(), compress_over="1KB"),
    ],
    ids=["plain", "signed", "compressed", "signed and compressed"],
)


def an_entry(value: object = ANSWER, **more: object) -> Entry:
    times = {"made_at": 1_700_000_000.25, "fresh_until": 1_700_000_060.5, "stale_until": NEVER}
    return Entry(value, tags=("a", "company:*"), version='W/"7"', mark=9, **{**times, **more})  # type: ignore[arg-type]


def proved(head: bytes, name: str, body: bytes) -> bytes:
    """What somebody writes who knows the format but no secret."""
    named = name.encode()
    proof = sha256(head + len(named).to_bytes(4, "big") + named + body).digest()
    return head + proof + body


def body_of(value: object, *times: object) -> bytes:
    return msgspec.msgpack.encode((*(times or (1.0, 2.0, 3.0)), (), "", 0, value))


@contextmanager
def at_most(size_bytes: int, *, seconds: float) -> Iterator[None]:
    """Fail if what is done in it needs more memory, or time."""
    tracemalloc.start()
    begun = time.thread_time()
    try:
        yield
        assert time.thread_time() - begun < seconds
        assert tracemalloc.get_traced_memory()[1] < size_bytes
    finally:
        tracemalloc.stop()


PLAIN_HEAD, COMPRESSED_HEAD, TYPED_HEAD = b"HWE\1\0", b"HWE\1\2", b"HWE\1\4"


@CODECS
def test_an_entry_comes_back_as_it_was(codec: Codec) -> None:
    entry = an_entry()
    read = codec.decode("n", codec.encode("n", entry))
    assert read is not None
    names = ("value", "made_at", "fresh_until", "stale_until", "tags", "version", "mark")
    assert all(getattr(read, name) == getattr(entry, name) for name in names)
    assert read.is_private is False


@CODECS
def test_it_is_read_under_its_own_name_only(codec: Codec) -> None:
    written = codec.encode("name", an_entry())
    for name in ("", "nam", "name ", "Name", "other", "nam\ud800"):
        assert codec.decode(name, written) is None


def test_no_name_runs_into_a_body() -> None:
    written = Codec().encode("ab", an_entry())
    head, proof, body = written[:5], written[5:37], written[37:]
    assert Codec().decode("a", head + proof + b"b" + body) is None


@CODECS
def test_what_is_cut_short_or_longer_is_a_miss(codec: Codec) -> None:
    written = codec.encode("n", an_entry())
    for length in (*range(60), *range(60, len(written), 97), len(written) - 1):
        assert codec.decode("n", written[:length]) is None
    assert codec.decode("n", written + b"\0") is None
    assert codec.decode("n", written) is not None


@CODECS
def test_a_changed_bit_is_a_miss(codec: Codec) -> None:
    written = codec.encode("n", an_entry())
    places = random.Random(7).sample(range(8 * len(written)), k=min(400, 8 * len(written)))
    for bit in (*range(37 * 8), *places):
        changed = bytearray(written)
        changed[bit // 8] ^= 1 << bit % 8
        assert codec.decode("n", bytes(changed)) is None


@CODECS
def test_random_bytes_are_a_miss(codec: Codec) -> None:
    chance = random.Random(11)
    for _ in range(500):
        noise = chance.randbytes(chance.randrange(200))
        assert codec.decode("n", noise) is None
        assert codec.decode("n", PLAIN_HEAD + noise) is None


@pytest.mark.parametrize("written", [None, "text", 7, [], memoryview(b"HWE\1\0" * 20)])
def test_what_are_no_bytes_is_a_miss(written: object) -> None:
    assert Codec().decode("n", written) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, 2, 255])
def test_another_format_is_a_miss(number: int) -> None:
    body = body_of("x")
    assert Codec().decode("n", proved(PLAIN_HEAD, "n", body)) is not None
    assert Codec().decode("n", proved(b"HWE" + bytes((number, 0)), "n", body)) is None


def test_an_unknown_flag_is_a_miss() -> None:
    for flags in range(8, 256):
        assert Codec().decode("n", proved(b"HWE\1" + bytes((flags,)), "n", body_of("x"))) is None


class TestSecret:
    def test_unsigned_entries_are_not_read_by_who_signs(self) -> None:
        assert Codec(secret=SECRET).decode("n", Codec().encode("n", an_entry())) is None

    def test_nor_signed_ones_without_the_secret_or_with_another(self) -> None:
        written = Codec(secret=SECRET).encode("n", an_entry())
        assert Codec().decode("n", written) is None
        assert Codec(secret=SECRET + b"!").decode("n", written) is None
        assert Codec(secret=SECRET.decode()).decode("n", written) is not None

    def test_the_reader_decides_that_there_is_a_signature_not_the_entry(self) -> None:
        written = Codec(secret=SECRET).encode("n", an_entry())
        unsigned = proved(PLAIN_HEAD, "n", written[37:])
        assert Codec(secret=SECRET).decode("n", unsigned) is None
        assert Codec(secret=SECRET).decode("n", proved(written[:5], "n", written[37:])) is None

    @pytest.mark.parametrize("secret", [b"", "", "fifteen letters"])
    def test_a_short_one_is_refused(self, secret: bytes | str) -> None:
        with pytest.raises(BadSetup, match="16 or more"):
            Codec(secret=secret)

    def test_it_does_not_show(self) -> None:
        assert "sixteen" not in repr(Codec(secret=SECRET))
        with pytest.raises(BadSetup) as refused:
            Codec(secret="hunter2")
        assert "hunter2" not in str(refused.value)


class TestHostileBodies:
    """Their proof is right: whoever wrote them knows the format, and there is no secret."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xc1",
            body_of("x")[:-1],
            body_of("x") + b"\0",
            msgspec.msgpack.encode((1.0, 2.0, 3.0, (), "", 0)),
            msgspec.msgpack.encode((1.0, 2.0, 3.0, (), "", 0, "x", "more")),
            msgspec.msgpack.encode({"made_at": 1.0}),
            body_of("x", "1", 2.0, 3.0),
            body_of("x", float("nan"), 2.0, 3.0),
            body_of("x", 1.0, float("nan"), 3.0),
            body_of("x", 1.0, 2.0, float("nan")),
            b"\x97" + b"\xcb" + struct.pack(">d", 1) + b"\xc0" * 6,
            body_of(None)[:-1] + b"\xdd\xff\xff\xff\xff",
            body_of(None)[:-1] + b"\xdf\xff\xff\xff\xff",
            body_of(None)[:-1] + b"\xc6\xff\xff\xff\xff",
            body_of(None)[:-1] + b"\xdd\x00\xff\xff\xff" * 1000,
            body_of(None)[:-1] + b"\x91" * 1_000_000 + b"\xc0",
            body_of(None)[:-1] + b"\x81\xa1k" * 300_000 + b"\xc0",
            body_of(None)[:-1] + b"\xa1\xff",
            body_of(None)[:-1] + b"\x81\x80\xc0",
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_they_are_misses(self, body: bytes) -> None:
        with at_most(64_000_000, seconds=1):
            assert Codec().decode("n", proved(PLAIN_HEAD, "n", body)) is None

    @pytest.mark.parametrize(
        "form",
        [
            None,
            [],
            [[], [99]],
            [[], []],
            [[], ["one"]],
            [[], [None]],
            [[], [0, 0]],
            [[], [5, 1]],
            [[], [5, [1, 2], 3]],
            [[], [3, [1, 2]]],
            [[], [6, "text"]],
            [[], [7, b"\xff"]],
            [[], [13, "no number"]],
            [[], [14, b"short", None]],
            [[], [15, 0, 2026, 13, 1, 0, 0, 0, 0, None]],
            [[], [17, 0, 1, 2, 3, 4, 5]],
            [[], [18, 10**12, 0, 0]],
            [[], [20, "../../../etc/passwd"]],
            [[], [20, "Nowhere/Land"]],
            [[["dataclass", "no.module", "Kind", []]], [0, 0]],
            [[["dataclass", "os", "system", []]], [0, 0]],
            [[["dataclass", "subprocess", "Popen", []]], [0, 0, None]],
            [[["struct", "subprocess", "Popen", []]], [0, 0]],
            [[["enum", "http", "HTTPStatus", []]], [0, 0, "NO_SUCH"]],
            [[["registered", "", "nobody", []]], [0, 0, 1]],
            [[[], 1, None]],
        ],
        ids=repr,
    )
    def test_so_are_forms_that_nobody_writes(self, form: object) -> None:
        assert Codec().decode("n", proved(TYPED_HEAD, "n", body_of(form))) is None

    def test_a_small_body_does_not_unfold_to_gigabytes(self) -> None:
        bomb = zstd.compress(b"\0" * (MOST_UNFOLDED_BYTES + 1))
        assert len(bomb) < 10_000
        with at_most(1_000_000, seconds=1):
            assert Codec().decode("n", proved(COMPRESSED_HEAD, "n", bomb)) is None

    @pytest.mark.parametrize("claimed", [1, 1000, 1_000_000])
    def test_nor_one_that_lies_about_it(self, claimed: int) -> None:
        bomb = zstd.compress(b"\0" * (1 << 26))
        size = struct.pack("<I", 1 << 26)
        assert bomb.count(size) == 1
        lie = bomb.replace(size, struct.pack("<I", claimed))
        assert zstd.get_frame_info(lie).decompressed_size == claimed
        with at_most(5_000_000, seconds=1):
            assert Codec().decode("n", proved(COMPRESSED_HEAD, "n", lie)) is None

    def test_nor_one_that_does_not_say_how_large_it_is(self) -> None:
        unfolding = zstd.ZstdCompressor()
        silent = unfolding.compress(body_of("x")) + unfolding.flush()
        assert zstd.get_frame_info(silent).decompressed_size is None
        assert Codec().decode("n", proved(COMPRESSED_HEAD, "n", silent)) is None

    def test_nor_one_with_something_behind_it(self) -> None:
        frame = zstd.compress(body_of("x"))
        assert Codec().decode("n", proved(COMPRESSED_HEAD, "n", frame)) is not None
        for more in (b"\0", zstd.compress(b"x")):
            assert Codec().decode("n", proved(COMPRESSED_HEAD, "n", frame + more)) is None
        assert Codec().decode("n", proved(COMPRESSED_HEAD, "n", frame[:-1])) is None


class TestCompression:
    def test_only_what_is_larger_is_compressed(self) -> None:
        codec = Codec(compress_over="1KB")
        small, large = an_entry("x" * 900), an_entry("x" * 9000)
        assert codec.encode("n", small) == Codec().encode("n", small)
        assert len(codec.encode("n", large)) < 200

    def test_what_does_not_get_smaller_stays_as_it_is(self) -> None:
        noise = an_entry(random.Random(1).randbytes(5000))
        assert Codec(compress_over=10).encode("n", noise) == Codec().encode("n", noise)

    def test_what_is_too_large_to_unfold_is_not_compressed(self) -> None:
        large = an_entry(bytes(MOST_UNFOLDED_BYTES))
        written = Codec(compress_over=10).encode("n", large)
        assert len(written) > MOST_UNFOLDED_BYTES
        assert Codec().decode("n", written) is not None

    def test_any_codec_reads_it(self) -> None:
        assert Codec().decode("n", Codec(compress_over=10).encode("n", an_entry())) is not None

    def test_a_missing_library_is_named_and_makes_misses(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written = Codec(compress_over=10).encode("n", an_entry())
        monkeypatch.setattr("headway.stores.codec.compression._MODULES", ("no.such.library",))
        monkeypatch.setattr("headway.stores.codec.compression._found", None)
        with pytest.raises(BadSetup, match=r"headway\[zstd\]"):
            Codec(compress_over="4KB")
        assert Codec().decode("n", written) is None
        assert Codec().decode("n", Codec().encode("n", an_entry())) is not None

    @pytest.mark.parametrize("size", [0, -1, "much"])
    def test_a_wrong_size_is_refused(self, size: int | str) -> None:
        with pytest.raises(BadSetup, match="compress_over"):
            Codec(compress_over=size)


def test_what_cannot_be_written_down_names_its_type_and_the_way_out() -> None:
    with pytest.raises(Unstorable, match=r"_thread\.lock.*headway\.stores\.register") as refused:
        Codec().encode("n", an_entry({"a": [__import__("threading").Lock()]}))
    assert isinstance(refused.value, HeadwayError)


def test_odd_tags_are_refused_not_raised_as_something_else() -> None:
    entry = an_entry("x")
    entry.tags = ("half \ud800",)
    with pytest.raises(Unstorable):
        Codec().encode("n", entry)


def test_nothing_is_pickled() -> None:
    written = Codec().encode("n", an_entry((1, {2: {3}}, 1 << 90)))
    assert b"pickle" not in written
    assert "pickle" not in vars(codecs)
