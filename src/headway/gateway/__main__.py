"""The process of ``headway up``, which loads nothing that serving does not need.

Started as ``python -m headway.gateway OPTIONS``, these being the ``Options`` as JSON.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

MISSING = """headway: the gateway needs {name}, which is not installed.
Install it with:  pip install 'headway[gateway]'
"""


def main(arguments: str) -> int:
    """Serve until a signal says otherwise; the exit code."""
    import msgspec

    from ..errors import BadSetup
    from .loops import new_loop
    from .options import Options
    from .up import up

    options = msgspec.json.decode(arguments, type=Options)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(up(options, os.environ))
    except BadSetup as wrong:
        sys.stderr.write(f"headway: {wrong}\n")
        return 2


def main_or_missing(arguments: str) -> int:
    """The same; says what to install if something is missing."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is a loop to finish anything
    try:
        return main(arguments)
    except ModuleNotFoundError as missing:
        if missing.name != "httptools":
            raise
        sys.stderr.write(MISSING.format(name=missing.name))
        return 2


if __name__ == "__main__":
    sys.exit(main_or_missing(sys.argv[1]))
