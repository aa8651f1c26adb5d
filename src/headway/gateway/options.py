"""What `headway up` was told on the command line."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None (or "") is: what the settings file says, or else the default."""

    config: str = ""
    listen: str | None = None
    admin: str | None = None
    workers: int | None = None
    drain: str | None = None
    log_levels: str = ""
