"""What every test stands on: asyncio, the same examples each time, no settings from outside."""

import os

import pytest
from hypothesis import settings

for name in [name for name in os.environ if name == "HEADWAY" or name.startswith("HEADWAY_")]:
    del os.environ[name]

settings.register_profile("headway", deadline=None, derandomize=True, database=None)
settings.load_profile("headway")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, the only loop Headway is written for."""
    return "asyncio"
