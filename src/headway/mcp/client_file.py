"""The file of a client's configuration, rewritten as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import BadSetup
from .client_config import Rewritten, unwrap, wrap


class _Note(msgspec.Struct):
    """What has to be known to go back: kept beside the file; no word of the file itself."""

    original_sha256: str
    wrapped: list[str]
    """The servers that were wrapped here; others stand behind a proxy by somebody's own hand."""
    without_args: list[str] = []


def wrap_file(path: Path, headway: str, options: Sequence[str] = ()) -> Rewritten:
    """Put ``headway mcp`` before the servers of the file; again with other options, if it is there.

    Raises:
        BadSetup: the file cannot be read or written, or is no such configuration; it is unchanged.
    """
    try:
        real, text = _read(path)
        before = _note_of(real) or _Note("", [])
        original = unwrap(text, before.without_args, before.wrapped).text
        wrapped = wrap(original, headway, options)
        if unwrap(wrapped.text, wrapped.without_args, wrapped.done).text != original:
            raise BadSetup(
                "the way back would not lead to the same bytes; wrap its servers by hand"
            )
        _note_down(real, _Note(_digest(original), [*wrapped.done], [*wrapped.without_args]))
        try:
            _replace(real, text, wrapped.text)
        except BaseException:
            _note_down(real, before)
            raise
    except (BadSetup, OSError) as wrong:
        raise _about(path, wrong) from None
    return wrapped


def unwrap_file(path: Path) -> tuple[Rewritten, bool]:
    """Take ``headway mcp`` away again; and whether the file is now, byte for byte, what it was.

    Raises:
        BadSetup: as ``wrap_file``.
    """
    try:
        real, text = _read(path)
        note = _note_of(real)
        known = _Note("", []) if note is None else note
        unwrapped = unwrap(text, known.without_args, None if note is None else note.wrapped)
        if unwrapped.text != text:
            _replace(real, text, unwrapped.text)
        if note is None or unwrap(unwrapped.text).text == unwrapped.text:
            _beside(real).unlink(missing_ok=True)
        else:  # what others have wrapped is to be known as theirs the next time, too
            _note_down(real, _Note(known.original_sha256, []))
    except (BadSetup, OSError) as wrong:
        raise _about(path, wrong) from None
    return unwrapped, known.original_sha256 == _digest(unwrapped.text)


def _about(path: Path, wrong: BadSetup | OSError) -> BadSetup:
    why = wrong.strerror or str(wrong) if isinstance(wrong, OSError) else str(wrong)
    return BadSetup(f"{path}: {why}")


def _read(path: Path) -> tuple[Path, str]:
    real = path.resolve()
    try:
        return real, real.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise BadSetup("it is no UTF-8 text") from None


def _beside(real: Path) -> Path:
    return real.with_name(f"{real.name}.headway")


def _note_of(real: Path) -> _Note | None:
    try:
        return msgspec.json.decode(_beside(real).read_bytes(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return None


def _note_down(real: Path, note: _Note) -> None:
    if note.original_sha256:
        _write(_beside(real), msgspec.json.encode(note).decode() + "\n", 0o600)
    else:
        _beside(real).unlink(missing_ok=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(real: Path, read: str, text: str) -> None:
    _write(real, text, real.stat().st_mode & 0o777, instead_of=read)


def _write(path: Path, text: str, mode: int, *, instead_of: str | None = None) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode())
            os.fchmod(file.fileno(), mode)
        if instead_of is not None and path.read_bytes() != instead_of.encode():
            raise BadSetup("somebody changed it just now; it stays as it is, try again")
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
