"""``headway cache``: show, clear, export, warm, as a user calls them, on disk and on Redis."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from headway import Entry
from headway.cli.cache_contents import Counting, bytes_text, in_words
from headway.cli.cache_file import count_entries, read_entries
from headway.cli.commands import app
from headway.stores.codec import Codec
from headway.stores.codec.sealed import SealedCodec, SealedValue
from headway.stores.shared import SharedStore
from headway.testing import Valkey

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
NOW = 1_000_000.0


@dataclass(frozen=True)
class Quote:
    """A class that the command has never heard of."""

    symbol: str
    prices: tuple[float, ...]


@pytest.fixture(params=["disk", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield f"disk:{tmp_path / 'kept'}"
        return
    with Valkey() as server:
        yield server.url


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWAY_STORE", raising=False)
    monkeypatch.delenv("HEADWAY_FOLDER", raising=False)
    return tmp_path


def store_at(where: str, codec: Codec | None = None) -> SharedStore:
    if where.startswith("disk:"):
        from headway.stores.disk import DiskStore

        return DiskStore(where.removeprefix("disk:"), codec=codec)
    from headway.stores.redis import RedisStore

    return RedisStore(where, timeout_s=5.0, connect_timeout_s=5.0, codec=codec)


def kept(value: object, *tags: str, age_s: float = 0.0, fresh_s: float = 600.0) -> Entry:
    now = time.time()
    return Entry(
        value,
        made_at=now - age_s,
        fresh_until=now + fresh_s,
        stale_until=now + max(fresh_s, 0) + 600,
        tags=tags,
        version="v7",
    )


def fill(where: str, entries: Mapping[str, Entry], codec: Codec | None = None) -> None:
    async def work() -> None:
        store = store_at(where, codec)
        await store.catch_up()
        for entry in entries.values():
            entry.mark = store.mark()
        await store.set_many(entries)
        await store.aclose()

    asyncio.run(work())


def found(where: str, *keys: str) -> list[object]:
    """The values under *keys*, as another process would find them."""

    async def work() -> list[Entry | None]:
        store = store_at(where)
        entries = await store.get_many(keys)
        await store.aclose()
        return entries

    return [None if entry is None else entry.value for entry in asyncio.run(work())]


def cache(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments], env=environment)


def done(*arguments: str) -> str:
    ran = cache(*arguments)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def refused(*arguments: str, code: int = 2, **environment: str) -> str:
    ran = cache(*arguments, **environment)
    assert ran.exit_code == code, ran.output
    assert ran.stdout == ""
    assert ran.stderr.startswith("headway: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr


COMPANIES: dict[str, Entry] = {}


@pytest.fixture(autouse=True)
def made_now() -> None:
    """Ages count from the test, not from when this file was read."""
    COMPANIES.update(
        n1=kept("one", "company:NVDA", "company:*"),
        n2=kept(Quote("NVDA", (1.5, 2.0)), "company:NVDA", "company:*", age_s=50),
        k1=kept("x" * 5000, "company:KO", "company:*", age_s=100, fresh_s=-1),
        o1=kept(b"other"),
    )


# --- show -------------------------------------------------------------------------------------


def test_show_tells_entries_bytes_ages_sizes_and_tags(where: str) -> None:
    fill(where, COMPANIES)
    shown = json.loads(done("show", "--store", where, "--json"))
    assert shown["store"] == where
    assert (shown["entries"], shown["fresh"], shown["stale"]) == (4, 3, 1)
    assert (shown["void"], shown["unreadable"], shown["signed"]) == (0, 0, 0)
    assert 100 <= shown["oldest_s"] < 130
    assert 0 <= shown["newest_s"] < 30
    assert 5000 < shown["largest_bytes"] < 5500
    assert shown["smallest_bytes"] < shown["median_bytes"] < 300
    assert shown["largest_bytes"] < shown["size_bytes"] < 6500
    assert {each["tag"]: each["entries"] for each in shown["tags"]} == {
        "company:*": 3,
        "company:NVDA": 2,
        "company:KO": 1,
    }
    assert [each["tag"] for each in shown["tags"]] == ["company:*", "company:NVDA", "company:KO"]
    assert shown["tags_in_all"] == 3
    assert (shown["max_bytes"] is None) is where.startswith("redis")
    text = done("show", "--store", where)
    assert "entries     4, 1 stale\n" in text
    assert "  company:NVDA        2  " in text


def test_an_empty_store_is_shown_too(where: str) -> None:
    fill(where, {})
    assert json.loads(done("show", "--store", where, "--json"))["entries"] == 0
    assert "entries     0\n" in done("show", "--store", where)


def test_show_knows_what_has_been_signed_and_what_is_damaged(where: str) -> None:
    fill(where, {"a": kept("a")}, Codec(secret="0123456789abcdef"))
    fill(where, {"b": kept("b"), "c": kept("c")}, Damaging(b"c"))
    shown = json.loads(done("show", "--store", where, "--json"))
    assert (shown["entries"], shown["unreadable"], shown["signed"]) == (1, 1, 1)
    text = done("show", "--store", where)
    assert "1, damaged or of another version" in text
    assert "1 signed with a secret" in text


class Damaging(Codec):
    """Turns a bit of whatever holds some bytes."""

    def __init__(self, victim: bytes) -> None:
        super().__init__()
        self._victim = victim

    def encode(self, name: str, entry: Entry) -> bytes:
        written = super().encode(name, entry)
        if not written.endswith(self._victim):
            return written
        return written[:-1] + bytes([written[-1] ^ 1])


def test_contents_are_counted_by_their_times() -> None:
    counting = Counting(NOW)
    for made, fresh, stale in ((-10, 5, 5), (-20, -1, 5), (-30, -9, -1)):
        counting.add(
            Entry(1, made_at=NOW + made, fresh_until=NOW + fresh, stale_until=NOW + stale), 100
        )
    for state in ("void", "void", "unreadable"):
        counting.add_other(state)
    shown = counting.contents("disk", 10_000)
    assert (shown.entries, shown.fresh, shown.stale, shown.over) == (2, 1, 1, 1)
    assert (shown.void, shown.unreadable, shown.size_bytes) == (2, 1, 200)
    assert (shown.newest_s, shown.oldest_s) == (10, 20)
    text = in_words(shown, "utf-8")
    assert "200 B of at most 10 kB" in text
    assert "2 invalidated, 1 over" in text


def test_the_commonest_twenty_tags_are_shown_and_the_others_counted() -> None:
    counting = Counting(NOW)
    for number in range(30):
        for _ in range(number + 1):
            tag = f"tag:{number}\x1b[2J"
            counting.add(Entry(1, made_at=NOW, fresh_until=NOW + 9, tags=(tag,)), 10)
    shown = counting.contents("disk", None)
    assert [each.entries for each in shown.tags] == list(range(30, 10, -1))
    text = in_words(shown, "ascii")
    assert "and 10 tags more" in text
    assert "\x1b" not in text
    text.encode("ascii")


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (256e6, "256 MB"), (999_900, "1 MB")],
)
def test_sizes_in_words(size: float, told: str) -> None:
    assert bytes_text(size) == told


# --- clear ------------------------------------------------------------------------------------


def test_clear_by_tag_makes_void_what_bears_it(where: str) -> None:
    fill(where, COMPANIES)
    assert "company:NVDA" in done("clear", "--tag", "company:NVDA", "--store", where)
    assert found(where, "n1", "n2", "k1", "o1") == [None, None, "x" * 5000, b"other"]
    fill(where, {"n1": kept("new", "company:NVDA")})
    assert found(where, "n1") == ["new"]


def test_clear_by_prefix_and_by_several_tags(where: str) -> None:
    fill(where, {**COMPANIES, "u": kept("u", "user:7"), "w": kept("w", "user:8")})
    done("clear", "--tag", "company:*", "--tag", "user:7", "--store", where)
    assert found(where, "n1", "n2", "k1", "u", "w", "o1") == [None] * 4 + ["w", b"other"]


def test_what_was_cleared_is_neither_shown_nor_exported(where: str, folder: Path) -> None:
    fill(where, {**COMPANIES, "u": kept("u", "user:7")})
    done("clear", "--tag", "company:NVDA", "--store", where)
    fill(where, {"n3": kept("n3", "company:NVDA")})
    done("clear", "--tag", "user:7", "--store", where)
    shown = json.loads(done("show", "--store", where, "--json"))
    assert (shown["entries"], shown["void"], shown["in_doubt"]) == (3, 3, 0)
    assert {each["tag"]: each["entries"] for each in shown["tags"]} == {
        "company:*": 1,
        "company:KO": 1,
        "company:NVDA": 1,
    }
    assert "3 invalidated" in done("show", "--store", where)
    done("export", "kept.headway", "--store", where)
    done("warm", "kept.headway", "--store", where)
    values = found(where, *COMPANIES, "u", "n3")
    assert values == [None, None, "x" * 5000, b"other", None, "n3"]


def test_what_may_have_been_cleared_is_not_exported(folder: Path) -> None:
    with Valkey() as server:
        fill(server.url, COMPANIES)
        done("clear", "--tag", "company:NVDA", "--store", server.url)
        import redis

        with redis.Redis.from_url(server.url) as client:
            (log,) = [key for key in client.scan_iter() if client.type(key) == b"stream"]
            client.delete(log)
        fill(server.url, {"new": kept("new")})
        shown = json.loads(done("show", "--store", server.url, "--json"))
        assert (shown["entries"], shown["in_doubt"]) == (1, 4)
        assert "in doubt    4" in done("show", "--store", server.url)
        done("export", "kept.headway", "--store", server.url)
        assert count_entries(folder / "kept.headway") == 1


def test_clear_all(where: str) -> None:
    fill(where, COMPANIES)
    assert "everything" in done("clear", "--all", "--store", where)
    assert found(where, *COMPANIES) == [None] * 4
    assert json.loads(done("show", "--store", where, "--json"))["entries"] == 0


def test_clear_alone_or_with_both_is_refused(where: str) -> None:
    fill(where, {"n1": kept("one")})
    assert "--tag TAG" in refused("clear", "--store", where)
    assert "not both" in refused("clear", "--all", "--tag", "a", "--store", where)
    assert "a tag is a text" in refused("clear", "--tag", "", "--store", where)
    assert found(where, "n1") == ["one"]


def test_a_command_evicts_by_the_bound_of_the_program_that_fills_the_folder(tmp_path: Path) -> None:
    from headway.stores.disk import DiskStore
    from headway.stores.disk.bound import bound_of

    async def small() -> int:
        store = DiskStore(tmp_path / "kept", max_bytes="1MB")
        await store.catch_up()
        for number in range(8):
            entry = kept(random.Random(number).randbytes(100_000))
            entry.mark = store.mark()
            await store.set(number, entry)
        entries = store.statistics().entries
        await store.aclose()
        return entries

    entries, where = asyncio.run(small()), f"disk:{tmp_path / 'kept'}"
    done("clear", "--tag", "nothing bears this", "--store", where)
    shown = json.loads(done("show", "--store", where, "--json"))
    assert (shown["entries"], shown["max_bytes"]) == (entries, 1_000_000)
    (tmp_path / "kept" / "bound").write_text("not a number")
    assert bound_of(tmp_path / "kept") is None
    assert json.loads(done("show", "--store", where, "--json"))["entries"] == entries


# --- export and warm --------------------------------------------------------------------------


def test_an_export_is_the_owners_alone_and_is_not_overwritten(where: str, folder: Path) -> None:
    fill(where, COMPANIES)
    old = os.umask(0)
    try:
        assert "4 entries of" in done("export", "kept.headway", "--store", where)
    finally:
        os.umask(old)
    assert (folder / "kept.headway").stat().st_mode & 0o777 == 0o600
    assert count_entries(folder / "kept.headway") == 4
    done("clear", "--tag", "company:*", "--store", where)
    assert "--force" in refused("export", "kept.headway", "--store", where)
    assert count_entries(folder / "kept.headway") == 4
    done("export", "kept.headway", "--store", where, "--force", "--tag", "no such tag")
    assert count_entries(folder / "kept.headway") == 0
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["kept.headway"]


def test_an_export_by_tag_has_only_what_bears_it(where: str, folder: Path) -> None:
    fill(where, COMPANIES)
    done("export", "kept.headway", "--store", where, "--tag", "company:NVDA", "--tag", "company:KO")
    assert count_entries(folder / "kept.headway") == 3
    done("clear", "--all", "--store", where)
    assert done("warm", "kept.headway", "--store", where).startswith("3 of 3 entries")
    assert found(where, *COMPANIES) == ["one", Quote("NVDA", (1.5, 2.0)), "x" * 5000, None]


def test_another_installation_is_warmed_without_knowing_the_classes(
    where: str, folder: Path
) -> None:
    fill(where, COMPANIES)
    other = f"disk:{folder / 'other'}"
    fill(other, {"mine": kept("mine")})

    def headway(*arguments: str) -> None:
        """In a process that has never imported this module."""
        subprocess.run([*HEADWAY, "cache", *arguments], check=True, capture_output=True, timeout=60)

    headway("export", "kept.headway", "--store", where)
    headway("warm", "kept.headway", "--store", other)
    values = [entry.value for entry in COMPANIES.values()]
    assert found(other, *COMPANIES, "mine") == [*values, "mine"]
    shown = json.loads(done("show", "--store", other, "--json"))
    assert (shown["entries"], shown["unreadable"], shown["stale"]) == (5, 0, 1)
    assert 100 <= shown["oldest_s"] < 130


def test_what_is_signed_is_left_out_with_a_word_and_a_program_moves_it(
    where: str, folder: Path
) -> None:
    signed = Codec(secret="x" * 32)
    fill(where, {"n1": kept("one", "company:NVDA")}, signed)
    fill(where, {"o1": kept("other")})
    ran = cache("export", "kept.headway", "--store", where)
    assert (ran.exit_code, ran.stdout[:9]) == (1, "1 entries")
    assert "1 left out: signed" in ran.stderr
    assert count_entries(folder / "kept.headway") == 1

    async def moved() -> list[object]:
        old, new = store_at(where, signed), store_at(f"disk:{folder / 'other'}", signed)
        assert await new.load([pair async for pair in old.scan()]) == 1  # type: ignore[attr-defined]
        entries = await new.get_many(["n1", "o1"])
        await old.aclose()
        await new.aclose()
        return [None if entry is None else entry.value for entry in entries]

    assert asyncio.run(moved()) == ["one", None]


def test_a_file_that_is_cut_off_anywhere_is_refused_whole(folder: Path) -> None:
    where = f"disk:{folder / 'kept'}"
    fill(where, COMPANIES)
    done("export", "kept.headway", "--store", where)
    done("clear", "--all", "--store", where)
    whole = (folder / "kept.headway").read_bytes()
    for length in [0, 1, *random.Random(7).sample(range(len(whole)), 20), len(whole) - 1]:
        (folder / "cut").write_bytes(whole[:length])
        assert "cut" in refused("warm", "cut", "--store", where)
    (folder / "more").write_bytes(whole + b"\0")
    assert "is damaged" in refused("warm", "more", "--store", where)
    assert found(where, *COMPANIES) == [None] * 4


def test_a_damaged_file_never_gives_another_value(folder: Path) -> None:
    where = f"disk:{folder / 'kept'}"
    fill(where, COMPANIES)
    done("export", "kept.headway", "--store", where)
    whole = (folder / "kept.headway").read_bytes()
    chance = random.Random(11)
    for _ in range(15):
        done("clear", "--all", "--store", where)
        place = chance.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        (folder / "damaged").write_bytes(damaged)
        ran = cache("warm", "damaged", "--store", where)
        assert ran.exit_code in (0, 2)
        for key, value in zip(COMPANIES, found(where, *COMPANIES), strict=True):
            assert value in (None, COMPANIES[key].value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no file of kept entries"),
        (b"hello\n", "is no file of kept entries"),
        (b"\xff\xfe\n", "is no file of kept entries"),
        (b'{"format":"other","version":1,"made_at":1}\n', "is no file of kept entries"),
        (b'{"format":"headway cache","version":2,"made_at":1}\n', "is of version 2"),
        (b'{"format":"headway cache","version":1,"made_at":1}\n', "was cut off after 0"),
        (b'{"format":"headway cache","version":1,"made_at":1}\n\0\0\0\1\xc1', "is damaged"),
    ],
)
def test_what_is_no_export_is_refused(folder: Path, content: bytes, said: str) -> None:
    (folder / "file").write_bytes(content)
    fill(f"disk:{folder / 'kept'}", {})
    assert said in refused("warm", "file", "--store", f"disk:{folder / 'kept'}")


def test_places_that_cannot_be_written_or_read(folder: Path) -> None:
    where = f"disk:{folder / 'kept'}"
    fill(where, {"a": kept("a")})
    assert "is a folder" in refused("export", str(folder), "--store", where)
    assert "is a folder" in refused("export", str(folder), "--store", where, "--force")
    assert "cannot be written" in refused("export", "no/such/folder", "--store", where)
    assert "cannot be read" in refused("warm", "nothing", "--store", where)
    assert "cannot be read" in refused("warm", str(folder), "--store", where)


def test_a_full_disk_leaves_no_half_file(folder: Path) -> None:
    with Valkey() as server:
        fill(server.url, {"a": kept("x" * 100_000)})
        code = (
            "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "
            "from headway.cli.main import main; main()"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, "cache", "export", "kept", "--store", server.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 2
    assert ran.stderr == "headway: kept cannot be written: File too large\n"
    assert list(folder.iterdir()) == []


# --- sealed values ----------------------------------------------------------------------------


@pytest.mark.parametrize("compress_over", [None, 10])
@pytest.mark.parametrize("value", ["x" * 1000, Quote("KO", (1.0,)), {"a": [1, 2.5, None]}, 2**70])
def test_a_sealed_entry_is_written_again_as_it_was(
    value: object, compress_over: int | None
) -> None:
    entry = kept(value, "a", "b")
    entry.mark = 5
    codec, sealed = Codec(compress_over=compress_over), SealedCodec()
    written = codec.encode("name", entry)
    read = sealed.decode("name", written)
    assert read is not None
    assert type(read.value) is SealedValue
    assert sealed.encode("name", read) == written
    assert (read.tags, read.version, read.mark) == (("a", "b"), "v7", 5)
    read.mark = 9
    again = codec.decode("name", sealed.encode("name", read))
    assert again is not None
    assert (again.value, again.mark, again.made_at) == (value, 9, entry.made_at)
    assert sealed.decode("another", written) is None


# --- warm by asking ---------------------------------------------------------------------------

TOOLS = """
from headway import Cache, operation
from headway.stores.opening import open_store

