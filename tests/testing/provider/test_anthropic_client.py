"""Anthropic's own client sees what it would see at Anthropic."""

import anthropic
import pytest
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
from pydantic import BaseModel

from headway.testing import Answer, Provider
from tests.testing.provider.questions import HELLO, MESSAGES_TOOL, anthropic_in_loop

MODEL = "claude-sonnet-5"


class Quote(BaseModel):
    symbol: str
    price: float


def test_messages(model_provider: Provider, anthropic_client: anthropic.Anthropic) -> None:
    message = anthropic_client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
    assert message.content == [TextBlock(type="text", text="You said: hello there")]
    assert (message.role, message.stop_reason, message.model) == ("assistant", "end_turn", MODEL)
    assert message.usage.output_tokens == 6
    assert message._request_id == model_provider.log[0].request_id


def test_stream_has_the_real_order(
    model_provider: Provider, anthropic_client: anthropic.Anthropic
) -> None:
    model_provider.answers = Answer(
        text="It is so.", reasoning="Let me see", tool_calls=[("price", {"symbol": "X"})]
    )
    raw = anthropic_client.messages.with_streaming_response.create(
        model=MODEL, max_tokens=100, messages=HELLO, tools=[MESSAGES_TOOL], stream=True
    )
    with raw as response:
        names = [line[7:] for line in response.iter_lines() if line.startswith("event: ")]
    compact = [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    opening = ["message_start", "content_block_start", "ping", *block[1:]]
    assert compact == [*opening, *block, *block, "message_delta", "message_stop"]


def test_stream_helper_puts_the_blocks_together(
    model_provider: Provider, anthropic_client: anthropic.Anthropic
) -> None:
    given: list[dict[str, object]] = [{"symbol": "NVDA"}, {"symbol": "AAPL", "deep": [1, {}]}]
    calls = [("price", arguments) for arguments in given]
    model_provider.answers = Answer(text="Looking.", reasoning="Let me see", tool_calls=calls)
    with anthropic_client.messages.stream(
        model=MODEL, max_tokens=100, messages=HELLO, tools=[MESSAGES_TOOL]
    ) as stream:
        streamed = stream.get_final_message()
    plain = anthropic_client.messages.create(
        model=MODEL, max_tokens=100, messages=HELLO, tools=[MESSAGES_TOOL]
    )
    for message in (streamed, plain):
        thinking, text, *uses = message.content
        assert isinstance(thinking, ThinkingBlock)
        assert (thinking.thinking, len(thinking.signature)) == ("Let me see", 64)
        assert isinstance(text, TextBlock)
        assert text.text == "Looking."
        assert [use.input for use in uses if isinstance(use, ToolUseBlock)] == given
        assert message.stop_reason == "tool_use"
    assert streamed.usage.output_tokens == plain.usage.output_tokens


def test_a_tool_loop_ends(model_provider: Provider, anthropic_client: anthropic.Anthropic) -> None:
    model_provider.answers = lambda question: (
        f"{question.tool_results[0].name}: {question.tool_results[0].text}"
        if question.tool_results
        else Answer(tool_calls=[("price", {"symbol": "X"})])
    )
    asking = anthropic_client.messages.create(
        model=MODEL, max_tokens=100, messages=HELLO, tools=[MESSAGES_TOOL]
    )
    use = asking.content[0]
    assert isinstance(use, ToolUseBlock)
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "12 dollars"}
    turns = [*HELLO, asking.to_param(), {"role": "user", "content": [result]}]
    final = anthropic_client.messages.create(
        model=MODEL, max_tokens=100, messages=turns, tools=[MESSAGES_TOOL]
    )
    assert final.content == [TextBlock(type="text", text="price: 12 dollars")]


def test_structured_output_and_forced_tool(anthropic_client: anthropic.Anthropic) -> None:
    parsed = anthropic_client.messages.parse(
        model=MODEL, max_tokens=100, messages=HELLO, output_format=Quote
    )
    assert parsed.parsed_output == Quote(symbol="example symbol", price=1.0)
    forced = anthropic_client.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=HELLO,
        tools=[MESSAGES_TOOL],
        tool_choice={"type": "tool", "name": "price"},
    )
    use = forced.content[0]
    assert isinstance(use, ToolUseBlock)
    assert use.input == {"symbol": "example symbol"}


def test_stop_reasons(model_provider: Provider, anthropic_client: anthropic.Anthropic) -> None:
    model_provider.answers = ["one two three", "one two three", Answer(refusal="I will not.")]
    cut = anthropic_client.messages.create(model=MODEL, max_tokens=1, messages=HELLO)
    assert (cut.stop_reason, cut.content[0]) == ("max_tokens", TextBlock(type="text", text="one "))
    stopped = anthropic_client.messages.create(
        model=MODEL, max_tokens=10, messages=HELLO, stop_sequences=[" three"]
    )
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", " three")
    refused = anthropic_client.messages.create(model=MODEL, max_tokens=10, messages=HELLO)
    assert refused.stop_reason == "refusal"


def test_count_tokens_agrees_with_usage(anthropic_client: anthropic.Anthropic) -> None:
    counted = anthropic_client.messages.count_tokens(
        model=MODEL, messages=HELLO, system="Be kind.", tools=[MESSAGES_TOOL]
    )
    message = anthropic_client.messages.create(
        model=MODEL, max_tokens=9, messages=HELLO, system="Be kind.", tools=[MESSAGES_TOOL]
    )
    assert counted.input_tokens == message.usage.input_tokens > 10


def test_models(anthropic_client: anthropic.Anthropic) -> None:
    assert next(model.type for model in anthropic_client.models.list()) == "model"
    assert anthropic_client.models.retrieve(MODEL).display_name == MODEL


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\.0\.role"),
        (
            {
                "messages": [
                    *HELLO,
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "t1", "name": "p", "input": {}}],
                    },
                    {"role": "user", "content": "never mind"},
                ]
            },
            "without `tool_result` blocks",
        ),
    ],
)
def test_wrong_requests(
    anthropic_client: anthropic.Anthropic, body: dict[str, object], said: str
) -> None:
    asked: dict[str, object] = {"model": MODEL, "max_tokens": 9, "messages": HELLO, **body}
    with pytest.raises(anthropic.BadRequestError, match=said) as caught:
        anthropic_client.post("/v1/messages", body=asked, cast_to=object)
    assert caught.value.type == "invalid_request_error"


async def test_async_plain_and_streaming() -> None:
    async with Provider() as provider, anthropic_in_loop(provider) as client:
        plain = await client.messages.create(model=MODEL, max_tokens=9, messages=HELLO)
        async with client.messages.stream(model=MODEL, max_tokens=9, messages=HELLO) as stream:
            words = "".join([text async for text in stream.text_stream])
        assert plain.content == [TextBlock(type="text", text=words)]
        assert [asked.ending for asked in provider.log] == ["complete", "complete"]
