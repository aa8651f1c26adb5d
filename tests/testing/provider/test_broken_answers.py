"""Answers broken at the byte level, seen through bare sockets and through the SDKs."""

import gzip
import json
import zlib

import anthropic
import httpx2
import openai
import pytest

from headway.testing import Answer, Fault, Provider
from headway.testing.provider.encoding import StoredBrotli
from headway.testing.provider.fault import Ending
from tests.testing.provider.questions import (
    HELLO,
    asked,
    body_of,
    connect,
    everything,
    request_bytes,
)

ASKED = {"model": "g", "messages": HELLO, "stream": True}
PLAIN = {"model": "g", "messages": HELLO}


def whole_stream() -> bytes:
    with Provider(dated=1_800_000_000) as fresh:
        return body_of(asked(fresh, ASKED))


def cut_stream(fault: Fault, body: object = ASKED) -> tuple[bytes, bool, str]:
    with Provider(dated=1_800_000_000) as fresh:
        fresh.fail_next(fault)
        with connect(fresh) as connection:
            connection.sendall(request_bytes("/v1/chat/completions", body))
            received, was_reset = everything(connection)
        return received, was_reset, fresh.log[0].ending


@pytest.mark.parametrize("ending", ["reset", "close", "end"])
def test_a_stream_is_cut_at_the_very_byte(ending: Ending) -> None:
    whole = whole_stream()
    for cut_after in (0, 1, 17, len(whole) // 2, len(whole) - 1, len(whole)):
        received, was_reset, ended = cut_stream(Fault(cut_after=cut_after, ending=ending))
        assert body_of(received) == whole[:cut_after]
        assert was_reset == (ending == "reset")
        assert received.endswith(b"0\r\n\r\n") == (ending == "end")
        assert ended == "fault"


@pytest.mark.parametrize("ending", ["reset", "close"])
def test_nothing_comes_before_the_headers(ending: Ending) -> None:
    received, was_reset, ended = cut_stream(Fault(ending=ending))
    assert (received, was_reset, ended) == (b"", ending == "reset", "fault")


def test_a_plain_answer_is_cut() -> None:
    received, was_reset, _ = cut_stream(Fault(cut_after=10), PLAIN)
    assert was_reset
    assert len(body_of(received)) == 10
    received, was_reset, _ = cut_stream(Fault(cut_after=10, ending="end"), PLAIN)
    assert b"content-length: 10\r\n" in received
    assert not was_reset


def test_without_the_terminal_event() -> None:
    received, was_reset, ended = cut_stream(Fault(without_terminal=True))
    assert received.endswith(b"0\r\n\r\n")
    assert not was_reset
    assert body_of(received) == whole_stream().removesuffix(b"data: [DONE]\n\n")
    assert ended == "fault"


def test_garbage_in_mid_stream() -> None:
    received, _, ended = cut_stream(Fault(garbage=b"data: {oh no\n\n", at_event=1))
    events = body_of(received).split(b"\n\n")
    assert events[1] == b"data: {oh no"
    assert events[-2] == b"data: [DONE]"
    assert ended == "fault"


@pytest.mark.parametrize("error", [3, -3])
def test_wrong_content_length(error: int) -> None:
    received, _, ended = cut_stream(Fault(length_error=error), PLAIN)
    announced = int(received.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert announced == len(received.partition(b"\r\n\r\n")[2]) + error
    assert ended == "fault"


def test_sdks_see_the_broken_stream(
    model_provider: Provider,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
) -> None:
    model_provider.fail_next(cut_after=300)
    with pytest.raises(openai.APIConnectionError):
        list(openai_client.chat.completions.create(model="g", messages=HELLO, stream=True))
    model_provider.fail_next(ending="reset")
    with pytest.raises(openai.APIConnectionError):
        openai_client.chat.completions.create(model="g", messages=HELLO)
    model_provider.fail_next(cut_after=300, ending="close")
    with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
        list(
            anthropic_client.messages.create(model="c", max_tokens=99, messages=HELLO, stream=True)
        )


def test_error_event_in_mid_stream(
    model_provider: Provider,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
) -> None:
    model_provider.fail_next(error_event="server_error", message="it broke", times=2)
    with pytest.raises(openai.APIError, match="it broke"):
        list(openai_client.chat.completions.create(model="g", messages=HELLO, stream=True))
    *_, last = openai_client.responses.create(model="g", input="hi", stream=True)
    assert (last.type, getattr(last, "code", None)) == ("error", "server_error")
    model_provider.fail_next(error_event="overloaded_error", at_event=3)
    stream = anthropic_client.messages.create(model="c", max_tokens=99, messages=HELLO, stream=True)
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(stream)
    assert caught.value.type == "overloaded_error"
    assert [one.ending for one in model_provider.log] == ["fault"] * 3


def test_never_answering(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    model_provider.fail_next(never_answers=True)
    with pytest.raises(openai.APITimeoutError):
        openai_client.chat.completions.create(model="g", messages=HELLO, timeout=0.05)


@pytest.mark.parametrize("stream", [False, True])
def test_gzip_is_negotiated(stream: bool) -> None:
    with Provider(encodings=["br", "gzip"]) as provider, httpx2.Client() as client:
        url = f"{provider.openai_url}/chat/completions"
        headers = {"authorization": "Bearer k", "accept-encoding": "gzip;q=0.5, br;q=0"}
        body = {**PLAIN, "stream": stream}
        answer = client.post(url, json=body, headers=headers)
        assert answer.headers["content-encoding"] == "gzip"
        assert "You" in answer.text
        headers["accept-encoding"] = "identity"
        plain = client.post(url, json=body, headers=headers)
        assert "content-encoding" not in plain.headers


def test_an_encoded_stream_can_be_read_event_by_event() -> None:
    received, _, _ = cut_stream(Fault(encoding="gzip"))
    decoder = zlib.decompressobj(wbits=31)
    _, _, chunked = received.partition(b"\r\n\r\n")
    size, _, rest = chunked.partition(b"\r\n")
    first = decoder.decompress(rest[: int(size, 16)])
    assert first.startswith(b"data: ")
    assert first.endswith(b"\n\n")
    assert gzip.decompress(body_of(received)) == whole_stream()


def unstored(data: bytes) -> bytes:
    """Reads the stored kind of Brotli, bit by bit, as RFC 7932 has it."""
    bits, out = 1, bytearray()  # after the window size, a single 0
    assert data[0] & 1 == 0
    while True:
        word = int.from_bytes(data[bits // 8 : bits // 8 + 4], "little") >> (bits % 8)
        if word & 1:
            assert word & 0b11 == 0b11  # last and empty
            assert bits // 8 + 1 == len(data)
            return bytes(out)
        assert word >> 1 & 0b11 == 0  # four half-bytes of length
        assert word >> 19 & 1  # stored
        length = (word >> 3 & 0xFFFF) + 1
        start = (bits + 20 + 7) // 8
        out += data[start : start + length]
        bits = (start + length) * 8


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_stored_brotli(size: int) -> None:
    encoder = StoredBrotli()
    data = bytes(at % 251 for at in range(size))
    pieces = [encoder.encode(data[:1000]), encoder.encode(data[1000:]), encoder.finish()]
    assert unstored(b"".join(pieces)) == data


def test_fifty_megabytes(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    model_provider.answers = Answer(text="x" * 50_000_000)
    plain = openai_client.chat.completions.create(model="g", messages=HELLO)
    assert len(plain.choices[0].message.content or "") == 50_000_000
    size = 0
    for chunk in openai_client.chat.completions.create(model="g", messages=HELLO, stream=True):
        size += len(chunk.choices[0].delta.content or "")
    assert size == 50_000_000


def test_raw_bytes_with_offsets(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    raw = whole_stream()
    ends = [at + 2 for at in range(len(raw)) if raw[at : at + 2] == b"\n\n"]
    model_provider.answers = Answer(raw=raw, offsets=ends, headers={"x-kept": "yes"})
    received = asked(model_provider, ASKED)
    assert b"x-kept: yes" in received
    assert body_of(received) == raw
    assert received.count(b"data: ") == len(ends)
    model_provider.answers = Answer(raw=b'{"error": {"message": "odd"}}', status=418)
    with pytest.raises(openai.APIStatusError, match="odd"):
        openai_client.chat.completions.create(model="g", messages=HELLO)
    assert json.loads(asked(model_provider, PLAIN).partition(b"\r\n\r\n")[2])["error"]
