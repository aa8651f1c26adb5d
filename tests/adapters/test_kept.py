"""What the door keeps, written down: the same bytes for the next client and the next process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headway import Cache, MemoryStore, Place
from headway.adapters.http import through
from headway.adapters.http.answer import Head, Whole
from headway.adapters.http.questions import Questions
from headway.stores import Entry
from headway.stores.codec import Codec
from headway.stores.installation import SECRET_BYTES, installation_secret
from headway.testing.provider import Provider
from tests.contract.wire_doors import Way
from tests.contract.wire_exchanges import ANTHROPIC_KEY, CHAT, PLAIN, STREAMS, Ask, Seen, ask
from tests.stores.same import is_same
from tests.stores.same import through as written_and_read

pytestmark = pytest.mark.anyio


class WrittenStore(MemoryStore):
    """A store that holds bytes alone, as one does that outlives its process."""

    def __init__(self) -> None:
        super().__init__()
        self.codec, self.written = Codec(secret=b"s" * 16), dict[object, bytes]()

    def keep(self, key: Any, entry: Entry) -> None:
        self.written[key] = self.codec.encode(repr(key), entry)

    def peek(self, key: Any) -> Entry | None:
        return self.codec.decode(repr(key), self.written.get(key, b""))


QUESTIONS = {**PLAIN, **{f"{name}, streamed": question for name, question in STREAMS.items()}}


async def both(provider: Provider, question: Ask, store: MemoryStore) -> list[Seen]:
    """What two clients see, the second of which asks after the first has gone."""
    seen = []
    for _ in range(2):
        async with through(httpx2, Cache("1h", store=store)) as http:
            way = Way(http, provider.openai_url, provider.anthropic_url)
            seen.append(await ask(way, question))
    return seen


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_an_answer_that_was_written_down_comes_byte_for_byte(question: Ask) -> None:
    async with Provider() as provider:
        for client_accepts in ("identity", "gzip"):
            asked = question.with_headers(accept_encoding=client_accepts)
            seen = await both(provider, asked, WrittenStore())
            assert [one.mark for one in seen] == ["miss", "hit"]
            assert seen[0].answer == seen[1].answer
            held = await both(provider, asked, MemoryStore())
            assert seen[1].headers.keys() == held[1].headers.keys()


async def test_what_one_client_alone_may_see_is_not_written_down() -> None:
    async with Provider() as provider:
        store = WrittenStore()
        seen = await both(provider, CHAT, store)
        (written,) = store.written.values()
        own = {name: value for name, value in seen[0].headers.items() if "request-id" in name}
        assert own
        for value in (*own.values(), "key-of-a"):
            assert value.encode() not in written


class TestForms:
    @staticmethod
    def a_head() -> Head:
        headers = [(b"Content-Type", b"text/plain; \xff"), (b"X-A", b"1"), (b"X-A", b"2")]
        head = Head(200, headers, {"http_version": b"HTTP/1.1", "reason_phrase": b"Fine"})
        head.may_keep, head.size_bytes, head.is_alone = True, 4, False
        return head

    def test_a_head_keeps_what_the_next_client_needs(self) -> None:
        head, read = self.a_head(), written_and_read(self.a_head())
        for name in ("status", "raw_headers", "extensions", "facts", "size_bytes", "may_keep"):
            assert is_same(getattr(read, name), getattr(head, name))
        assert (read.flow, read.is_alone) == (None, False)
        assert read.headers == head.headers

    def test_a_whole_answer_keeps_its_bytes(self) -> None:
        read = written_and_read(Whole(self.a_head(), b"\0\xff\r\n"))
        assert type(read) is Whole
        assert read.body == b"\0\xff\r\n"


class OnASharedStore:
    """As much of a cache as says where it keeps."""

    place = Place.CACHE
    store = type("Store", (), {"is_shared": True})()

    async def around(self, call: Any, proceed: Any) -> Any:
        return await proceed(call)


def key_of(policy: Any, key: str = "key-of-a") -> str:
    """The key of one request, as a door with this policy has it."""
    headers = {**ANTHROPIC_KEY, "x-api-key": key}
    request = httpx2.Request("POST", "http://host/v1/messages", content=b"{}", headers=headers)
    return Questions([policy]).of(request, b"{}").key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings say that Headway keeps its files."""
    monkeypatch.setenv("HEADWAY_FOLDER", str(tmp_path / "kept"))
    return tmp_path / "kept"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


