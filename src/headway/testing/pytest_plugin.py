"""A pytest fixture: ``pytest_plugins = ["headway.testing.pytest_plugin"]`` in ``conftest.py``.

It is no entry point on purpose. pytest would load that in every run of everyone who has Headway
installed, and with it the whole package, before coverage begins to measure; one line in
``conftest.py`` loads it where it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .provider import Provider


@pytest.fixture
def model_provider() -> Iterator[Provider]:
    """A stand-in model provider on a thread of its own, new for each test.

    Set ``model_provider.answers``, ``.pace``; call ``.fail_next(...)``; count in ``.log``. A test
    that moves a ``FakeClock`` uses ``async with Provider()`` instead, in its own event loop.
    """
    with Provider() as provider:
        yield provider