store = open_store()


@operation(Cache("1h", store=store))
async def get_filing(symbol, form="10-K"):
    with open("asked", "a") as file:
        file.write(f"{symbol} {form}\\n")
    if symbol == "XYZZY":
        raise LookupError("no such company")
    return f"{form} of {symbol}"


@operation(Cache("1h", store=store))
def get_price(symbol):
    return 1.5


@operation(Cache("1h", store=store))
async def read_out(text):
    for word in text.split():
        yield word


@operation(Cache("1h"))
async def in_memory(symbol):
    return symbol


@operation()
async def uncached(symbol):
    return symbol


async def plain(symbol):
    return symbol


class Desk:
    quote = get_price
"""


@pytest.fixture
def program(folder: Path) -> Path:
    (folder / "my_agent").mkdir()
    (folder / "my_agent" / "tools.py").write_text(TOOLS)
    (folder / "my_agent" / "broken.py").write_text("1 / 0")
    (folder / "my_agent" / "lacking.py").write_text("import no_such_library")
    return folder


def headway(*arguments: str, folder: Path, store: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEADWAY, "cache", *arguments],
        cwd=folder,
        env={**os.environ, "HEADWAY_STORE": store},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_operation_is_warmed_from_a_list(program: Path, where: str) -> None:
    (program / "questions.jsonl").write_text(
        '["NVDA"]\n{"symbol": "INTC", "form": "10-Q"}\n\n"AMD"\n["NVDA", "10-K"]\n'
    )
    command = ["warm", "my_agent.tools:get_filing", "questions.jsonl"]
    ran = headway(*command, folder=program, store=where)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "3 ran, 1 kept already, 0 failed\n"
    again = headway(*command, "--at-once", "1", folder=program, store=where)
    assert again.stdout == "0 ran, 4 kept already, 0 failed\n"
    asked = sorted((program / "asked").read_text().splitlines())
    assert asked == ["AMD 10-K", "INTC 10-Q", "NVDA 10-K"]


@pytest.mark.parametrize("name", ["get_price", "Desk.quote", "read_out"])
def test_plain_functions_and_streams_are_warmed_too(program: Path, name: str) -> None:
    (program / "questions.jsonl").write_text('["a b"]\n["c d"]\n')
    command = ["warm", f"my_agent.tools:{name}", "questions.jsonl"]
    outputs = [headway(*command, folder=program, store="disk").stdout for _ in range(2)]
    assert outputs == ["2 ran, 0 kept already, 0 failed\n", "0 ran, 2 kept already, 0 failed\n"]


def test_a_question_that_fails_is_told_with_its_line(program: Path) -> None:
    (program / "questions.jsonl").write_text('["NVDA"]\n["XYZZY"]\n["AMD"]\n')
    ran = headway(
        "warm", "my_agent.tools:get_filing", "questions.jsonl", folder=program, store="disk"
    )
    assert ran.returncode == 1
    assert ran.stdout == "2 ran, 0 kept already, 1 failed\n"
    assert ran.stderr == "headway: line 2: LookupError: no such company\n"


def test_nothing_is_asked_for_a_store_that_is_not_there(program: Path) -> None:
    (program / "questions.jsonl").write_text('["NVDA"]\n')
    ran = headway(
        *("warm", "my_agent.tools:get_filing", "questions.jsonl"),
        folder=program,
        store="redis://:s3cret@127.0.0.1:9/0",
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "127.0.0.1:9/0" in ran.stderr
    assert "s3cret" not in ran.stderr
    assert not (program / "asked").exists()


def test_a_store_that_goes_down_amid_warming_is_told(program: Path) -> None:
    (program / "questions.jsonl").write_text('["NVDA"]\n["KILL"]\n["AMD"]\n')
    with Valkey() as server:
        assert server._process is not None
        (program / "my_agent" / "killing.py").write_text(
            TOOLS.replace(
                'if symbol == "XYZZY":',
                f'if symbol == "KILL":\n        __import__("os").kill({server._process.pid}, 9)\n'
                '    if symbol == "XYZZY":',
            )
        )
        ran = headway(
            *("warm", "my_agent.killing:get_filing", "questions.jsonl", "--at-once", "1"),
            folder=program,
            store=server.url,
        )
    assert ran.returncode == 1
    assert ran.stdout == "3 ran, 0 kept already, 0 failed\n"
    assert "the store went down meanwhile" in ran.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_agent.tools:get_fillings", "has no 'get_fillings'"),
        ("my_agent.tools:", "name an operation as package.module:operation"),
        ("my_agent.tools", "name an operation as package.module:operation"),
        ("my_agent.nothing:ask", "there is no module my_agent.nothing"),
        ("nothing.tools:ask", "there is no module nothing.tools"),
        ("my_agent.broken:ask", "ZeroDivisionError"),
        ("my_agent.lacking:ask", "No module named 'no_such_library'"),
        ("my_agent.tools:plain", "is no operation"),
        ("my_agent.tools:uncached", "put a Cache around it"),
        ("my_agent.tools:in_memory", "which end with this command"),
        (".tools:ask", "name an operation as package.module:operation"),
    ],
)
def test_what_cannot_be_warmed_is_refused(program: Path, name: str, said: str) -> None:
    (program / "questions.jsonl").write_text('["NVDA"]\n')
    ran = headway("warm", name, "questions.jsonl", folder=program, store="disk")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NVDA", "line 2: this is no JSON"),
        ('["NVDA", "10-K", 3]', "line 2: no question for"),
        ('{"simbol": "NVDA"}', "line 2: no question for"),
        ("[]", "line 2: no question for"),
    ],
)
def test_a_wrong_line_is_refused_before_anything_is_asked(
    program: Path, line: str, said: str
) -> None:
    (program / "questions.jsonl").write_text(f'["NVDA"]\n{line}\n')
    ran = headway(
        "warm", "my_agent.tools:get_filing", "questions.jsonl", folder=program, store="disk"
    )
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (program / "asked").exists()


def test_warm_with_what_does_not_fit_together(program: Path) -> None:
    assert "questions too" in refused("warm", "my_agent.tools:get_filing", HEADWAY_STORE="disk")
    said = refused("warm", "my_agent.tools:get_filing", "questions.jsonl", "--store", "disk")
    assert "HEADWAY_STORE says which" in said
    ran = headway("warm", "my_agent.tools:get_filing", "none.jsonl", folder=program, store="disk")
    assert (ran.returncode, ran.stderr) == (
        2,
        "headway: none.jsonl cannot be read: No such file or directory\n",
    )


# --- which store ------------------------------------------------------------------------------

COMMANDS = [("show",), ("clear", "--all"), ("export", "file"), ("clear", "--tag", "a")]


@pytest.mark.parametrize("command", COMMANDS)
def test_memory_is_no_store_to_look_into(command: tuple[str, ...]) -> None:
    assert "ends with its process" in refused(*command)
    assert "ends with its process" in refused(*command, "--store", "memory")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_store_is_refused_without_its_password(command: tuple[str, ...]) -> None:
    said = refused(*command, "--store", "redis://:s3cret@127.0.0.1:port/0")
    assert "--store is 'redis://***@127.0.0.1:port/0'" in said
    said = refused(*command, HEADWAY_STORE="redi://:s3cret@127.0.0.1")
    assert "HEADWAY_STORE is 'redi://***@127.0.0.1'" in said


def test_a_folder_that_there_is_not_is_not_made(folder: Path) -> None:
    assert "no such folder" in refused("show", "--store", "disk:nowhere")
    assert ".headway/cache" in refused("show", HEADWAY_STORE="disk")
    assert list(folder.iterdir()) == []


def test_a_file_in_the_folders_place(folder: Path) -> None:
    (folder / "kept").write_text("in the way")
    assert "kept" in refused("show", "--store", "disk:kept")
    assert (folder / "kept").read_text() == "in the way"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_not_there_is_one_line(command: tuple[str, ...], folder: Path) -> None:
    said = refused(*command, "--store", "redis://:s3cret@127.0.0.1:9/0", code=1)
    assert "redis://***@127.0.0.1:9/0" in said
    assert "s3cret" not in said
    assert list(folder.iterdir()) == []


def test_a_wrong_password_is_one_line_without_it() -> None:
    with Valkey("--requirepass", "right-one") as server:
        url = server.url.replace("redis://", "redis://:s3cret@")
        said = refused("show", "--store", url, code=1)
        assert "s3cret" not in said
        good = server.url.replace("redis://", "redis://:right-one@")
        assert json.loads(done("show", "--store", good, "--json"))["entries"] == 0
        assert "right-one" not in done("show", "--store", good)


def test_a_frozen_server_is_given_up_in_time() -> None:
    with Valkey() as server:
        server.freeze()
        began = time.monotonic()
        refused("show", "--store", server.url, code=1)
        assert time.monotonic() - began < 5
        server.thaw()


def test_without_redis_it_says_how_to_get_it(folder: Path) -> None:
    code = "import sys; sys.modules['redis'] = None; from headway.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "cache", "show", "--store", "redis://127.0.0.1:9"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "pip install 'headway[redis]'" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_entries_are_read_one_after_the_other(folder: Path) -> None:
    fill(f"disk:{folder / 'kept'}", COMPANIES)
    done("export", "file", "--store", f"disk:{folder / 'kept'}")
    names = [name for name, _ in read_entries(folder / "file")]
    assert len(set(names)) == 4
