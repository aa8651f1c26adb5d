"""A head that was read once is known again, and what differs from it is not."""

import pytest

from headway.gateway.known_head import KnownHead
from headway.gateway.request import Request
from tests.gateway.bare_requests import HEAD, request
from tests.gateway.raw_rig import chat, rig

PAIRS = (b"host", b"a", b"x-b", b"c")


def understood(body: bytes) -> Request:
    extra = [(b"content-length", b"%d" % len(body))]
    return (b"POST", b"/v1/chat/completions", PAIRS, extra, body, True, True)


def known() -> KnownHead:
    found = KnownHead.of(request(b"one"), understood(b"one"))
    assert found is not None
    return found


@pytest.mark.parametrize("body", [b"", b"one", b"12345678", b"\r\n\r\nx", b": 3\r\n"])
def test_the_next_body_is_found_behind_the_same_head(body: bytes) -> None:
    data = request(body)
    assert known().body_size(data) == known().body_size(data + b"more") == len(body)
    assert data[known().size :] == body
    assert known().request(body) == understood(body)


@pytest.mark.parametrize(
    "data",
    {
        "cut": (HEAD % 3)[:-1],
        "another header": request(b"one").replace(b"x-b: c", b"x-b: d"),
        "one header more": request(b"one").replace(b"x-b: c", b"x-b: c\r\nx-d: e"),
        "signed": request(b"one").replace(b": 3", b": +"),
        "no length": request(b"").replace(b": 0", b": "),
        "a space": request(b"").replace(b": 0", b":  "),
        "two lengths": request(b"one").replace(b": 3", b": 3, 3"),
        "a digit that is no ASCII": request(b"one").replace(b": 3", b": \xb2"),
        "more digits": request(b"0123456789"),
        "nothing": b"",
    }.values(),
)
def test_what_is_not_the_same_is_for_the_parser(data: bytes) -> None:
    assert known().body_size(data) == -1


@pytest.mark.parametrize(
    ("data", "extra"),
    [
        (request(b"one"), [(b"content-length", b"3"), (b"Content-Length", b"3")]),
        (request(b"one"), [(b"traceparent", b"3")]),
        (request(b"one"), [(b"content-length", b"3"), (b"traceparent", b"t")]),
        (request(b"one"), [(b"content-length", b"4")]),
        (request(b"one"), [(b"x-b", b"c"), (b"content-length", b"")]),
        (request(b"one").replace(b": 3", b":  3"), [(b"content-length", b"3")]),
        (request(b"one").replace(b"/1.1\r\n", b"/1.1\n"), [(b"content-length", b"3")]),
        ((HEAD % 3)[:-1], [(b"content-length", b"3")]),
    ],
)
def test_a_head_whose_length_cannot_be_cut_out_is_not_known(
    data: bytes, extra: list[tuple[bytes, bytes]]
) -> None:
    assert KnownHead.of(data, (*understood(b"one")[:3], extra, b"one", True, True)) is None


def test_a_long_head_is_not_remembered() -> None:
    data = request(b"one").replace(b"x-b: c", b"x-b: " + b"c" * 8192)
    assert KnownHead.of(data, understood(b"one")) is None


def test_what_counts_attempts_is_part_of_a_head() -> None:
    attempts = (b"x-stainless-retry-count", b"0")
    extra = [attempts, (b"content-length", b"3")]
    found = KnownHead.of(request(b"one"), (*understood(b"one")[:3], extra, b"one", True, True))
    assert found is not None
    assert found.request(b"12")[3] == [attempts, (b"content-length", b"2")]


@pytest.mark.anyio
async def test_requests_reach_the_server_as_they_came_however_they_are_cut() -> None:
    requests = [chat("first"), *(chat(f"{number:02}") for number in range(40))]
    async with rig() as here:
        assert (await here.ask(requests[0])).status == 200
        for number, data in enumerate(requests[1:]):
            head = data.index(b"\r\n\r\n") + 4
            place = (len(data), head, head + number, head - number)[number % 4]
            here.connection.data_received(data[:place])
            if place < len(data):
                here.connection.data_received(data[place:])
            assert (await here.client.answer()).status == 200
        bodies = [data.partition(b"\r\n\r\n")[2] for data in requests]
        assert [request.body for request in here.server.requests] == bodies
