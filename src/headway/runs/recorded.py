"""Reading runs back: forgiving about what a crash or a newer version left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from .. import settings
from ..errors import BadSetup
from ..events import AnyEvent, Event
from .journal import FORMAT, Header
from .overheard import told_once
from .receipt import Receipt

_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_headers = msgspec.json.Decoder(Header)


class _Tagged(msgspec.Struct):
    type: str


_tags = msgspec.json.Decoder(_Tagged)
_KNOWN = frozenset(kind.__name__ for kind in Event.__subclasses__())


class RecordedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was recorded, by one process or by several."""

    header: Header
    """Of the process that began first."""
    paths: tuple[Path, ...]
    events: list[AnyEvent]
    torn: int = 0
    """Files whose last line a crash cut short."""
    unreadable: int = 0
    """Lines that are no events."""
    overheard: bool = False
    """No process told of calls of its own."""
    unknown: int = 0
    """Events of kinds that only a newer Headway knows."""

    def receipt(self, *, first_output_s: float | None = None) -> Receipt:
        """What was asked, what ran, what was shared, where the time went."""
        faults = (
            (self.torn, "file(s) end in a line that a crash cut short"),
            (self.unreadable, "line(s) of the record cannot be read"),
            (self.unknown, "event(s) of a kind that this version does not know"),
        )
        notes = tuple(f"{number} {text}" for number, text in faults if number)
        return Receipt.from_events(
            self.events, first_output_s=first_output_s, notes=notes, overheard=self.overheard
        )


class ListedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can be read: ``read_run(*listed.paths)``."""

    run: str
    name: str
    started_at: float
    paths: tuple[Path, ...]


def read_run(*paths: Path | str) -> RecordedRun:
    """The run that is recorded in *paths*: one file, or the files of several processes of one run.

    Calls that a gateway saw pass and their own process recorded too are there once.

    Raises:
        BadSetup: a file is no record of a run, has a newer format, or is of another run.
    """
    if not paths:
        raise BadSetup("read_run() needs the path of at least one recorded run")
    parts = sorted(
        (_read_file(Path(path)) for path in paths), key=lambda part: part.header.started_at
    )
    header = parts[0].header
    for part in parts:
        if part.header.run != header.run:
            raise BadSetup(
                f"{part.paths[0]} is of run {part.header.run}, not {header.run} like "
                f"{parts[0].paths[0]}; read each run on its own"
            )
    return RecordedRun(
        header=header,
        paths=tuple(part.paths[0] for part in parts),
        events=[event for events in _each_once(parts) for event in events],
        overheard=all(part.header.overheard for part in parts),
        torn=sum(part.torn for part in parts),
        unreadable=sum(part.unreadable for part in parts),
        unknown=sum(part.unknown for part in parts),
    )


def _each_once(parts: Sequence[RecordedRun]) -> list[list[AnyEvent]]:
    told = [event for part in parts if not part.header.overheard for event in part.events]
    return [
        told_once(part.events, told) if part.header.overheard and told else part.events
        for part in parts
    ]


def _read_file(path: Path) -> RecordedRun:
    header = read_header(path)
    events: list[AnyEvent] = []
    torn = unreadable = unknown = 0
    for line in lines_after_header(path):
        try:
            events.append(_events.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            if _is_unknown(line):
                unknown += 1
            elif line.endswith(b"\n"):
                unreadable += 1
            else:
                torn += 1
    return RecordedRun(
        header=header,
        paths=(path,),
        events=events,
        torn=torn,
        unreadable=unreadable,
        unknown=unknown,
    )


def _is_unknown(line: bytes) -> bool:
    try:
        return _tags.decode(line).type not in _KNOWN
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def lines_after_header(path: Path) -> Iterator[bytes]:
    """The event lines of a run file, each with its line end; the last may lack it."""
    with path.open("rb") as file:
        file.readline()
        yield from file


def read_header(path: Path) -> Header:
    """The first line of a run file.

    Raises:
        BadSetup: there is none, or it is of a newer format.
    """
    with path.open("rb") as file:
        line = file.readline(65_536)
    try:
        header = _headers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadSetup(f"{path} is no record of a run: its first line is no header") from None
    if header.headway_run > FORMAT:
        raise BadSetup(
            f"{path} has format {header.headway_run}, this Headway reads up to {FORMAT}; "
            "read it with the Headway that wrote it, or a newer one"
        )
    return header


def list_runs(folder: Path | str | None = None) -> list[ListedRun]:
    """The runs recorded in *folder*, newest first; files that are no records are passed over.

    Args:
        folder: default: the setting ``folder``, where ``record`` writes.
    """
    folder = settings.current().folder if folder is None else folder
    files: dict[str, list[tuple[Header, Path]]] = {}
    for path in _run_files(Path(folder) / "runs"):
        try:
            header = read_header(path)
        except (BadSetup, OSError):
            continue
        files.setdefault(header.run, []).append((header, path))
    listed = [_listed(found) for found in files.values()]
    return sorted(listed, key=lambda run: run.started_at, reverse=True)


def _listed(files: list[tuple[Header, Path]]) -> ListedRun:
    files.sort(key=lambda file: file[0].started_at)
    first = files[0][0]
    return ListedRun(
        run=first.run,
        name=first.name,
        started_at=first.started_at,
        paths=tuple(path for _, path in files),
    )


def _run_files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return sorted(Path(entry.path) for entry in found if entry.name.endswith(".jsonl"))
    except OSError:
        return []


def latest_run(folder: Path | str | None = None) -> RecordedRun | None:
    """The run in *folder* that began last; None if there is none."""
    listed = list_runs(folder)
    return read_run(*listed[0].paths) if listed else None
