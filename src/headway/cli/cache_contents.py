"""What a shared store holds, counted, and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import median_low
from typing import Final

import msgspec

from ..runs.text_table import plain, seconds_text, shown, table
from ..stores import Entry

TAGS_SHOWN: Final = 20
_WIDTH: Final = 100
_INDENT: Final = 12


class TagContents(msgspec.Struct, frozen=True):
    """What bears one tag."""

    tag: str
    entries: int
    size_bytes: int


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds; sizes are those of the entries as written, ages in seconds."""

    store: str
    entries: int
    size_bytes: int
    max_bytes: int | None
    """None: Headway sets this store no bound."""
    fresh: int
    stale: int
    """Over, but to be served while a fresh answer is made."""
    over: int
    """Not served any more, and not removed yet; not among the entries."""
    void: int
    """Invalidated, and not removed yet; not among the entries."""
    in_doubt: int
    """Older than what is known of invalidations; not among the entries."""
    unreadable: int
    """Damaged, or of another version of Headway; not among the entries."""
    signed: int
    """Written with a secret, so that no more can be told; not among the entries."""
    oldest_s: float | None
    newest_s: float | None
    smallest_bytes: int | None
    median_bytes: int | None
    largest_bytes: int | None
    tags: list[TagContents]
    """Those borne by the most entries."""
    tags_in_all: int


class Counting:
    """Counts the entries of a store, one after the other, at *now*."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._sizes: list[int] = []
        self._made: list[float] = []
        self._states: Counter[str] = Counter()
        self._entries_of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()

    def add(self, entry: Entry, size_bytes: int) -> None:
        """Count *entry*, of which the store holds so many bytes."""
        if self._now >= entry.stale_until:
            self._states["over"] += 1
            return
        self._states["fresh" if self._now < entry.fresh_until else "stale"] += 1
        self._sizes.append(size_bytes)
        self._made.append(entry.made_at)
        for tag in dict.fromkeys(entry.tags):
            self._entries_of[tag] += 1
            self._bytes_of[tag] += size_bytes

    def add_other(self, state: str) -> None:
        """Count what is there and is no entry to be served: void, over, in doubt ..."""
        self._states[state] += 1

    def contents(self, store: str, max_bytes: int | None) -> Contents:
        """All that was counted."""
        sizes, made, states = self._sizes, self._made, self._states
        ranked = sorted(self._entries_of.items(), key=lambda item: (-item[1], item[0]))
        return Contents(
            store=store,
            entries=len(sizes),
            size_bytes=sum(sizes),
            max_bytes=max_bytes,
            fresh=states["fresh"],
            stale=states["stale"],
            over=states["over"],
            void=states["void"],
            in_doubt=states["in doubt"],
            unreadable=states["unreadable"],
            signed=states["signed"],
            oldest_s=max(0.0, self._now - min(made)) if made else None,
            newest_s=max(0.0, self._now - max(made)) if made else None,
            smallest_bytes=min(sizes, default=None),
            median_bytes=median_low(sizes) if sizes else None,
            largest_bytes=max(sizes, default=None),
            tags=[TagContents(tag, n, self._bytes_of[tag]) for tag, n in ranked[:TAGS_SHOWN]],
            tags_in_all=len(ranked),
        )


def in_words(found: Contents, encoding: str) -> str:
    """*found* for a terminal of this *encoding*."""
    lines = [_line(name, text) for name, text in _lines(found) if text]
    if found.tags:
        lines += ["", *_tag_table(found)]
    return plain("\n".join(lines), encoding)


def _lines(found: Contents) -> list[tuple[str, str]]:
    bound = f" of at most {bytes_text(found.max_bytes)}" if found.max_bytes else ""
    return [
        ("store", shown(found.store)),
        ("entries", f"{found.entries:,}" + (f", {found.stale:,} stale" if found.stale else "")),
        ("bytes", bytes_text(found.size_bytes) + bound),
        ("ages", _range(seconds_text, ("newest", found.newest_s), ("oldest", found.oldest_s))),
        (
            "sizes",
            _range(
                bytes_text,
                ("smallest", found.smallest_bytes),
                ("median", found.median_bytes),
                ("largest", found.largest_bytes),
            ),
        ),
        ("no more", _no_more(found)),
        ("in doubt", _in_doubt(found)),
        ("unreadable", _unreadable(found)),
    ]


def _line(name: str, text: str) -> str:
    return f"{name:<{_INDENT}}{text}"


def _range(words: Callable[[float], str], *pairs: tuple[str, float | None]) -> str:
    return " · ".join(f"{name} {words(value)}" for name, value in pairs if value is not None)


def _no_more(found: Contents) -> str:
    said = [f"{found.void:,} invalidated"] * bool(found.void)
    said += [f"{found.over:,} over"] * bool(found.over)
    return f"{', '.join(said)}; they make room in time" if said else ""


def _in_doubt(found: Contents) -> str:
    told = "of before the oldest invalidation that is still known"
    return f"{found.in_doubt:,}, {told}" if found.in_doubt else ""


def _unreadable(found: Contents) -> str:
    said = []
    if found.unreadable:
        said.append(f"{found.unreadable:,}, damaged or of another version; they count as misses")
    if found.signed:
        said.append(f"{found.signed:,} signed with a secret, which this command does not have")
    return "; ".join(said)


def _tag_table(found: Contents) -> list[str]:
    rows = [
        (shown(each.tag), f"{each.entries:,}", bytes_text(each.size_bytes)) for each in found.tags
    ]
    lines = table(("tag", "entries", "bytes"), rows, width=_WIDTH, words=1)
    more = found.tags_in_all - len(found.tags)
    return [*lines, f"  and {more:,} tags more"] if more else lines


def bytes_text(size: float) -> str:
    """A size for people, in powers of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"
