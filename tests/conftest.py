"""What every test stands on: asyncio, the same examples each time, no settings from outside."""

import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from weakref import WeakSet

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

REPLACE_PARTS = (
    "gateway/test_connecting.py::test_what_ended_since_it_stood_is_not_handed_out",
    "gateway/test_conversations.py::test_memory_is_bounded",
    "gateway/test_flights.py::test_a_fault_inside_is_told_and_leaves_nothing",
    "gateway/test_flights.py::test_who_leaves_as_the_connection_comes_to_stand_leaks_none",
    "gateway/test_incoming.py",
    "gateway/test_long_requests.py::test_a_connection_that_idles_after_a_hit_closes_without",
    "gateway/test_probes_and_timers.py::test_a_probe_that_trickles_ends",
    "gateway/test_slow_clients.py::test_a_client_that_takes_nothing_is_closed_in_the_end",
    "gateway/test_slow_clients.py::test_nothing_is_left_when_all_leave[connecting]",
    "property/test_long_bodies.py::test_a_body_is_long_by_the_size_of_what_counts",
    "property/test_repeatable.py::test_the_rules_are_about_all_these",
)
"""Beginnings of tests that put something else in the place of a constant or a method, of which
compiled code takes no notice, or derive from a class of it: they are for the plain build."""


def is_compiled() -> bool:
    """Whether the Headway that is tested came from the compiled wheel."""
    found = find_spec("headway.gateway.flight")
    return found is not None and not str(found.origin).endswith(".py")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    here = Path(__file__).parent
    places = [here / place for place in MEASURE_TIME]
    plain_only = REPLACE_PARTS if is_compiled() else ()
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker(pytest.mark.alone)
        if item.nodeid.removeprefix(f"{here.name}/").startswith(plain_only):
            item.add_marker(pytest.mark.skip(reason="compiled code has its parts built in"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, the only loop Headway is written for."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_far_results_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shared store of an earlier test hears of the writes of this one.

    A write tells every store of the process that somebody may still ask, a closed one too, which
    is then looked after again: under the clock of this test, which may stand still.
    """
    results = sys.modules.get("headway.tools.results")
    if results is not None:
        for name, known in (("_living", results.living()), ("_beside", results.beside_sessions())):
            near = WeakSet(place for place in known if place.store.is_local)
            monkeypatch.setattr(results, name, near)
