"""The words around the chart, as HTML: title, main figures, legend, the table for no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from .critical_path import CriticalPath
from .model_counts import ModelCounts
from .receipt import Receipt
from .text_table import dollars_text, seconds_text, shown
from .timeline_chart import Bar, Chart

MOST_ROWS = 1_000
"""Of the table that stands in for the chart where no script may run."""
_ANSWERS = ("ran", "hit", "joined", "stale", "unfinished")
_KNOWN_KINDS = {"step": 0, "tool": 1, "model": 2}
_STYLES = 7

_Figure = tuple[str, str, str, str]
"""Label, value, a remark, and "" or a tone: open (something is left to gain) or worry."""


def title_of(receipt: Receipt) -> str:
    """The name of the run, or what else there is to call it by."""
    return shown(receipt.name or receipt.run or "a run without a name")


def facts_of(receipt: Receipt) -> str:
    """When it was, which run it is, and whether it came to an end."""
    parts = [f"run {shown(receipt.run)}"] if receipt.run else []
    if receipt.started_at is not None:
        parts.append(_moment(receipt.started_at))
    if receipt.error:
        parts.append(f"ended by {shown(receipt.error)}")
    elif receipt.started_at is not None and not receipt.ended:
        parts.append("has not ended")
    return " · ".join(parts) or "nothing was recorded"


def _moment(seconds: float) -> str:
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g} s after 1970"  # a record may say anything
    return f"{at.day} {at:%B %Y, %H:%M:%S} UTC"


def figures_html(receipt: Receipt) -> str:
    """The receipt's main figures, each a term and its value."""
    return "".join(
        f'<div class="figure {tone}"><dt>{escape(label)}</dt>'
        f"<dd><b>{escape(value)}</b><small>{escape(remark)}</small></dd></div>"
        for label, value, remark, tone in _figures(receipt)
    )


def _figures(receipt: Receipt) -> list[_Figure]:
    figures = [
        ("Wall time", seconds_text(receipt.wall_s), _at_once(receipt), ""),
        _calls(receipt),
        _duplicates(receipt),
        _path(receipt.critical_path),
        _overlap(receipt),
    ]
    if receipt.models is not None:
        figures += [_tokens(receipt.models.total), _money(receipt.models.total)]
    if receipt.errors:
        number = sum(receipt.errors.values())
        figures.append(("Errors", f"{number}", ", ".join(map(shown, receipt.errors)), "worry"))
    return figures


def _at_once(receipt: Receipt) -> str:
    mean = receipt.time.concurrency_mean
    return "" if mean is None else f"{mean:.1f} at once on average"


def _calls(receipt: Receipt) -> _Figure:
    counts = {name: sum(getattr(line, name) for line in receipt.lines) for name in _ANSWERS}
    parts = [
        f"{counts[name]:,} {name}" for name in _ANSWERS if counts[name] or name in _ANSWERS[:3]
    ]
    asked = sum(line.asked for line in receipt.lines)
    return ("Calls asked", f"{asked:,}", " · ".join(parts), "")


def _duplicates(receipt: Receipt) -> _Figure:
    left = receipt.duplicates_run
    return (
        "Duplicates left",
        f"{left:,}",
        f"{receipt.duplicates_asked:,} asked again",
        "open" if left else "",
    )


def _path(path: CriticalPath | None) -> _Figure:
    if path is None:
        return ("Critical path", "–", "no call, no path", "")
    how = "estimated" if path.estimated else f"of graph {shown(path.graph or '')}"
    return ("Critical path", seconds_text(path.seconds), how, "")


def _overlap(receipt: Receipt) -> _Figure:
    found = receipt.overlap
    if found is None or not found.chances:
        return ("Could overlap", "nothing", "that ran one after another", "")
    saved = f"~{seconds_text(found.saved_s_estimated)}"
    return ("Could overlap", saved, "estimated, if independent", "open")


def _tokens(total: ModelCounts) -> _Figure:
    parts = [f"{_number(total.tokens_out)} out"]
    if total.tokens_in and total.tokens_cached is not None:
        parts.append(f"{total.tokens_cached / total.tokens_in:.0%} of input cached")
    return ("Tokens in", _number(total.tokens_in), " · ".join(parts), "")


