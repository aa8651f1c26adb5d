"""What every test stands on: asyncio, the same examples each time, no settings from outside."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import settings

for name in [name for name in os.environ if name == "HEADWAY" or name.startswith("HEADWAY_")]:
    del os.environ[name]

settings.register_profile("headway", deadline=None, derandomize=True, database=None)
settings.load_profile("headway")


MEASURE_TIME = (
    *("adapters/test_patience.py", "architecture/test_import_weight.py", "browser"),
    *("cli/test_research_commands.py", "cli/test_run_signals.py", "cli/test_tool_lines.py"),
    *("cli/test_up.py", "docs/test_examples.py", "policies/test_processes.py"),
    "property/test_coalescing.py",
    *("runs/test_live_lines.py", "runs/test_timeline.py", "stores/disk/test_leases.py"),
    *("stores/disk/test_news.py", "stores/redis/test_invalidations.py"),
    *("stores/redis/test_leases.py", "stores/tiered/test_real_tiers.py", "test_bridge.py"),
    *("test_clock.py", "testing/provider/test_http.py", "testing/provider/test_pace.py"),
    "wire/test_sse.py",
)
"""Files and folders whose tests expect something within a time: beside others they may miss it."""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    places = [Path(__file__).parent / place for place in MEASURE_TIME]
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, the only loop Headway is written for."""
    return "asyncio"