class TestTenantSecret:
    def test_a_cache_in_memory_needs_no_file(self, folder: Path) -> None:
        key_of(Cache("1h"))
        assert not folder.exists()

    def test_a_shared_one_makes_it_for_its_owner_alone(self, folder: Path) -> None:
        key_of(OnASharedStore())
        assert mode_of(folder) == 0o700
        assert mode_of(folder / "secret") == 0o600
        assert len((folder / "secret").read_bytes()) == SECRET_BYTES
        assert os.listdir(folder) == ["secret"]

    def test_keys_stay_the_same_with_it_and_tell_tenants_apart(self, folder: Path) -> None:
        first = key_of(OnASharedStore())
        assert key_of(OnASharedStore()) == first
        assert key_of(OnASharedStore(), "key-of-b") != first
        assert "key-of-a" not in first
        (folder / "secret").unlink()
        assert key_of(OnASharedStore()) != first

    def test_another_process_has_the_same(self, folder: Path) -> None:
        here = installation_secret(folder)
        assert all(secret == here for secret in _secrets_of_processes(folder, 1))

    def test_many_processes_that_begin_at_once_agree(self, folder: Path) -> None:
        for _ in range(3):
            found = _secrets_of_processes(folder, 4)
            assert len(set(found)) == 1
            assert os.listdir(folder) == ["secret"]
            (folder / "secret").unlink()

    def test_threads_that_begin_at_once_agree(self, folder: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: installation_secret(folder), range(64)))
        assert len(set(found)) == 1
        assert os.listdir(folder) == ["secret"]

    @pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
    def test_whatever_the_umask(self, folder: Path, umask: int) -> None:
        folder.mkdir(mode=0o700)
        before = os.umask(umask)
        try:
            first = installation_secret(folder)
        finally:
            os.umask(before)
        assert mode_of(folder / "secret") == 0o600
        assert installation_secret(folder) == first == (folder / "secret").read_bytes()


def _secrets_of_processes(folder: Path, count: int) -> list[bytes]:
    program = (
        "import sys; from headway.stores.installation import installation_secret as secret\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(secret(sys.argv[1]).hex())"
    )
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=pipe, stdout=pipe)
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:  # all of them are waiting now
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        return [bytes.fromhex(process.communicate(timeout=30)[0].decode()) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _others_may_read(folder: Path) -> None:
    (folder / "secret").write_bytes(b"s" * SECRET_BYTES)
    (folder / "secret").chmod(0o644)


def _too_short(folder: Path) -> None:
    os.close(os.open(folder / "secret", os.O_CREAT | os.O_WRONLY, 0o600))


def _a_link(folder: Path) -> None:
    (folder / "secret").symlink_to(folder.parent / "elsewhere")


def _a_folder(folder: Path) -> None:
    (folder / "secret").mkdir(0o700)


@pytest.mark.parametrize("spoil", [_others_may_read, _too_short, _a_link, _a_folder])
def test_a_spoilt_file_is_not_used_and_not_touched(
    folder: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(mode=0o700)
    spoil(folder)
    before = (folder / "secret").lstat()
    with caplog.at_level("DEBUG", "headway.stores"):
        secret = installation_secret(folder)
    assert len(secret) == SECRET_BYTES
    assert secret != b"s" * SECRET_BYTES
    assert installation_secret(folder) == secret  # that of the process
    assert (folder / "secret").lstat() == before
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


@pytest.fixture
def file_in_its_place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file"


def test_a_folder_that_cannot_be_is_no_error(file_in_its_place: Path) -> None:
    assert installation_secret(file_in_its_place) == installation_secret("/proc/no/such")
    assert file_in_its_place.read_text() == "mine"


def test_the_answer_of_a_shared_store_is_found_by_the_next_process(folder: Path) -> None:
    """Over the store that comes with Headway: two programs, one question, one run."""
    program = Path(__file__).with_name("kept_process.py")
    with Provider() as provider:
        said = [
            json.loads(
                subprocess.run(
                    [sys.executable, program, provider.openai_url, str(folder / "cache")],
                    capture_output=True,
                    check=True,
                    text=True,
                    timeout=60,
                ).stdout
            )
            for _ in range(2)
        ]
        assert len(provider.log) == 2  # one whole, one streamed
    assert [one["marks"] for one in said] == [["miss", "miss"], ["hit", "hit"]]
    assert said[0]["bodies"] == said[1]["bodies"]
