"""What Headway's gateway weighs before it has done anything: installed, imported, started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
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
    """Seconds from typing ``headway up`` to the first whole answer through it, the median."""
    took = []
    for number in range(times):
        name = f"start {number}"
        began = time.monotonic()
        server = servers.start_up(name)
        took.append(time.monotonic() - began)
        server.end()
        del servers.by_name[name]
    return median(took)


def resident_mb(servers: Servers, seconds: float = 6.0) -> float:
    """Resident memory of ``headway up`` under a load of new questions that fills its memory."""
    server = servers.start_up("up")
    command = [str(servers.work.gwbench), "load", "--addr", f"127.0.0.1:{server.port}"]
    command += ["--conc", "32", "--secs", str(seconds), "--warm", "0.4", "--uniq", "1"]
    command += ["--body", str(servers.work.folder / "small.json"), "--pid", str(server.pid)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    pages = int(Path(f"/proc/{server.pid}/statm").read_text("ascii").split()[1])
    server.end()
    del servers.by_name["up"]
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def footprint(servers: Servers) -> dict[str, object]:
    """All of it, for the table and the last line."""
    sizes = installed()
    return {
        "installed_mb": round(sum(sizes.values()) / 1e6, 1),
        "installed": {name: round(size / 1e6, 2) for name, size in sorted(sizes.items())},
        "import_cpu_s": round(import_cpu_s(), 3),
        "first_answer_s": round(first_answer_s(servers), 2),
        "resident_mb": round(resident_mb(servers), 1),
    }
