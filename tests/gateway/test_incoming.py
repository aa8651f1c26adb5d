"""Whole requests, however their bytes come: with heads that are known, and without."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.gateway.incoming import HEAD_S, Incoming
from headway.gateway.refusal import Refusal
from headway.gateway.request import Request
from tests.gateway.bare_requests import HEAD, request


class Heard(Incoming):
    """Writes down what is told of the bytes that come."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []
        self.due_s: list[float] = []

    def _most_body_bytes(self) -> int:
        return 40

    def _request_came(self, request: Request, size: int) -> None:
        self.told.append((request, size))

    def _rest_is_due_in(self, seconds: float) -> None:
        self.due_s.append(seconds)

    def _continue(self) -> None:
        self.told.append("continue")

    def _turn_away(self, refusal: Refusal) -> None:
        self.told.append((refusal.status, refusal.reason))
        self._stop_reading()

    def _fault(self, error: BaseException) -> None:
        raise error


LINES = (
    b"host: a",
    b"Host:b",
    b"connection: close",
    b"connection: keep-alive",
    b"expect: 100-continue",
    b"transfer-encoding: chunked",
    b"traceparent: t",
    b"Idempotency-Key: i",
    b"x-a: content-length: 3",
    b"upgrade: websocket",
)
LENGTHS = (
    b"content-length: %d",
    b"Content-Length: %d",
    b"CONTENT-LENGTH: %d",
    b"content-length:%d",
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([b"", b"a", b"one", b"0\r\n\r\n", b"\r\n\r\n" * 3, b"x" * 41]))
    lines = draw(st.lists(st.sampled_from(LINES), max_size=2, unique=True))
    place = draw(st.integers(0, len(lines)))
    length = draw(st.sampled_from(LENGTHS)) % len(body)
    start = draw(
        st.sampled_from([b"POST /a HTTP/1.1", b"\r\nPOST /b HTTP/1.1", b"GET /c HTTP/1.0"])
    )
    return b"\r\n".join([start, *lines[:place], length, *lines[place:], b"", body])


REPEATED = st.lists(requests(), min_size=1, max_size=2).flatmap(
    lambda few: st.lists(st.sampled_from(few), min_size=2, max_size=6)
)


@given(
    data=st.data(),
    pieces=REPEATED,
    bodies=st.lists(st.sampled_from([b"two", b"z" * 12, b"y" * 41])),
)
@settings(max_examples=400)
def test_requests_mean_what_their_bytes_one_by_one_mean(
    data: st.DataObject, pieces: list[bytes], bodies: list[bytes]
) -> None:
    pieces = [*pieces, *map(request, bodies), request(b"end")]
    few, by_bytes = Heard(), Heard()
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(pieces) - 1))
        pieces[place : place + 2] = [b"".join(pieces[place : place + 2])]
    for piece in pieces:
        cuts = data.draw(st.sets(st.integers(0, len(piece)), max_size=3))
        head = piece.find(b"\r\n\r\n") + 4
        cuts |= data.draw(st.sampled_from([set(), {head}, {head + 1}]))
        for start, end in pairwise([0, *sorted(cuts), len(piece)]):
            few.data_received(piece[start:end])
    for piece in pieces:
        for place in range(len(piece)):
            by_bytes.data_received(piece[place : place + 1])
    assert few.told == by_bytes.told


def test_of_two_requests_in_one_read_none_is_taken_for_the_other() -> None:
    heard, one = Heard(), request(b"one")
    other = one.replace(b"POST /v1", b"POST /v2")
    for piece in (one + other, one, other):
        heard.data_received(piece)
    urls = [told[0][1] for told in heard.told if isinstance(told, tuple)]
    assert urls == [b"/v1/chat/completions", b"/v2/chat/completions"] * 2


def test_what_follows_a_body_is_the_next_request() -> None:
    heard, one = Heard(), request(b"one")
    for piece in (
        one,
        HEAD % 3,
        b"two" + one + one[:20],
        one[20:],
        one[:-1],
        one[-1:] + HEAD % 5,
        b"three",
    ):
        heard.data_received(piece)
    assert [told[0][4] for told in heard.told if isinstance(told, tuple)] == [
        *(b"one", b"two", b"one", b"one", b"one", b"three")
    ]


def test_a_body_that_looks_like_the_request_before_it_stays_a_body() -> None:
    heard, inner = Heard(), b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"
    around = b"PUT / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (len(inner) + 1)
    for piece in (inner + b"a", around, inner + b"b", inner + b"c", inner[:16], inner[16:] + b"d"):
        heard.data_received(piece)
    bodies = [told[0][4] for told in heard.told if isinstance(told, tuple)]
    assert bodies == [b"a", inner + b"b", b"c", b"d"]


def test_what_is_turned_away_is_forgotten_and_gets_no_more_time() -> None:
    heard, refused = Heard(), HEAD % 50
    heard.data_received(refused + b"x" * 50 + refused[:30])
    assert heard.told == [(413, "body_too_large")]
    assert heard.due_s == [HEAD_S]
