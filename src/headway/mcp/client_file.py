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
    without_args: list[str] = []


def wrap_file(path: Path, headway: str, options: Sequence[str] = ()) -> Rewritten:
    """Put ``headway mcp`` before the servers of the file; again with other options, if it is there.

    Raises:
        BadSetup: the file cannot be read or written, or is no such configuration; it is unchanged.
    """
    try:
        real, text = _read(path)
        original = unwrap(text, _note_of(real).without_args).text
        wrapped = wrap(original, headway, options)
        if unwrap(wrapped.text, wrapped.without_args).text != original:
            raise BadSetup(
                "the way back would not lead to the same bytes; wrap its servers by hand"
            )
        note = _Note(_digest(original), list(wrapped.without_args))
        _write(_beside(real), msgspec.json.encode(note).decode() + "\n", 0o600)
        _write(real, wrapped.text, real.stat().st_mode & 0o777)
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
        unwrapped = unwrap(text, note.without_args)
        if unwrapped.text != text:
            _write(real, unwrapped.text, real.stat().st_mode & 0o777)
        _beside(real).unlink(missing_ok=True)
    except (BadSetup, OSError) as wrong:
        raise _about(path, wrong) from None
    return unwrapped, note.original_sha256 == _digest(unwrapped.text)


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


def _note_of(real: Path) -> _Note:
    try:
        return msgspec.json.decode(_beside(real).read_bytes(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return _Note("")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, text: str, mode: int) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode())
            os.fchmod(file.fileno(), mode)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
