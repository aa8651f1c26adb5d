"""What a client says about caching in the headers of its request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...wire.headers import MARK


class Wishes(msgspec.Struct, frozen=True):
    """How the client wants its answer; ``max_age_s`` is the oldest it takes, None any age."""

    bypass: str | None = None
    fresh: bool = False
    max_age_s: float | None = None
    only_if_kept: bool = False


NONE = Wishes()


def read_wishes(headers: Mapping[str, str]) -> Wishes:
    """The wishes in ``cache-control`` and ``x-headway-cache``; what makes no sense is passed over.

    ``no-store`` neither reads nor keeps, ``no-cache`` asks anew and keeps, ``max-age=N`` takes no
    answer older than N seconds, ``only-if-cached`` asks nobody; ``x-headway-cache: off`` is
    ``no-store`` for the door alone.
    """
    own = headers.get(MARK, "").strip().lower()
    text = headers.get("cache-control", "")
    if not own and not text:
        return NONE
    said = dict(_directives(text))
    if own == "off":
        return Wishes(bypass=f"the client said {MARK}: off")
    if "no-store" in said:
        return Wishes(bypass="the client said cache-control: no-store")
    max_age_s = _seconds(said.get("max-age"))
    return Wishes(
        fresh="no-cache" in said or max_age_s == 0,
        max_age_s=max_age_s,
        only_if_kept="only-if-cached" in said,
    )


def _directives(text: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in text.lower().split(","))
    return [(name.strip(), value.strip().strip('"')) for name, _, value in parts]


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
