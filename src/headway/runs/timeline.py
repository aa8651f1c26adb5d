"""The timeline of a run: one HTML file that shows who did what when, on any screen, offline."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files

import msgspec

from ..events import Event
from .receipt import Receipt, receipt_of
from .recorded import RecordedRun
from .tally import Tally
from .timeline_chart import Chart, chart_of
from .timeline_header import (
    chances_html,
    facts_of,
    figures_html,
    legend_html,
    letters_of,
    notes_html,
    styles_of,
    table_html,
    title_of,
)

_SCRIPTS = ("timeline_build.js", "timeline_draw.js", "timeline_move.js", "timeline_tell.js")
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_IN_SCRIPT = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
)


def timeline(run: RecordedRun | Iterable[Event]) -> str:
    """A whole HTML page that draws *run*: agents as lanes, calls as bars.

    It loads nothing and connects to nothing, and its security policy forbids both. Names from the
    run are shown as text whatever they hold. A page takes about 1 KB for five calls; beyond 10,000
    calls the shortest are left out, which the page says.
    """
    events = run.events if isinstance(run, RecordedRun) else list(run)
    tally = Tally()
    for event in events:
        tally.add(event)
    receipt = run.receipt() if isinstance(run, RecordedRun) else receipt_of(tally)
    return _page(receipt, chart_of(tally, events, receipt))


def _page(receipt: Receipt, chart: Chart) -> str:
    style, script = _part("timeline_page.css"), _script()
    fill = {
        "policy": _policy(style, script),
        "title": escape(title_of(receipt)),
        "facts": escape(facts_of(receipt)),
        "figures": figures_html(receipt),
        "notes": notes_html(receipt, chart),
        "legend": legend_html(chart),
        "chances": chances_html(chart),
        "table": table_html(chart),
        "style": style,
        "data": _data(chart),
        "script": script,
    }
    return _SLOT.sub(lambda slot: fill[slot[1]], _part("timeline_page.html"))


@cache
def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _script() -> str:
    """The parts in one scope of their own."""
    return '"use strict";\n(() => {\n' + "".join(map(_part, _SCRIPTS)) + "})();\n"


def _policy(style: str, script: str) -> str:
    """This style and this script, word for word; no connection, no image, no frame, no form."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(chart: Chart) -> str:
    """*chart* as JSON in which nothing can end the script element around it."""
    drawn = {
        "chart": chart,
        "styles": styles_of(chart.kinds),
        "letters": letters_of(chart.kinds),
    }
    return msgspec.json.encode(drawn).decode().translate(_IN_SCRIPT)
