"""``headway cache``: what a store that outlives its processes holds; clear, export and warm it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .. import settings
from ..errors import BadSetup

if TYPE_CHECKING:
    from .cache_contents import Contents
    from .cache_file import Written
    from .cache_questions import Warmed
    from .cache_shelf import Shelf

T = TypeVar("T")

log = logging.getLogger("headway.cli")

FAILED = 1
AT_ONE_TIME = 500
"""So many entries of a file go to a store together."""

app = typer.Typer(
    help="Look into a store that outlives its processes; clear it, export it, warm it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Where = Annotated[
    str,
    typer.Option(
        "--store",
        help="disk, disk:PATH, redis://HOST:PORT/DB, rediss://... or unix://...; default: the "
        "setting `store`.",
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", help='Only what bears it; may be given again. "company:*" is a prefix.'),
]


@app.command()
def show(
    store: Where = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what is kept: entries, bytes, ages, sizes, and by tag."""
    import sys

    import msgspec

    from .cache_contents import in_words

    found = _on(store, _contents)
    text = in_words(found, sys.stdout.encoding or "ascii")
    typer.echo(msgspec.json.encode(found) if json else text)


async def _contents(shelf: Shelf) -> Contents:
    from .. import clock
    from ..stores import Entry
    from .cache_contents import Counting

    counting = Counting(clock.now())
    async for _, written, found in shelf.walk():
        if isinstance(found, Entry):
            counting.add(found, len(written))
        else:
            counting.add_other(found)
    return counting.contents(shelf.name, getattr(shelf.store, "max_bytes", None))


@app.command()
def clear(
    tag: Tags = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is kept.")] = False,
    store: Where = "",
) -> None:
    """Make kept answers void, for all processes, at once: by tag, or all."""
    tags = _checked(tag)
    if bool(tags) is everything:
        raise BadSetup("say what to clear: --tag TAG, as often as needed, or --all, not both")

    async def work(shelf: Shelf) -> str:
        await (shelf.store.clear() if everything else shelf.store.invalidate(tags))
        return shelf.name

    where = _on(store, work)
    told = "everything" if everything else f"what bears {' or '.join(tags)}"
    typer.echo(f"void from now on, in {where}: {told}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; its owner alone can read it.")],
    tag: Tags = None,
    store: Where = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write kept answers to a file, which `headway cache warm` brings into another store.

    The file holds answers: treat it as you treat them. Ends with 1 if some were left out because
    they are signed: another store takes only what is marked anew, and that needs the secret.
    """
    from .cache_file import write_entries

    tags = frozenset(_checked(tag))
    signed: list[str] = []

    async def work(shelf: Shelf) -> str:
        count = await write_entries(file, _chosen(shelf, tags, signed.append), force=force)
        return f"{count:,} entries of {shelf.name} are in {file}"

    typer.echo(_on(store, work))
    if signed:
        typer.echo(
            f"headway: {len(signed):,} left out: signed with a secret, which this "
            "command does not have; a program whose stores have it moves them, with scan and load",
            err=True,
        )
        raise typer.Exit(FAILED)


async def _chosen(
    shelf: Shelf, tags: frozenset[str], leave_out: Callable[[str], None]
) -> AsyncIterator[Written]:
    """What can be served; the names of what is signed, of which no more is known, are told."""
    from ..stores import Entry

    async for name, written, found in shelf.walk():
        if isinstance(found, Entry):
            if not tags or not tags.isdisjoint(found.tags):
                yield name, written
        elif found == "signed":
            leave_out(name)


@app.command()
def warm(
    source: Annotated[
        str, typer.Argument(help="An exported file, or an operation: package.module:operation.")
    ],
    questions: Annotated[
        Path | None,
        typer.Argument(
            help='For an operation: a file of its questions, a line each, ["NVDA"] or '
            '{"symbol": "NVDA"}.'
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(help="So many questions at a time.", min=1)] = 4,
    store: Where = "",
) -> None:
    """Fill a store: from an exported file, or by asking an operation of a program.

    The operation's module is looked for in the current folder; its answers go where its own Cache
    keeps them. Ends with 1 if a question failed.
    """
    if questions is not None:
        _warm_by_asking(source, questions, at_once, store)
    elif ":" in source and not Path(source).exists():
        raise BadSetup(f"name a file of questions too: headway cache warm {source} questions.jsonl")
    else:
        typer.echo(_on(store, _loading(Path(source))))


def _warm_by_asking(source: str, questions: Path, at_once: int, store: str) -> None:
    from .cache_questions import named_operation, read_questions, warm_by_asking

    if store:
        raise BadSetup(
            f"--store is for an exported file: {source} has a store of its own; where that is "
            "open_store(), HEADWAY_STORE says which"
        )
    operation = named_operation(source)
    asked = read_questions(questions, operation)
    _show(_run(warm_by_asking(operation, asked, at_once), f"the store of {source}"))


def _show(warmed: Warmed) -> None:
    counts = (warmed.ran, warmed.already_kept, len(warmed.failed))
    typer.echo("{:,} ran, {:,} kept already, {:,} failed".format(*counts))
    for line, told in sorted(warmed.failed.items()):
        typer.echo(f"headway: line {line}: {told}", err=True)
    if not warmed.is_kept:
        typer.echo("headway: the store went down meanwhile: not all of it is kept", err=True)
    if warmed.failed or not warmed.is_kept:
        raise typer.Exit(FAILED)


def _loading(file: Path) -> Callable[[Shelf], Awaitable[str]]:
    """What brings the entries of *file* into a store; refused before any is, if it is not whole."""
    from .cache_file import count_entries, read_entries

    count = count_entries(file)

    async def work(shelf: Shelf) -> str:
        left: Iterator[Written] = read_entries(file)
        kept = 0
        while pairs := list(islice(left, AT_ONE_TIME)):
            kept += await shelf.store.load(pairs)
        rest = count - kept
        told = f"; {rest:,} were over, or cannot be read here" if rest else ""
        return f"{kept:,} of {count:,} entries of {file} are in {shelf.name}{told}"

    return work


def _checked(tags: list[str] | None) -> tuple[str, ...]:
    if tags and not all(tags):
        raise BadSetup("--tag '': a tag is a text, such as company:NVDA")
    return tuple(dict.fromkeys(tags or ()))


def _on(said: str, work: Callable[[Shelf], Awaitable[T]]) -> T:
    """What *work* gives on the store; ends the process with one line if that cannot be used."""
    from .cache_shelf import Shelf, where_from

    where = where_from(said)

    async def on_a_loop() -> T:
        shelf = Shelf(where)
        try:
            return await work(shelf)
        finally:
            await shelf.store.aclose()

    return _run(on_a_loop(), settings.without_password(where))


def _run(work: Coroutine[object, object, T], where: str) -> T:
    """What *work* gives; ends the process with one line if the store fails in it."""
    try:
        return asyncio.run(work)
    except BadSetup:
        raise
    except Exception as error:  # whatever a server, a disk or their libraries come up with
        log.debug("the store failed", exc_info=True)
        typer.echo(f"headway: {_told(error, where)}", err=True)
        raise typer.Exit(FAILED) from None


def _told(error: Exception, where: str) -> str:
    text = " ".join(str(error).split())
    if where in text:  # the store says of itself which it is
        return text
    return f"{where} cannot be used: {type(error).__name__}{': ' * bool(text)}{text}"
