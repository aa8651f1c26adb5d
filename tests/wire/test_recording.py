"""A recorded stream, cut where its events end."""

from headway.wire.recording import cut_into_events, without_comments

STREAM = b": hello\n\ndata: 1\n\n: ping\r\n\r\nevent: a\r\ndata: 2\r\n\r\nevent: empty\n\n"


def test_each_piece_ends_with_its_event() -> None:
    assert cut_into_events(STREAM) == [
        b": hello\n\ndata: 1\n\n",
        b": ping\r\n\r\nevent: a\r\ndata: 2\r\n\r\n",
        b"event: empty\n\n",
    ]


def test_a_half_event_at_the_end_is_a_piece_of_its_own() -> None:
    assert cut_into_events(b"data: 1\n\ndata: 2\n") == [b"data: 1\n\n", b"data: 2\n"]
    assert cut_into_events(b'{"a": 1}') == [b'{"a": 1}']
    assert cut_into_events(b"") == []


def test_comments_between_events_can_be_left_out() -> None:
    kept = b"data: 1\n\nevent: a\r\ndata: 2\r\n\r\nevent: empty\n\n"
    assert without_comments(STREAM) == kept
    assert without_comments(kept) == kept
    assert without_comments(b"event: a\n: c\n\ndata: 1\n\n") == b"event: a\n: c\n\ndata: 1\n\n"
    assert without_comments(b"data: 1\n: inside\n\n: last") == b"data: 1\n: inside\n\n"
