"""OpenAI's own client sees what it would see at OpenAI."""

import base64
import struct

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from headway.testing import Answer, Provider, Reported, ToolUse
from tests.testing.provider.questions import CHAT_TOOL, HELLO, RESPONSES_TOOL, openai_in_loop


class Quote(BaseModel):
    symbol: str
    price: float
    tags: list[str]


def test_chat(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="gpt-x", messages=HELLO)
    assert answer.choices[0].message.content == "You said: hello there"
    assert (answer.object, answer.model) == ("chat.completion", "gpt-x")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 6  # 21 bytes
    assert answer._request_id == model_provider.log[0].request_id


def test_chat_stream_has_the_real_order(openai_client: openai.OpenAI) -> None:
    chunks = list(
        openai_client.chat.completions.create(
            model="gpt-x", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    first, *middle, last, usage = chunks
    assert first.choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in middle) == "You said: hello there"
    assert {c.choices[0].finish_reason for c in [first, *middle]} == {None}
    assert last.choices[0].finish_reason == "stop"
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.total_tokens == usage.usage.prompt_tokens + 6
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_only_when_asked_for(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(model="gpt-x", messages=HELLO, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    asked = model_provider.log[0]
    assert asked.usage is not None
    assert asked.usage.tokens_out == 6
    assert not asked.was_told


def call_deltas(chunks: list[ChatCompletionChunk]) -> dict[int, tuple[str | None, str | None, str]]:
    calls: dict[int, tuple[str | None, str | None, str]] = {}
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or ():
            call_id, name, arguments = calls.get(delta.index, (None, None, ""))
            assert delta.function is not None
            calls[delta.index] = (
                call_id or delta.id,
                name or delta.function.name,
                arguments + (delta.function.arguments or ""),
            )
    return calls


def test_parallel_tool_calls(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    own = ToolUse("price", '{"symbol": "AAPL"}', id="call_own")
    model_provider.answers = Answer(tool_calls=[("price", {"symbol": "NVDA"}), own])
    plain = openai_client.chat.completions.create(
        model="gpt-x", messages=HELLO, tools=[CHAT_TOOL]
    ).choices[0]
    assert plain.finish_reason == "tool_calls"
    assert plain.message.content is None
    made = plain.message.tool_calls or []
    assert [call.id for call in made][1] == "call_own"
    streamed = list(
        openai_client.chat.completions.create(
            model="gpt-x", messages=HELLO, tools=[CHAT_TOOL], stream=True
        )
    )
    deltas = call_deltas(streamed)
    assert [name for _, name, _ in deltas.values()] == ["price", "price"]
    assert [text for *_, text in deltas.values()] == ['{"symbol":"NVDA"}', '{"symbol": "AAPL"}']
    assert streamed[-1].choices[0].finish_reason == "tool_calls"


def test_a_tool_loop_ends(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    model_provider.answers = lambda question: (
        "It is " + question.tool_results[0].text
        if question.tool_results
        else Answer(tool_calls=[("price", {"symbol": "X"})])
    )
    messages = list(HELLO)
    asking = (
        openai_client.chat.completions.create(model="gpt-x", messages=messages, tools=[CHAT_TOOL])
        .choices[0]
        .message
    )
    call = (asking.tool_calls or [])[0]
    messages += [asking, {"role": "tool", "tool_call_id": call.id, "content": "12 dollars"}]
    final = openai_client.chat.completions.create(
        model="gpt-x", messages=messages, tools=[CHAT_TOOL]
    )
    assert final.choices[0].message.content == "It is 12 dollars"


def test_structured_output(openai_client: openai.OpenAI) -> None:
    chat = openai_client.chat.completions.parse(
        model="gpt-x", messages=HELLO, response_format=Quote
    )
    assert chat.choices[0].message.parsed == Quote(
        symbol="example symbol", price=1.0, tags=["example tags"]
    )
    response = openai_client.responses.parse(model="gpt-x", input="hi", text_format=Quote)
    assert isinstance(response.output_parsed, Quote)


def test_reasoning_refusal_and_logprobs(
    model_provider: Provider, openai_client: openai.OpenAI
) -> None:
    model_provider.answers = [Answer(text="Yes.", reasoning="Let me think"), Answer(refusal="No.")]
    first = openai_client.chat.completions.create(
        model="gpt-x", messages=HELLO, logprobs=True, top_logprobs=1
    )
    assert (first.choices[0].message.model_extra or {})["reasoning_content"] == "Let me think"
    assert first.usage is not None
    assert first.usage.completion_tokens_details is not None
    assert first.usage.completion_tokens_details.reasoning_tokens == 3
    logprobs = first.choices[0].logprobs
    assert logprobs is not None
    assert [one.token for one in logprobs.content or ()] == ["Yes."]
    second = list(openai_client.chat.completions.create(model="g", messages=HELLO, stream=True))
    assert [c.choices[0].delta.refusal for c in second if c.choices[0].delta.refusal] == ["No."]


def test_limits_of_the_request_are_kept(
    model_provider: Provider, openai_client: openai.OpenAI
) -> None:
    model_provider.answers = "one two three four five"
    short = openai_client.chat.completions.create(
        model="gpt-x", messages=HELLO, max_completion_tokens=2, n=2
    )
    assert [choice.message.content for choice in short.choices] == ["one two ", "one two "]
    assert short.choices[0].finish_reason == "length"
    stopped = openai_client.chat.completions.create(model="g", messages=HELLO, stop=["three"])
    assert stopped.choices[0].message.content == "one two "
    incomplete = openai_client.responses.create(model="g", input="hi", max_output_tokens=2)
    assert incomplete.status == "incomplete"
    assert incomplete.incomplete_details is not None
    assert incomplete.incomplete_details.reason == "max_output_tokens"


def test_responses_stream_events(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    model_provider.answers = Answer(
        text="It is twelve.", reasoning="hm", tool_calls=[("price", {"symbol": "X"})]
    )
    events = list(
        openai_client.responses.create(
            model="gpt-x", input="hi", tools=[RESPONSES_TOOL], stream=True
        )
    )
    kinds = [event.type.removeprefix("response.") for event in events]
    compact = [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]
    assert compact == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final = events[-1]
    assert final.type == "response.completed"
    assert final.response.output_text == "It is twelve."
    assert [item.type for item in final.response.output] == [
        "reasoning",
        "message",
        "function_call",
    ]


def test_responses_stream_helper_agrees_with_plain(openai_client: openai.OpenAI) -> None:
    plain = openai_client.responses.create(model="gpt-x", input="hi")
    with openai_client.responses.stream(model="gpt-x", input="hi") as stream:
        final = stream.get_final_response()
    assert final.output_text == plain.output_text == "You said: hi"
    assert final.usage == plain.usage


def test_responses_go_on_from_an_earlier_one(
    model_provider: Provider, openai_client: openai.OpenAI
) -> None:
    first = openai_client.responses.create(model="gpt-x", input="my name is Ada")
    second = openai_client.responses.create(
        model="gpt-x", input="who am I?", previous_response_id=first.id
    )
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + 4
    with pytest.raises(openai.BadRequestError, match="not found"):
        openai_client.responses.create(model="g", input="hi", previous_response_id="resp_gone")


def test_embeddings(openai_client: openai.OpenAI) -> None:
    made = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["a red apple", "a green apple", "war and peace"]
    )
    red, green, war = (entry.embedding for entry in made.data)
    assert len(red) == 1536
    assert sum(value * value for value in red) == pytest.approx(1.0, abs=1e-5)
    near = sum(a * b for a, b in zip(red, green, strict=True))
    far = sum(a * b for a, b in zip(red, war, strict=True))
    assert near > 0.5 > far
    assert made.usage.prompt_tokens == 3 + 4 + 4
    raw = openai_client.embeddings.create(
        model="m", input="a red apple", dimensions=256, encoding_format="base64"
    )
    packed = base64.b64decode(str(raw.data[0].embedding))
    assert len(struct.unpack("<256f", packed)) == 256
    by_ids = openai_client.embeddings.create(model="m", input=[1, 2, 3], dimensions=8)
    assert by_ids.usage.prompt_tokens == 3


def test_models(openai_client: openai.OpenAI) -> None:
    assert openai_client.models.list().data
    assert openai_client.models.retrieve("anything").id == "anything"


def test_given_usage_is_told(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    told = Reported(tokens_in=5000, tokens_cached=4096, tokens_out=70, tokens_reasoning=64)
    model_provider.answers = Answer(text="x", usage=told)
    usage = openai_client.responses.create(model="g", input="hi").usage
    assert usage is not None
    assert (usage.input_tokens, usage.input_tokens_details.cached_tokens) == (5000, 4096)
    assert model_provider.totals().usage == told
    model_provider.answers = Answer(text="x", reports_usage=False)
    assert openai_client.chat.completions.create(model="g", messages=HELLO).usage is None
    assert not model_provider.log[-1].was_told


async def test_async_plain_and_streaming() -> None:
    async with Provider() as provider, openai_in_loop(provider) as client:
        plain = await client.chat.completions.create(model="gpt-x", messages=HELLO)
        stream = await client.chat.completions.create(model="gpt-x", messages=HELLO, stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(words) == plain.choices[0].message.content
        assert [asked.ending for asked in provider.log] == ["complete", "complete"]


async def test_the_same_requests_get_the_same_bytes() -> None:
    bodies: list[list[bytes]] = []
    for _ in range(2):
        async with Provider(dated=1_800_000_000) as provider, openai_in_loop(provider) as client:
            raw = client.chat.completions.with_raw_response
            answers = [await raw.create(model="gpt-x", messages=HELLO) for _ in range(2)]
            bodies.append([answer.content for answer in answers])
    assert bodies[0] == bodies[1]
    assert bodies[0][0] != bodies[0][1]  # but each answer has an id of its own
