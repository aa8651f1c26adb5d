"""A file of kept entries: what ``headway cache export`` writes and ``headway cache warm`` reads.

One line of JSON that says what it is, then frames: four bytes of length and so many bytes of
MessagePack, a name and an entry as its store has it. The last frame is the number of those before
it: a file that was cut off lacks it. Entries prove themselves, see ``stores.codec``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from .. import clock
from ..errors import BadSetup

VERSION: Final = 1

_FORMAT: Final = "headway cache"
_MOST_HEADER_BYTES: Final = 4096
_LENGTH_BYTES: Final = 4

Written = tuple[str, bytes]
"""The name of an entry, and the entry as its store has it."""


class _Header(msgspec.Struct, frozen=True):
    format: str
    version: int
    made_at: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Written | int).decode


async def write_entries(path: Path, entries: AsyncIterable[Written], *, force: bool) -> int:
    """How many *entries* are now in a new file at *path*, which its owner alone can read.

    The file is there when it is whole, or not at all.

    Raises:
        BadSetup: there is such a file and *force* is not said, or it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    _refuse_to_overwrite(path, force)
    try:
        with _told_of(path):
            file = open(part, "xb", opener=_private)  # noqa: SIM115, ASYNC230 - nobody waits
        with file:
            count = await _write_frames(path, file, entries)
        with _told_of(path):
            _put_in_place(part, path, force)
    finally:
        part.unlink(missing_ok=True)
    return count


async def _write_frames(path: Path, file: BinaryIO, entries: AsyncIterable[Written]) -> int:
    count = 0
    with _told_of(path):
        file.write(msgspec.json.encode(_Header(_FORMAT, VERSION, clock.now())) + b"\n")
    async for entry in entries:  # what fails in here is the store
        with _told_of(path):
            _write_frame(file, entry)
        count += 1
    with _told_of(path):
        _write_frame(file, count)
        file.flush()
        os.fsync(file.fileno())
    return count


def _write_frame(file: BinaryIO, frame: Written | int) -> None:
    written = _encode(frame)
    file.write(len(written).to_bytes(_LENGTH_BYTES, "big") + written)


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadSetup(f"{path} cannot be written: {error.strerror or error}") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _refuse_to_overwrite(path: Path, force: bool) -> None:
    if path.is_dir():
        raise BadSetup(f"{path} is a folder; name a file")
    if not force and os.path.lexists(path):
        raise BadSetup(f"{path} is there already; name another, or overwrite it with --force")


def _put_in_place(part: Path, path: Path, force: bool) -> None:
    if force:
        part.replace(path)
        return
    try:
        os.link(part, path)  # unlike a rename, it fails if another has come meanwhile
    except FileExistsError:
        _refuse_to_overwrite(path, force)


def count_entries(path: Path) -> int:
    """How many entries are in the file at *path*, which is whole.

    Raises:
        BadSetup: it cannot be read, is no such file, is of another version, or was cut off.
    """
    return sum(1 for _ in read_entries(path))


def read_entries(path: Path) -> Iterator[Written]:
    """The entries in the file at *path*, one after the other.

    Raises:
        BadSetup: as ``count_entries``; those before a fault were given by then.
    """
    try:
        with path.open("rb") as file:
            _refuse_another_kind(path, file.readline(_MOST_HEADER_BYTES))
            yield from _frames(path, file)
    except OSError as error:
        raise BadSetup(f"{path} cannot be read: {error.strerror or error}") from None


def _refuse_another_kind(path: Path, line: bytes) -> None:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        header = None
    if header is None or header.format != _FORMAT:
        raise BadSetup(f"{path} is no file of kept entries; `headway cache export` writes one")
    if header.version != VERSION:
        raise BadSetup(
            f"{path} is of version {header.version}, and this Headway reads {VERSION}: "
            "export it anew with the same Headway"
        )


def _frames(path: Path, file: BinaryIO) -> Iterator[Written]:
    left = path.stat().st_size - file.tell()
    count = 0
    while left >= _LENGTH_BYTES:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
        left -= _LENGTH_BYTES + length
        if left < 0:
            break
        frame = _frame(path, file.read(length), count)
        if isinstance(frame, int):
            if frame == count and not left:
                return
            raise BadSetup(f"{path} is damaged: it does not end as it should, after {count:,}")
        count += 1
        yield frame
    raise BadSetup(f"{path} was cut off after {count:,} entries; export it anew")


def _frame(path: Path, written: bytes, count: int) -> Written | int:
    try:
        frame: Written | int = _decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadSetup(f"{path} is damaged after {count:,} entries; export it anew") from None
    return frame
