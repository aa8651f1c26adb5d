"""Where ``headway`` begins: finds the sub-command without importing what it does not need."""

from __future__ import annotations

import sys

MISSING = """headway: the command line needs {name}, which is not installed.
Install it with:  pip install 'headway[cli]'"""


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        from .commands import app
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in ("typer", "rich"):
            raise
        print(MISSING.format(name=missing.name), file=sys.stderr)
        sys.exit(2)
    app()
