"""Plain aligned columns: as wide as a terminal, readable without colour, box lines or a library."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_PLAIN = str.maketrans({"·": "-", "→": ">", "…": ".", "×": "x", "−": "-", "≥": ">"})


def cells(text: str) -> int:
    """The columns *text* takes in a terminal."""
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shown(text: str) -> str:
    """*text* without what could move the cursor or colour the screen: names come from anywhere."""
    return "".join(character if character.isprintable() else "?" for character in text)


def short_name(name: str) -> str:
    """A function's name without its module's; others, such as a model's, whole."""
    return shown(name if " " in name else name.rpartition(".")[2])


def shortened(text: str, width: int) -> str:
    """*text* in at most *width* columns; the end of a dotted name says most, so that stays."""
    if cells(text) <= width:
        return text
    kept = ""
    for character in reversed(text):
        if cells(character + kept) > width - 1:
            break
        kept = character + kept
    return f"…{kept}"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """*text* filled up with spaces to *width* columns."""
    space = " " * max(0, width - cells(text))
    return space + text if right else text + space


LEAST_NAME = 12
INDENT = 2


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    words: int,
    dispensable: Sequence[str] = (),
) -> list[str]:
    """Lines of aligned columns: the first *words* columns are names to the left, the rest numbers.

    Names share what *width* the numbers leave, and are shortened if that is not enough; before
    they become unreadable, the columns of *dispensable* heads go, in that order.
    """
    columns = list(zip(head, *rows))
    for name in dispensable:
        if _room_for_names(columns, words, width) >= _least_for_names(columns, words):
            break
        columns = [column for column in columns if column[0] != name]
    widths = [max(map(cells, column)) for column in columns]
    widths[:words] = _fair(widths[:words], _room_for_names(columns, words, width))
    return [
        " " * INDENT
        + "  ".join(
            padded(shortened(text, room), room, right=number >= words)
            for number, (text, room) in enumerate(zip(row, widths))
        ).rstrip()
        for row in zip(*columns)
    ]


def _room_for_names(columns: Sequence[Sequence[str]], words: int, width: int) -> int:
    numbers = sum(max(map(cells, column)) for column in columns[words:])
    return width - INDENT - numbers - 2 * (len(columns) - 1)


def _least_for_names(columns: Sequence[Sequence[str]], words: int) -> int:
    return sum(min(LEAST_NAME, max(map(cells, column))) for column in columns[:words])


def _fair(wanted: Sequence[int], room: int) -> list[int]:
    """Widths that sum up to at most *room*: what one does not need goes to the others."""
    given = [0] * len(wanted)
    for number, index in enumerate(sorted(range(len(wanted)), key=lambda index: wanted[index])):
        given[index] = max(4, min(wanted[index], room // (len(wanted) - number)))
        room -= given[index]
    return given


def wrapped(
    label: str, parts: Sequence[str], *, width: int, between: str, indent: int
) -> list[str]:
    """*parts* after *label*, broken over lines that begin below the first part."""
    lines = [padded(label, indent)]
    for number, part in enumerate(parts):
        end = between if number + 1 < len(parts) else ""
        whole = part + end
        fits = cells(whole.rstrip()) <= width - indent
        for piece in [whole] if fits else _words(part, end, width - indent):
            is_begun = cells(lines[-1].rstrip()) >= indent
            if is_begun and cells(lines[-1] + piece.rstrip()) > width:
                lines.append(" " * indent)
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _words(part: str, end: str, room: int) -> list[str]:
    """The words of a part too long for one line, each with the space after it."""
    words = part.split(" ")
    pieces = [f"{shortened(word, room - 3)} " for word in words[:-1]]
    return [*pieces, shortened(words[-1], room - 3) + end]


def plain(text: str, encoding: str) -> str:
    """*text* as a stream of *encoding* can take it: the few signs used here become ASCII first."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAIN).encode("ascii", "replace").decode()
    return text


def seconds_text(seconds: float | None) -> str:
    """A duration for people: three figures are enough."""
    if seconds is None:
        return "unknown"
    if seconds == 0:
        return "0 s"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 99.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def dollars_text(dollars: float | None) -> str:
    """US dollars for people: cents where there are any, else the figures that say something."""
    if dollars is None:
        return "unknown"
    if dollars == 0:
        return "$0"
    if dollars < 0.0000995:
        return "<$0.0001"
    if dollars < 0.0995:
        return f"${dollars:.2g}"
    return f"${dollars:,.2f}"
