"""No bytes, from either side, break the proxy, change on the way, or make answers wrong."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.mcp.catalogue import Catalogue
from headway.mcp.keeping import Kept
from headway.mcp.proxy import Proxy
from headway.wire.json_rpc import peek

METHODS = ["tools/call", "tools/list", "initialize", "notifications/cancelled", "x", 3, None]
METHODS += ["notifications/tools/list_changed", "subscriptions/listen", "notifications/progress"]

scalars = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.just(1.5), st.text(max_size=3))
names = st.sampled_from(
    [
        "name",
        "arguments",
        "_meta",
        "cursor",
        "requestId",
        "tools",
        "annotations",
        "nextCursor",
        "readOnlyHint",
        "isError",
        "resultType",
        "ttlMs",
        "task",
        "protocolVersion",
        "capabilities",
        "io.modelcontextprotocol/protocolVersion",
    ]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
calls = st.fixed_dictionaries(
    {"id": st.integers(0, 4), "method": st.just("tools/call")},
    optional={
        "params": st.fixed_dictionaries(
            {"name": st.sampled_from(["get", "put"])},
            optional={"arguments": values, "_meta": values},
        )
    },
)
answers = st.fixed_dictionaries({"id": st.integers(0, 4), "result": values})
messages = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": scalars,
        "method": st.sampled_from(METHODS),
        "params": values,
        "result": values,
        "error": values,
    },
)
objects = st.one_of(messages, calls, answers, values, st.lists(messages | calls, max_size=3))
lines = st.one_of(st.binary(max_size=30), objects.map(lambda one: json.dumps(one).encode()))
lines = lines.filter(lambda line: b"\n" not in line)


async def talk(sent: list[tuple[bool, bytes]]) -> tuple[list[bytes], list[bytes]]:
    to_client: list[bytes] = []
    to_server: list[bytes] = []
    catalogue = Catalogue(reads=["get"])
    proxy = Proxy(
        lambda data: to_client.extend(data.splitlines(keepends=True)),
        lambda data: to_server.extend(data.splitlines(keepends=True)),
        lambda said: None,
        answers=Kept(catalogue),
        catalogue=catalogue,
    )
    for is_client, line in sent:
        (proxy.from_client if is_client else proxy.from_server)(line)
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    said = list(to_client), list(to_server)
    await proxy.aclose()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)
    return said


@given(st.lists(st.tuples(st.booleans(), lines), max_size=12))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_no_conversation_breaks_it(sent: list[tuple[bool, bytes]]) -> None:
    asyncio.run(talk(sent))


@given(st.lists(lines, max_size=8))
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_what_the_server_says_unasked_passes_as_it_is(said: list[bytes]) -> None:
    to_client, _ = asyncio.run(talk([(False, line) for line in said]))
    assert b"".join(to_client) == b"".join(line + b"\n" for line in said if peek(line))


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=8))
@settings(max_examples=80)
def test_what_is_no_json_reaches_the_server_as_it_is(said: list[bytes]) -> None:
    _, to_server = asyncio.run(talk([(True, line) for line in said]))
    assert b"".join(to_server) == b"".join(line + b"\n" for line in said)


@pytest.mark.parametrize("depth", [900, 5_000, 200_000])
@pytest.mark.parametrize("is_client", [True, False])
def test_deep_nesting(depth: int, is_client: bool) -> None:
    deep = b"[" * depth + b"]" * depth
    line = b'{"id":1,"method":"tools/call","params":{"name":"get","arguments":{"a":%b}}}' % deep
    to_client, to_server = asyncio.run(talk([(is_client, line)]))
    assert (to_server if is_client else to_client) == [line + b"\n"]
