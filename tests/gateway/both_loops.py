"""For tests in which the order of a loop's own callbacks counts: asyncio's and uvloop's."""

import pytest


@pytest.fixture(
    scope="module",
    params=["asyncio", pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")],
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Each loop in turn, for a module that imports this."""
    if request.param != "asyncio":
        pytest.importorskip("uvloop")
    return request.param
