"""Server-sent events in every legal framing."""

import time

import pytest

from headway.errors import BadSetup
from headway.wire.sse import EventReader, ServerEvent, write_event


def read(*pieces: bytes) -> list[ServerEvent]:
    reader = EventReader()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.finish()]


def data_of(*pieces: bytes) -> list[str]:
    return [event.data for event in read(*pieces)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_ending_is_read(end: bytes) -> None:
    stream = b"event: a\ndata: 1\n\ndata: 2\n\n".replace(b"\n", end)
    first, second = read(stream)
    assert (first.event, first.data, second.event, second.data) == ("a", "1", None, "2")
    assert (first.start, first.end) == (0, second.start)
    assert second.end == len(stream)


def test_line_endings_may_be_mixed() -> None:
    assert data_of(b"data: 1\r\n\ndata: 2\r\rdata: 3\n\r\n") == ["1", "2", "3"]


def test_lines_of_data_are_joined_by_line_feeds() -> None:
    assert data_of(b"data: a\ndata:\ndata: b\n\n") == ["a\n\nb"]


def test_one_space_after_the_colon_is_left_out_and_none_is_needed() -> None:
    assert data_of(b"data:a\n\ndata: a\n\ndata:  a\n\ndata\n\n") == ["a", "a", " a", ""]


def test_comments_belong_to_no_event() -> None:
    reader = EventReader()
    stream = b": OPENROUTER PROCESSING\n\n:\ndata: a\n: between\ndata: b\n\n"
    (event,) = reader.feed(stream)
    assert event.data == "a\nb"
    assert (event.start, event.end) == (stream.index(b"data: a"), len(stream))
    assert reader.comments == 3


def test_a_byte_order_mark_is_passed_over_wherever_it_is_cut() -> None:
    stream = b"\xef\xbb\xbfdata: a\n\n"
    for at in range(len(stream)):
        assert data_of(stream[:at], stream[at:]) == ["a"]


def test_id_and_retry_are_read_and_nonsense_in_them_is_not() -> None:
    good, bad, huge = read(
        b"id: 7\nretry: 250\ndata: a\n\n"
        b"id: 7\0\nretry: 2.5\ndata: b\n\n"
        b"retry: " + b"9" * 6000 + b"\ndata: c\n\n"
    )
    assert (good.id, good.retry_ms) == ("7", 250)
    assert (bad.id, bad.retry_ms) == (None, None)
    assert huge.retry_ms is None


def test_unknown_fields_and_blocks_without_data_are_passed_over() -> None:
    assert data_of(b"event: a\n\nfoo: bar\ndata: b\n\nid: 1\n\n") == ["b"]
    assert read(b"event: a\n\ndata: b\n\n")[0].event is None


def test_text_is_whole_however_its_bytes_are_cut() -> None:
    stream = 'data: {"price": "12 € 🙂"}\n\n'.encode()
    assert data_of(*(stream[at : at + 1] for at in range(len(stream)))) == ['{"price": "12 € 🙂"}']


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert data_of(b"data: a\xff\xfeb\n\n") == ["a\ufffd\ufffdb"]


def test_a_stream_of_a_byte_order_mark_alone_is_whole() -> None:
    reader = EventReader()
    reader.feed(b"\xef\xbb\xbf")
    assert (reader.finish(), reader.incomplete) == ([], False)
    late = EventReader()
    late.feed(b"data: a\n\n\xef\xbb\xbf")
    late.finish()
    assert late.incomplete


def test_an_event_comes_with_its_last_byte_and_not_later() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\n\r") == []
    assert [event.end for event in reader.feed(b"\n")] == [11]
    assert [event.data for event in reader.feed(b"data: b\n\n")] == ["b"]


def test_a_carriage_return_at_the_very_end_ends_the_last_event() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\r") == []
    assert [event.data for event in reader.finish()] == ["a"]
    assert not reader.incomplete


@pytest.mark.parametrize("rest", [b"data: a", b"data: a\n", b"event: a\n", b"d"])
def test_half_an_event_at_the_end_is_told(rest: bytes) -> None:
    reader = EventReader()
    reader.feed(b"data: whole\n\n" + rest)
    assert reader.finish() == []
    assert reader.incomplete


@pytest.mark.parametrize("rest", [b"", b": ping", b": ping\n", b"\n", b"\r\n\r"])
def test_a_comment_or_a_blank_line_at_the_end_is_no_half_event(rest: bytes) -> None:
    reader = EventReader()
    reader.feed(b"data: whole\n\n" + rest)
    reader.finish()
    assert not reader.incomplete


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_event_that_is_too_large_is_dropped_and_the_next_one_read(size: int) -> None:
    stream = b"data: " + b"x" * 200 + b"\n\ndata: ok\n\n:" + b"c" * 300 + b"\ndata: ok\n\n"
    reader = EventReader(max_event_bytes=100)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    events = [event for piece in pieces for event in reader.feed(piece)]
    assert [event.data for event in events] == ["ok", "ok"]
    assert reader.oversized == 1
    assert stream[events[0].start : events[0].end] == b"data: ok\n\n"


def test_a_line_without_end_takes_no_memory() -> None:
    for begin in (b":", b"data: ", b"\xef\xbb\xbf:"):
        reader = EventReader(max_event_bytes=1000)
        reader.feed(begin)
        for _ in range(1000):
            reader.feed(b"x" * 1000)
        assert len(reader._part) < 2000


def test_a_long_comment_after_a_byte_order_mark_is_a_comment() -> None:
    reader = EventReader(max_event_bytes=10)
    pieces = (b"\xef\xbb\xbf", b": comm", b"ent" * 10, b"\n\ndata: a\n\n")
    assert [event.data for piece in pieces for event in reader.feed(piece)] == ["a"]
    assert (reader.comments, reader.oversized) == (1, 0)


def test_time_grows_with_the_bytes_and_not_with_their_square() -> None:
    def cost(size: int) -> float:
        stream = [b"x"] * size
        reader = EventReader()
        begun = time.process_time()
        reader.feed(b"data: ")
        for piece in stream:
            reader.feed(piece)
        reader.feed(b"\n\n")
        return time.process_time() - begun

    assert min(cost(80_000) for _ in range(3)) < 12 * max(cost(20_000), 0.005)


def test_what_is_written_is_read_again() -> None:
    written = write_event("a\n b\n", event="delta", id="4")
    assert written == b"event: delta\nid: 4\ndata: a\ndata:  b\ndata: \n\n"
    (event,) = read(written)
    assert (event.event, event.id, event.data) == ("delta", "4", "a\n b\n")


@pytest.mark.parametrize("name", ["a\nb", "a\rb"])
def test_a_name_of_several_lines_is_refused(name: str) -> None:
    with pytest.raises(BadSetup, match="one line"):
        write_event("x", event=name)
    with pytest.raises(BadSetup, match="one line"):
        write_event("x", id="a\0b")
