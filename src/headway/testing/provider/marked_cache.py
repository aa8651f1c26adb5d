"""The prompt cache of Anthropic's kind: it keeps what the request marks with ``cache_control``.

The prompt is a row of blocks: tools, system, messages. A marked block keeps everything up to and
including it, for 5 minutes or an hour after the last use, if that is long enough for the model.
A later request reads the longest kept prefix found at one of its own marks or in the blocks
before it, at most 20 positions back. What is kept can be read once its answer has begun.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from ... import clock
from .tokens import as_json, count, list_of, object_of

MOST_MARKS = 4
LOOK_BACK = 20
LIFE_S = {"5m": 300.0, "1h": 3600.0}
# The longest name that begins the model's name decides.
LEAST_TOKENS = {
    "claude": 1024,
    "claude-3-haiku": 2048,
    "claude-3-5-haiku": 2048,
    "claude-haiku-4-5": 4096,
    "claude-opus-4-5": 4096,
    "claude-opus-4-6": 4096,
    "claude-opus-4-7": 2048,
    "claude-opus-5": 512,
    "claude-fable-5": 512,
    "claude-mythos-5": 512,
}


class Block(msgspec.Struct, frozen=True):
    """One block of a prompt: where the row stands behind it, and its mark (``5m``, ``1h``)."""

    digest: bytes
    tokens: int
    mark: str | None
    is_empty_text: bool


class CacheUse(msgspec.Struct, frozen=True):
    """What a prompt reads from the cache and writes to it, in tokens."""

    total: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    kept: tuple[tuple[bytes, float], ...] = ()

    @property
    def written(self) -> int:
        """All that is written."""
        return self.written_5m + self.written_1h


class MarkedCache:
    """Remembers marked prefixes by digest, with their lives."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[float, float]] = {}  # digest: (last use, life)

    def use(self, blocks: list[Block], model: str) -> CacheUse:
        """What this prompt reads, and what it will have written once ``keep`` is called."""
        totals = running_totals(blocks)
        marks = [at for at, block in enumerate(blocks) if block.mark]
        hit = self._longest_hit(blocks, marks)
        read = totals[hit] if hit is not None else 0
        least = least_tokens(model)
        new = [at for at in marks if totals[at] >= least and (hit is None or at > hit)]
        hour = max((totals[at] for at in new if blocks[at].mark == "1h"), default=read)
        last = max((totals[at] for at in new), default=read)
        kept = tuple((blocks[at].digest, LIFE_S[blocks[at].mark or "5m"]) for at in new)
        total = totals[-1] if totals else 0
        return CacheUse(total, read, last - max(hour, read), hour - read, kept)

    def keep(self, use: CacheUse) -> None:
        """Remember what *use* writes: its answer has begun."""
        now = clock.now()
        self._entries.update({digest: (now, life) for digest, life in use.kept})

    def _longest_hit(self, blocks: list[Block], marks: list[int]) -> int | None:
        now = clock.now()
        for mark in reversed(marks):
            for at in range(mark, max(-1, mark - LOOK_BACK), -1):
                used, life = self._entries.get(blocks[at].digest, (0.0, 0.0))
                if used + life > now:
                    self._entries[blocks[at].digest] = (now, life)
                    return at
        return None


def least_tokens(model: str) -> int:
    """The shortest prefix that is kept for *model*."""
    names = [name for name in LEAST_TOKENS if model.startswith(name)]
    return LEAST_TOKENS[max(names, key=len)] if names else LEAST_TOKENS["claude"]


def running_totals(blocks: list[Block]) -> list[int]:
    """Tokens up to and including each block."""
    total, totals = 0, []
    for block in blocks:
        total += block.tokens
        totals.append(total)
    return totals


def blocks_of(body: dict[str, Any], credential: str | None) -> list[Block]:
    """The prompt as its row of blocks; the digest of each covers all before it."""
    digest = hashlib.sha256(as_json([credential, body.get("model")]))
    blocks: list[Block] = []
    messages_begun = False
    for room, raw in _raw_blocks(body):
        if room == "message" and not messages_begun:  # these change the messages' prefix alone
            digest.update(as_json([body.get("tool_choice"), body.get("thinking")]))
            messages_begun = True
        mark = object_of(raw.get("cache_control"))
        bare = as_json({key: value for key, value in raw.items() if key != "cache_control"})
        digest.update(bare)
        ttl = str(mark.get("ttl") or "5m") if mark else None
        is_empty = raw.get("type") == "text" and not raw.get("text")
        blocks.append(Block(digest.copy().digest(), count(bare), ttl, is_empty))
    return _with_automatic_mark(blocks, object_of(body.get("cache_control")))


def _raw_blocks(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for tool in list_of(body.get("tools")):
        yield "tool", tool
    for block in _as_blocks(body.get("system")):
        yield "system", block
    for message in list_of(body.get("messages")):
        for block in _as_blocks(message.get("content")):
            yield "message", {"role": message.get("role"), **block}


def _as_blocks(content: object) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [object_of(block) for block in list_of(content)]


def _with_automatic_mark(blocks: list[Block], mark: dict[str, Any]) -> list[Block]:
    """A mark on the request itself stands for one on the last block that can bear it."""
    if not mark:
        return blocks
    for at in range(len(blocks) - 1, -1, -1):
        if not blocks[at].is_empty_text:
            ttl = blocks[at].mark or str(mark.get("ttl") or "5m")
            blocks[at] = msgspec.structs.replace(blocks[at], mark=ttl)
            break
    return blocks


def wrong_marks(blocks: list[Block]) -> str | None:
    """Why the marks are refused, in the words of the provider; None if they are in order."""
    marks = [block.mark for block in blocks if block.mark]
    if len(marks) > MOST_MARKS:
        most = f"A maximum of {MOST_MARKS} blocks with cache_control may be provided."
        return f"{most} Found {len(marks)}."
    if any(mark not in LIFE_S for mark in marks):
        return "cache_control.ttl: Input should be '5m' or '1h'"
    if any(block.mark and block.is_empty_text for block in blocks):
        return "cache_control cannot be set for empty text blocks"
    if "5m" in marks and "1h" in marks[marks.index("5m") :]:
        return "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
    return None
