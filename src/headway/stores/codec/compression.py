"""Zstandard, if it is there: the standard library's from Python 3.14 on, else backports.zstd."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Final

from ...errors import BadSetup

MOST_UNFOLDED_BYTES: Final = 16 * 1024 * 1024
"""What is larger is not compressed, and nothing unfolds to more, whatever it claims."""

_MODULES: Final = ("compression.zstd", "backports.zstd")

_found: ModuleType | None = None


def has_zstd() -> bool:
    """Whether there is a library to compress with."""
    return _zstd() is not None


def require_zstd(wanted_by: str) -> None:
    """Raise ``BadSetup`` unless there is a library to compress with."""
    if not has_zstd():
        raise BadSetup(f"{wanted_by}: Zstandard is not installed; pip install 'headway[zstd]'")


def fold(body: bytes) -> bytes:
    """*body*, compressed."""
    zstd: Any = _zstd()
    folded: bytes = zstd.compress(body)
    return folded


def unfold(folded: bytes) -> bytes | None:
    """What ``fold`` was given; None if *folded* is no such thing, or there is no library."""
    zstd: Any = _zstd()
    if zstd is None:
        return None
    size = zstd.get_frame_info(folded).decompressed_size
    if size is None or size > MOST_UNFOLDED_BYTES:
        return None
    unfolding = zstd.ZstdDecompressor()
    body: bytes = unfolding.decompress(folded, max_length=size + 1)
    is_whole = unfolding.eof and not unfolding.unused_data and len(body) == size
    return body if is_whole else None


def _zstd() -> ModuleType | None:
    global _found
    if _found is None:
        for name in _MODULES:
            try:
                _found = importlib.import_module(name)
            except ImportError:
                continue
            break
    return _found
