"""Log lines on stderr, for all rooms of the house or for some."""

from __future__ import annotations

import logging
import sys

from ..errors import BadSetup

logging.getLogger("headway").addHandler(logging.NullHandler())


def switch_logging(levels: str) -> None:
    """Write log lines to stderr: ``"debug"`` for every room, ``"stores=debug,runs=info"`` for some.

    Raises:
        BadSetup: a level that logging does not know, or a room that Headway does not have.
    """
    root = logging.getLogger("headway")
    if not levels.strip():
        return
    for part in levels.split(","):
        room, _, level = part.strip().rpartition("=")
        number = logging.getLevelNamesMapping().get(level.strip().upper())
        if number is None:
            raise BadSetup(
                f"{part.strip()!r} is no log level; write debug, info, warning, error, room=debug"
            )
        if room and room not in (rooms := _rooms()):
            raise BadSetup(
                f"{part.strip()!r}: Headway has no room {room!r}; the rooms are {', '.join(rooms)}"
            )
        logging.getLogger(f"headway.{room}" if room else "headway").setLevel(number)
    if not any(isinstance(handler, _ToStderr) for handler in root.handlers):
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        root.addHandler(handler)


def _rooms() -> list[str]:
    """The files and folders of the house, whose names are the names of the loggers."""
    from pathlib import Path  # `import headway` need not pay for it

    inside = Path(__file__).parents[1].iterdir()
    return sorted(
        path.stem
        for path in inside
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or path.is_dir())
    )


class _ToStderr(logging.StreamHandler):  # type: ignore[type-arg]  # generic only in the stubs
    """Ours, so that switching twice adds one handler; finds stderr anew for every line."""

    @property
    def stream(self) -> object:
        return sys.stderr

    @stream.setter
    def stream(self, value: object) -> None:
        pass
