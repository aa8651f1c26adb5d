"""What is kept of an answer, and what it takes."""

import pytest

from headway.gateway import kept
from headway.gateway.kept import Kept
from headway.wire.exchange import AnswerFacts, Usage

FACTS = AnswerFacts(True, False, True, None, "m", Usage(), "stop", (), 2, 0)


def keep(body: bytes, date: bytes = b"today") -> Kept:
    headers = [(b"content-type", b"application/json"), (b"date", date)]
    return Kept.of(200, headers, body, FACTS, is_stream=False)


def test_a_hit_is_written_with_its_length_and_its_age() -> None:
    one = keep(b"{}")
    assert one.written(2.5, keeps_alive=True, has_body=True) == (
        b"HTTP/1.1 200 OK\r\n"
        b"content-type: application/json\r\n"
        b"content-length: 2\r\n"
        b"age: 2\r\n"
        b"x-headway-cache: hit\r\n\r\n{}"
    )
    closing = one.written(0, keeps_alive=False, has_body=False)
    assert closing.endswith(
        b"content-length: 2\r\nage: 0\r\nx-headway-cache: hit\r\nconnection: close\r\n\r\n"
    )


def test_heads_that_are_alike_are_one_object() -> None:
    first, second = keep(b"{}", b"today"), keep(b"[1]", b"tomorrow")
    assert first.head is second.head
    assert kept._read(kept._written(first)).head is first.head


def test_heads_are_shared_within_bounds() -> None:
    for number in range(1_000):
        one = Kept.of(200, [(b"etag", b"%d" % number)], b"{}", FACTS, is_stream=False)
        assert one.head.endswith(b"etag: %d\r\n" % number)
    assert len(kept._heads) <= 256


def test_what_other_processes_keep_has_its_length_in_the_head() -> None:
    one = keep(b"{}")
    written = kept._written(one)
    assert written[1] == b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + (
        b"content-length: 2\r\n"
    )
    again = kept._read(written)
    assert (again.status, again.head, again.body, again.facts) == (200, one.head, b"{}", FACTS)


def test_a_head_of_another_body_is_refused_lest_an_answer_has_two_lengths() -> None:
    status, head, _, facts = kept._written(keep(b"{}"))
    with pytest.raises(TypeError, match="another body"):
        kept._read((status, head, b"longer", facts))