def _number(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _money(total: ModelCounts) -> _Figure:
    is_part = total.spent_usd is not None and total.spent_unknown
    spent = f"{'≥' if is_part else ''}{dollars_text(total.spent_usd)}"
    parts = [f"{dollars_text(total.saved_usd)} saved"] if total.saved_usd else []
    parts += [f"{total.spent_unknown:,} calls without a price"] if total.spent_unknown else []
    return ("Spent on models", spent, " · ".join(parts), "")


def styles_of(kinds: Sequence[str]) -> list[int]:
    """A colour and pattern for each kind; the best-known kinds have theirs in every timeline."""
    free = [n for n in range(_STYLES) if n not in _KNOWN_KINDS.values()]
    others = [kind for kind in kinds if kind not in _KNOWN_KINDS]
    given = {kind: free[index % len(free)] for index, kind in enumerate(others)}
    return [_KNOWN_KINDS[kind] if kind in _KNOWN_KINDS else given[kind] for kind in kinds]


def letters_of(kinds: Sequence[str]) -> list[str]:
    """A letter for each kind, a different one as long as their names have any."""
    taken: list[str] = []
    for kind in kinds:
        letters = [letter.upper() for letter in kind if letter.isalnum()] or ["?"]
        taken.append(next((one for one in letters if one not in taken), letters[0]))
    return taken


def legend_html(chart: Chart) -> str:
    """What the colours, patterns and signs mean, of those that occur."""
    items = [
        (f'class="bar k{style}"', f'<i class="letter">{escape(letter)}</i>', escape(kind))
        for kind, style, letter in zip(chart.kinds, styles_of(chart.kinds), letters_of(chart.kinds))
    ]
    sources = {bar.source for bar in chart.bars}
    signs = (
        ("hit", "hit", "answered from a cache"),
        ("stale", "stale", "from a cache, past its time"),
        ("joined", "joined", "waited for a call under way"),
        ("unfinished", "unfinished", "never ended"),
    )
    items += [(f'class="bar {css}"', "", text) for name, css, text in signs if name in sources]
    if any(bar.first_chunk_s for bar in chart.bars):
        items.append(('class="bar"', '<i class="before"></i>', "until first words"))
    if any(bar.error for bar in chart.bars):
        items.append(('class="bar failed"', "", "failed"))
    actions = sorted({act.action for bar in chart.bars for act in bar.acts})
    items += [('class="sign"', escape(action[:1].upper()), escape(action)) for action in actions]
    return "".join(
        f'<li><span {shape} aria-hidden="true">{inner}</span>{text}</li>'
        for shape, inner, text in items
    )


def chances_html(chart: Chart) -> str:
    """What could have overlapped, each with a button that shows where."""
    if not chart.shades:
        return ""
    items = "".join(
        f'<li><button type="button" data-shade="{index}">{escape(shade.text)}'
        f" <b>~{escape(seconds_text(shade.seconds))}</b></button></li>"
        for index, shade in enumerate(chart.shades)
    )
    return (
        '<section class="chances"><h2>Could have run side by side</h2>'
        "<p>Estimated, and only if the calls were independent, which their author knows. "
        f"Each is taken alone: they do not add up.</p><ul>{items}</ul></section>"
    )


def notes_html(receipt: Receipt, chart: Chart) -> str:
    """What a reader must know to trust the page."""
    notes = [shown(note) for note in receipt.notes]
    if receipt.events_lost:
        notes.append(f"{receipt.events_lost:,} events are not in the record on disk")
    if chart.left_out:
        notes.append(f"{chart.left_out:,} of the shortest calls are counted and not drawn")
    return "".join(f'<p class="note">{escape(note)}</p>' for note in notes)


def table_html(chart: Chart) -> str:
    """The calls as a table, in order of time."""
    rows = "".join(_row(bar, chart) for bar in chart.bars[:MOST_ROWS])
    more = len(chart.bars) - MOST_ROWS
    rest = f"<p>And {more:,} more.</p>" if more > 0 else ""
    head = _cells("th", ("Start", "Took", "Agent", "Kind", "Operation", "Answered", "Error"))
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{rest}"


def _row(bar: Bar, chart: Chart) -> str:
    return _cells(
        "td",
        (
            seconds_text(bar.start),
            seconds_text(bar.seconds),
            chart.lanes[bar.lane].agent or "–",
            chart.kinds[bar.kind],
            chart.names[bar.name],
            bar.source,
            bar.error or "",
        ),
    )


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"
