"""Calls out of what models answer, and results in the shape that each provider demands."""

import msgspec
import pytest
from anthropic.types import Message as AnthropicMessage
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from headway.errors import BadSetup
from headway.stream import Stream
from headway.tools.messages import calls_of, results_for
from headway.tools.outcome import CallResult, ToolCall

CHAT = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "look", "arguments": '{"at": "$1"}'},
                    },
                    {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
                ],
            },
        }
    ],
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {"type": "reasoning", "id": "rs", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "$1"}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls"},
    ],
}
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
    "content": [
        {"type": "text", "text": "Let me see."},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "$1"}},
    ],
}
LOOK = ToolCall("c1", "look", '{"at": "$1"}', literal=True)
SHELL = ToolCall("c2", "shell", {"input": "ls"}, literal=True, custom=True)


@pytest.mark.parametrize(
    "message",
    [
        CHAT,
        ChatCompletion.model_validate(CHAT),
        CHAT["choices"][0]["message"],  # type: ignore[index]
        RESPONSE,
        Response.model_validate(RESPONSE),
        RESPONSE["output"],
    ],
    ids=["chat", "chat object", "chat message", "response", "response object", "output"],
)
def test_calls_of_openai(message: object) -> None:
    assert calls_of(message) == [LOOK, SHELL]


@pytest.mark.parametrize(
    "message",
    [MESSAGE, AnthropicMessage.model_validate(MESSAGE), MESSAGE["content"]],
    ids=["dict", "object", "content"],
)
def test_calls_of_anthropic(message: object) -> None:
    assert calls_of(message) == [ToolCall("c1", "look", {"at": "$1"}, literal=True)]


def test_references_only_if_the_model_knows_of_them() -> None:
    assert [call.literal for call in calls_of(CHAT, references=True)] == [False, False]


@pytest.mark.parametrize("message", [{"role": "assistant", "content": "hello"}, {}, [], None])
def test_no_calls(message: object) -> None:
    assert calls_of(message) == []


def test_a_server_that_leaves_out_the_type() -> None:
    call = {"id": "c", "function": {"name": "look", "arguments": ""}}
    assert calls_of({"tool_calls": [call]}) == [ToolCall("c", "look", "", literal=True)]


@pytest.mark.parametrize("lacks", ["id", "name"])
def test_a_call_that_nobody_could_answer(lacks: str) -> None:
    call = {"type": "tool_use", "id": "c", "name": "look", "input": {}}
    with pytest.raises(BadSetup):
        calls_of([{**call, lacks: None}])


RESULTS = [
    CallResult("c1", "look", "done", {"price": 1.5}),
    CallResult("c2", "shell", "done", "text", custom=True),
    CallResult("c3", "look", "failed", error=LookupError("no such file")),
    CallResult("c4", "look", "done", Stream.of(["a", "b"])),
]
FAILURE = "Error: LookupError: no such file"


def test_results_for_chat() -> None:
    assert results_for(RESULTS, "openai.chat") == [
        {"role": "tool", "tool_call_id": "c1", "content": '{"price":1.5}'},
        {"role": "tool", "tool_call_id": "c2", "content": "text"},
        {"role": "tool", "tool_call_id": "c3", "content": FAILURE},
        {"role": "tool", "tool_call_id": "c4", "content": "ab"},
    ]


def test_results_for_responses() -> None:
    assert results_for(RESULTS[1:3], "openai.responses") == [
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "text"},
        {"type": "function_call_output", "call_id": "c3", "output": FAILURE},
    ]


def test_all_results_of_a_turn_are_one_message_for_anthropic() -> None:
    (message,) = results_for(RESULTS[1:3], "anthropic.messages")
    assert message == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c2", "content": "text"},
            {"type": "tool_result", "tool_use_id": "c3", "content": FAILURE, "is_error": True},
        ],
    }
    assert results_for([], "anthropic.messages") == []


def test_parts_that_a_wire_knows_stay_parts() -> None:
    image = [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]
    result = CallResult("c", "look", "done", image)
    (message,) = results_for([result], "anthropic.messages")
    (block,) = message["content"]  # type: ignore[misc]
    assert block["content"] == image  # type: ignore[index]
    (chat,) = results_for([result], "openai.chat")
    assert chat["content"] == msgspec.json.encode(image).decode()


def test_an_unknown_wire() -> None:
    with pytest.raises(BadSetup, match="'openai'"):
        results_for(RESULTS, "openai")  # type: ignore[arg-type]
