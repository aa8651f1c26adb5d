"""What Headway's gateway weighs before it has done anything: installed, imported, started."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from statistics import median

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from peer_gateway_targets import Servers

EXTRA = ("httptools", "starlette", "uvicorn", "uvloop")
CORE = ("msgspec",)
IMPORT = (
    "import time; began = time.process_time();"
    "import headway.gateway.gateway, uvloop;"
    "print(time.process_time() - began)"
)


def installed() -> dict[str, int]:
    """Bytes on disk of each distribution that the extra brings, what it needs included."""
    sizes: dict[str, int] = {}
    waiting = list(EXTRA)
    while waiting:
        name = waiting.pop()
        found = _found(name)
        if found is None or name in sizes or name in CORE:
            continue
        sizes[name] = sum(_size(found, str(path)) for path in found.files or ())
        waiting += _needs(found)
    return sizes


def _found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _size(found: Distribution, path: str) -> int:
    file = found.locate_file(path)
    return file.stat().st_size if file.is_file() else 0  # type: ignore[attr-defined]


def _needs(found: Distribution) -> list[str]:
    """What it requires without any extra on this interpreter."""
    wanted = [Requirement(line) for line in found.requires or ()]
    here = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [canonicalize_name(one.name) for one in here]


def import_cpu_s(times: int = 5) -> float:
    """CPU seconds to import the gateway and uvloop in a new interpreter, the median."""
    took = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
        )
        took.append(float(done.stdout))
    return median(took)


def first_answer_s(servers: Servers, times: int = 5) -> float:
    """Seconds from starting the process to the first whole answer through it, the median."""
    took = []
    for number in range(times):
        name = f"start {number}"
        began = time.monotonic()
        server = servers.start_headway(name)
        took.append(time.monotonic() - began)
        server.end()
        del servers.by_name[name]
    return median(took)


def footprint(servers: Servers) -> dict[str, object]:
    """All of it, for the table and the last line."""
    sizes = installed()
    return {
        "installed_mb": round(sum(sizes.values()) / 1e6, 1),
        "installed": {name: round(size / 1e6, 2) for name, size in sorted(sizes.items())},
        "import_cpu_s": round(import_cpu_s(), 3),
        "first_answer_s": round(first_answer_s(servers), 2),
    }
