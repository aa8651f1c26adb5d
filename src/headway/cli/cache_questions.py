"""Warming an operation of a program from a file of questions, one JSON value a line."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from .. import bridge, clock
from ..call import Place
from ..errors import BadSetup
from ..policies import Answer, AsyncOperation, Cache, SyncOperation
from ..stores.shared import SharedStore
from ..stores.tiered import TieredStore
from ..stream import Stream
from .cache_shelf import last_words_sent

AnyOperation = AsyncOperation[..., Any] | SyncOperation[..., Any]

_MOST_TOLD: Final = 200
_PATIENCE_S: Final = 5.0
_PAUSE_S: Final = 0.05


class Question(msgspec.Struct, frozen=True):
    """The arguments of one call, and the line that they stand in."""

    line: int
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = {}


class Warmed(msgspec.Struct):
    """How many questions were run, how many were answered already, and which failed."""

    ran: int = 0
    already_kept: int = 0
    failed: dict[int, str] = {}
    """By the number of the line, the error in words."""
    is_kept: bool = True
    """False if the store went down meanwhile, and did not come back."""


def named_operation(text: str) -> AnyOperation:
    """The operation that *text* names, ``package.module:operation``, its module imported.

    Modules are looked for in the current folder first. The name may have dots.

    Raises:
        BadSetup: there is no such module, it fails, or what is named keeps nothing that would be
            there when this process has ended.
    """
    module, _, name = text.partition(":")
    if not (module and name) or module.startswith("."):
        raise BadSetup(f"{text!r}: name an operation as package.module:operation")
    found: Any = _imported(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise BadSetup(f"{module} has no {name!r}; name an operation of that module")
    if not (hasattr(found, "operation") and hasattr(found, "answer")):
        raise BadSetup(f"{text} is no operation; put @operation(Cache(...)) on it")
    _refuse_what_keeps_nothing(text, found)
    return found  # type: ignore[no-any-return]


def _imported(module: str) -> object:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{module}.".startswith(f"{missing.name}."):
            raise BadSetup(f"{module} cannot be imported: {missing}") from None
        raise BadSetup(f"there is no module {module} in {os.getcwd()} or installed") from None
    except BadSetup:
        raise
    except Exception as wrong:  # whatever a program does on import
        told = _one_line(wrong)
        raise BadSetup(f"{module} cannot be imported: {told}") from None


def _refuse_what_keeps_nothing(text: str, found: AnyOperation) -> None:
    caches = [policy for policy in found.policies if policy.place is Place.CACHE]
    if not caches:
        raise BadSetup(f"{text} keeps nothing; put a Cache around it")
    if not any(cache.store.is_shared for cache in caches if isinstance(cache, Cache)):
        raise BadSetup(
            f"{text} keeps its answers in memory, which end with this command; give its Cache a "
            "store, such as Cache(..., store=open_store()) with HEADWAY_STORE=disk"
        )


def read_questions(path: Path, of: AnyOperation) -> list[Question]:
    """The questions in *path*: a list of arguments, an object of named ones, or a single value.

    Empty lines are passed over.

    Raises:
        BadSetup: the file cannot be read, or a line is no such thing or does not fit *of*; nothing
            has been asked by then.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadSetup(f"{path} cannot be read: {error.strerror or error}") from None
    signature = inspect.signature(of.operation.run)
    questions = [_question(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    for question in questions:
        try:
            signature.bind(*question.args, **question.kwargs)
        except TypeError as wrong:
            told = f"{of.operation.name}{signature}: {wrong}"
            raise BadSetup(f"{path}, line {question.line}: no question for {told}") from None
    return questions


def _question(path: Path, number: int, line: bytes) -> Question:
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise BadSetup(
            f'{path}, line {number}: this is no JSON ({wrong}); write ["NVDA"] or {{"symbol": '
            '"NVDA"}'
        ) from None
    if isinstance(said, dict):
        return Question(number, kwargs=said)
    return Question(number, tuple(said) if isinstance(said, list) else (said,))


async def warm_by_asking(of: AnyOperation, questions: list[Question], at_once: int) -> Warmed:
    """What came of asking *of* all *questions*; one that fails harms no other.

    Raises whatever the stores of *of* raise if they cannot be reached; nothing is asked then.
    """
    stores = _stores_of(of)
    for store in stores:
        await _behind_memory(store).catch_up()
    warmed = await _ask_all(of, questions, at_once)
    await last_words_sent()
    for store in stores:
        warmed.is_kept &= await _is_up(store)
        await store.aclose()
    return warmed


def _stores_of(of: AnyOperation) -> list[SharedStore]:
    stores = [policy.store for policy in of.policies if isinstance(policy, Cache)]
    return [cast(SharedStore, store) for store in stores if store.is_shared]


def _behind_memory(store: SharedStore) -> SharedStore:
    """The second tier itself, which takes the time that it takes to begin with."""
    return store.second if isinstance(store, TieredStore) else store


async def _is_up(store: SharedStore) -> bool:
    """Whether *store* can be written to; one that went down has some seconds to come back.

    What was written meanwhile is told to it then.
    """
    if not isinstance(store, TieredStore):
        return True
    given_up_at = clock.monotonic() + _PATIENCE_S
    while store.state == "down" and clock.monotonic() < given_up_at:
        await clock.sleep(_PAUSE_S)
    return store.state == "up"


async def _ask_all(of: AnyOperation, questions: list[Question], at_once: int) -> Warmed:
    warmed, left = Warmed(), iter(questions)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(_ask_in_turn(of, left, warmed))
    return warmed


async def _ask_in_turn(of: AnyOperation, left: Iterator[Question], warmed: Warmed) -> None:
    for question in left:
        try:
            answer = await _answer(of, question)
        except Exception as error:
            warmed.failed[question.line] = _one_line(error)
        else:
            if answer.source == "ran":
                warmed.ran += 1
            else:
                warmed.already_kept += 1


async def _answer(of: AnyOperation, question: Question) -> Answer[Any]:
    ask = partial(of.answer, *question.args, **question.kwargs)
    told: Any = ask() if of.operation.is_async else await bridge.in_thread(ask)
    answer: Answer[Any] = await told if inspect.isawaitable(told) else told
    if isinstance(answer.value, Stream):
        await answer.value.collect()  # one that breaks off is not kept
    return answer


def _one_line(error: BaseException) -> str:
    told = " ".join(str(error).split())[:_MOST_TOLD]
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
