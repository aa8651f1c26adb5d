"""A clock that stands still for every test of the policies."""

from collections.abc import Iterator

import pytest

from headway import clock
from headway.testing import FakeClock


@pytest.fixture
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake
