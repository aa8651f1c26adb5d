"""Messages on lines: framing whatever the pieces, a peek that reads no more than it must."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wire.json_rpc import (
    Lines,
    Message,
    Odd,
    identity,
    notification,
    peek,
    request,
    response,
)


@given(st.lists(st.binary(max_size=12)), st.data())
def test_lines_do_not_depend_on_the_pieces(parts: list[bytes], data: st.DataObject) -> None:
    sent = b"\n".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    lines = Lines()
    got: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        got += lines.feed(sent[start:end])
    assert b"\n".join([*got, lines.rest()]) == sent
    assert lines.rest() == b""


def test_a_long_line_in_many_pieces_takes_time_in_proportion() -> None:
    lines = Lines()
    for _ in range(20_000):
        assert lines.feed(b"x" * 512) == []
    assert [len(line) for line in lines.feed(b"\n")] == [20_000 * 512]


def test_a_peek_leaves_the_inside_unread() -> None:
    seen = peek(b'{"jsonrpc":"2.0", "id" : 7 ,"method":"tools/call","params":{"a": [1 , 2]}}')
    assert isinstance(seen, Message)
    assert (seen.method, bytes(seen.params), bytes(seen.id)) == (
        "tools/call",
        b'{"a": [1 , 2]}',
        b"7",
    )


def test_a_peek_into_a_batch() -> None:
    assert peek(b' [{"id": 1}, {"id":2}]') == [b'{"id": 1}', b'{"id":2}']


@pytest.mark.parametrize(
    "line", [b"", b"hello", b'"x"', b"{", b"[1]", b"[]", b"\xff\xfe", b"[" * 9_000, b"[{}, 1]"]
)
def test_nothing_to_be_told(line: bytes) -> None:
    assert peek(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b' {"id":NaN}',
        b'{"method":3}',
        b'{"a":"\\ud800"}',
        b'[{"id":1}]',
        b'[{"id":NaN}]',
        b'{"a":' * 9_000,
    ],
)
def test_a_message_for_others_to_judge(line: bytes) -> None:
    assert peek(line) is not None


def test_of_an_odd_message_it_is_told_what_it_asks_for() -> None:
    seen = peek(b'{"id":7,"method":"tools/call","params":{"name":"x","arguments":NaN}}')
    assert isinstance(seen, Odd)
    assert (bytes(seen.id), seen.method, seen.result) == (b"7", "tools/call", msgspec.UNSET)
    assert peek(b'{"id":7,"result":NaN}') == Odd(id=msgspec.Raw(b"7"))


@given(st.binary(max_size=60))
def test_no_bytes_break_it(line: bytes) -> None:
    seen = peek(line)
    if isinstance(seen, Message):
        identity(seen.id)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"1", 1),
        (b'"1"', "1"),
        (b'"\\u0061"', "a"),
        (b"-3", -3),
        (b"1.5", None),
        (b"null", None),
        (b"true", None),
        (b"[1]", None),
    ],
)
def test_identity(raw: bytes, expected: int | str | None) -> None:
    assert identity(msgspec.Raw(raw)) == expected
    assert type(identity(msgspec.Raw(raw))) is type(expected)


def test_no_id_is_no_identity() -> None:
    assert identity(msgspec.UNSET) is None


def test_own_messages() -> None:
    assert json.loads(request("a-1", "tools/list", {})) == {
        "jsonrpc": "2.0",
        "id": "a-1",
        "method": "tools/list",
        "params": {},
    }
    assert json.loads(notification("m", {"x": 1})) == {
        "jsonrpc": "2.0",
        "method": "m",
        "params": {"x": 1},
    }
    assert response(b'"q"', b'{"a": 1}') == b'{"jsonrpc":"2.0","id":"q","result":{"a": 1}}\n'
