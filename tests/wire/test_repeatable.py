"""Which requests may be answered from an earlier answer (trap 1)."""

import json
from typing import Any

import pytest

from headway.wire.exchange import read_request

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
FUNCTION = {"type": "function", "function": {"name": "f"}}


def why_not(path: str, **body: Any) -> str | None:
    facts = read_request("POST", path, {}, json.dumps(body).encode())
    assert facts.is_repeatable == (facts.why_not is None)
    return facts.why_not


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 0},
        {"temperature": 0.0},
        {"seed": 7},
        {"temperature": 1, "seed": 0},
        {"temperature": 0, "n": 1, "store": False, "background": False, "audio": None},
        {"temperature": 0, "n": None, "store": None, "previous_response_id": None},
        {"temperature": 0, "tools": [FUNCTION, {"type": "custom", "name": "g"}]},
        {"temperature": 0, "tools": [{"type": "namespace", "tools": [{"type": "function"}]}]},
        {"temperature": 0, "modalities": ["text"]},
        {"temperature": 0, "prompt": {"id": "p", "version": "2"}},
        {"temperature": 0, "unknown": {"x": 1}},
    ],
)
def test_repeatable(path: str, body: dict[str, Any]) -> None:
    assert why_not(path, **body) is None


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "temperature 0"),
        ({"temperature": 1}, "temperature 0"),
        ({"temperature": None}, "temperature 0"),
        ({"temperature": False}, "temperature 0"),
        ({"temperature": "0"}, "temperature 0"),
        ({"temperature": 0.0001}, "temperature 0"),
        ({"seed": None}, "temperature 0"),
        ({"seed": True}, "temperature 0"),
        ({"temperature": 0, "n": 2}, "n is not 1"),
        ({"seed": 1, "n": True}, "n is not 1"),
        ({"temperature": 0, "store": True}, "store"),
        ({"temperature": 0, "background": True}, "background"),
        ({"temperature": 0, "previous_response_id": "r"}, "previous_response_id"),
        ({"temperature": 0, "conversation": {"id": "c"}}, "conversation"),
        ({"temperature": 0, "input": [{"type": "item_reference", "id": "i"}]}, "item_reference"),
        ({"temperature": 0, "prompt": {"id": "p"}}, "prompt has no version"),
        ({"temperature": 0, "prompt_cache_options": {"prewarm": True}}, "prewarm"),
        ({"temperature": 0, "audio": {"voice": "v"}}, "audio"),
        ({"temperature": 0, "modalities": ["text", "audio"]}, "audio"),
        ({"temperature": 0, "modalities": ["image"]}, "other than text"),
        ({"temperature": 0, "web_search_options": {}}, "searches the web"),
        ({"temperature": 0, "model": "gpt-4o-search-preview"}, "searches the web"),
        ({"temperature": 0, "plugins": [{"id": "web"}]}, "plugins"),
        ({"temperature": 0, "tools": [FUNCTION, {"type": "web_search"}]}, "web_search"),
        ({"temperature": 0, "tools": [{"type": "code_interpreter"}]}, "code_interpreter"),
        ({"temperature": 0, "tools": [{"type": "computer_use_preview"}]}, "computer_use"),
        ({"temperature": 0, "tools": [{"type": "file_search"}]}, "file_search"),
        ({"temperature": 0, "tools": [{"type": "image_generation"}]}, "image_generation"),
        ({"temperature": 0, "tools": [{"type": "not known yet"}]}, "not known yet"),
        ({"temperature": 0, "tools": [{}]}, "unknown type"),
        (
            {"temperature": 0, "tools": [{"type": "namespace", "tools": [{"type": "shell"}]}]},
            "shell",
        ),
    ],
)
def test_not_repeatable(path: str, body: dict[str, Any], why: str) -> None:
    assert why in (why_not(path, **body) or "")


def test_an_mcp_server_is_repeatable_only_where_its_tools_are_restricted_to_reading() -> None:
    server: dict[str, Any] = {"type": "mcp", "server_label": "s", "server_url": "u"}
    reading = {**server, "allowed_tools": {"read_only": True}}
    by_name = {**server, "allowed_tools": ["search"]}
    assert why_not(RESPONSES, temperature=0, tools=[reading]) is None
    for tool in (server, by_name, {**server, "allowed_tools": {"read_only": False}}):
        assert "MCP" in (why_not(RESPONSES, temperature=0, tools=[reading, tool]) or "")


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 0},
        {"temperature": 0.0, "thinking": {"type": "disabled"}, "container": None},
        {"temperature": 0, "tools": [{"name": "f", "input_schema": {}}]},
        {"temperature": 0, "tools": [{"type": "custom", "name": "f", "input_schema": {}}]},
        {"temperature": 0, "tools": [{"type": "bash_20250124", "name": "bash"}]},
        {
            "temperature": 0,
            "tools": [{"type": "text_editor_20250728"}, {"type": "memory_20250818"}],
        },
    ],
)
def test_repeatable_message(body: dict[str, Any]) -> None:
    assert why_not(MESSAGES, **body) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "temperature 0"),
        ({"temperature": 1}, "temperature 0"),
        ({"seed": 1}, "temperature 0"),
        ({"temperature": 0, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking"),
        ({"temperature": 0, "thinking": {"type": "adaptive"}}, "thinking"),
        ({"temperature": 0, "tools": [{"type": "web_search_20260318"}]}, "web_search"),
        ({"temperature": 0, "tools": [{"type": "web_fetch_20260309"}]}, "web_fetch"),
        ({"temperature": 0, "tools": [{"type": "code_execution_20260521"}]}, "code_execution"),
        ({"temperature": 0, "tools": [{"type": "computer_20251124"}]}, "computer"),
        ({"temperature": 0, "tools": [{"type": "mcp_toolset"}]}, "mcp_toolset"),
        ({"temperature": 0, "tools": [{"type": 3}]}, "unknown type"),
        ({"temperature": 0, "mcp_servers": [{"type": "url"}]}, "MCP"),
        ({"temperature": 0, "container": "c"}, "container"),
        ({"temperature": 0, "thread": {"id": "t"}}, "thread"),
    ],
)
def test_not_repeatable_message(body: dict[str, Any], why: str) -> None:
    assert why in (why_not(MESSAGES, **body) or "")


def test_what_has_no_sampling_is_always_repeatable() -> None:
    assert why_not("/v1/embeddings", input="a", model="e") is None
    assert why_not("/v1/messages/count_tokens", messages=[]) is None
    assert "input" in (why_not("/v1/embeddings", model="e") or "")


def test_what_is_not_known_is_not_repeatable() -> None:
    assert "Headway knows" in (why_not("/v1/files", temperature=0) or "")
