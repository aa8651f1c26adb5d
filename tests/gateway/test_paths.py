"""Paths and framings that clients make up: none leads elsewhere than the plan says."""

import pytest

from tests.gateway.raw_client import chunked, connected, head_to
from tests.gateway.raw_rig import chat, get, rig

pytestmark = pytest.mark.anyio


async def test_a_query_right_behind_the_name_of_an_upstream() -> None:
    async with rig() as here:
        await here.ask(get("/a?x=1"))
    assert [heard.line for heard in here.server.requests] == ["GET /?x=1 HTTP/1.1"]


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
async def test_a_whole_url_leads_to_no_host_of_its_own(scheme: str) -> None:
    async with rig() as here:
        await here.ask(get(f"{scheme}://192.0.2.1/meta"))
    assert [heard.line for heard in here.server.requests] == ["GET /meta HTTP/1.1"]


@pytest.mark.parametrize(
    "path",
    ["/a/../../two/v1/models", "/a/%2e%2e/%2E%2e/two/v1/models", "/a/..%5c..%5Ctwo/v1/models"],
)
async def test_dots_do_not_lead_out_of_the_base_url(path: str) -> None:
    async with rig(path="/tenants/one/v1", key="secret") as here:
        assert (await here.ask(get(path))).status == 400
        assert await here.client.rest() == b""
    assert here.server.requests == []


async def test_a_base_url_beyond_latin_1_is_asked_in_percents() -> None:
    async with rig(path="/\u20ac") as here:
        assert (await here.ask(chat())).status == 200
    assert here.server.requests[0].line == "POST /%E2%82%AC/v1/chat/completions HTTP/1.1"


async def test_a_coding_below_chunked_is_not_understood_and_reaches_nobody() -> None:
    async with rig() as here, connected(here.gateway.url) as client:
        await client.send(head_to("transfer-encoding: gzip, chunked") + chunked(b"{}"))
        answer = await client.answer()
        assert (answer.status, answer.header("x-headway-refused")) == (501, "unknown_coding")
        assert await client.rest() == b""
    assert here.server.requests == []
