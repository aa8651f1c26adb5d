"""Whether a request may be answered from an earlier answer, and if not, why.

Repeatable is what would be answered alike once more and leaves nothing behind on the server.
``store`` makes a request unrepeatable only where it is true: the OpenAI responses API stores by
default, and a client that does not say so does not ask for a record of its own. Whoever goes on
from a stored answer names it (``previous_response_id``), and such a request is not repeatable.
A picture or a file given by its address counts as that address.
"""

from __future__ import annotations

from collections.abc import Callable

from .facts import Wire
from .json_values import as_list, as_object

_Rule = Callable[[dict[str, object]], str | None]

_OPENAI_CLIENT_TOOLS = ("function", "custom")
_ANTHROPIC_CLIENT_TOOLS = ("bash_", "text_editor_", "memory_")
_SEARCHING_MODELS = ("-search-preview", "-search-api", ":online")


def why_not_repeatable(wire: Wire, body: dict[str, object]) -> str | None:
    """The reason in words why the request must reach the server; None if it is repeatable."""
    rules = _RULES.get(wire)
    if rules is None:
        return "it is no exchange with a model that Headway knows"
    seldom = _SELDOM.get(wire)
    if seldom is not None and seldom.isdisjoint(body):
        rules = _RULES_FOR_PLAIN[wire]
    for rule in rules:
        why = rule(body)
        if why is not None:
            return why
    return None


def _samples(body: dict[str, object]) -> str | None:
    if _is_zero(body.get("temperature")) or type(body.get("seed")) is int:
        return None
    return "neither temperature 0 nor a seed is set"


def _samples_without_seed(body: dict[str, object]) -> str | None:
    return None if _is_zero(body.get("temperature")) else "temperature 0 is not set"


def _is_zero(value: object) -> bool:
    return type(value) in (int, float) and value == 0


def _several_choices(body: dict[str, object]) -> str | None:
    for name in ("n", "best_of"):
        value = body.get(name)
        if value is not None and (type(value) is not int or value != 1):
            return f"{name} is not 1: several choices are samples"
    return None


def _stored(body: dict[str, object]) -> str | None:
    if body.get("store") not in (None, False):
        return "store is true: the server keeps the answer"
    if body.get("background") not in (None, False):
        return "background is true: the answer comes later"
    return None


def _continued(body: dict[str, object]) -> str | None:
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            return f"{name} refers to what the server keeps"
    if any(as_object(item).get("type") == "item_reference" for item in as_list(body.get("input"))):
        return "an item_reference refers to what the server keeps"
    prompt = as_object(body.get("prompt"))
    if prompt and prompt.get("version") is None:
        return "prompt has no version: the server's newest may change"
    return None


def _prewarms(body: dict[str, object]) -> str | None:
    if as_object(body.get("prompt_cache_options")).get("prewarm"):
        return "prewarm is meant to reach the server's prompt cache"
    return None


def _not_text(body: dict[str, object]) -> str | None:
    others = [one for one in as_list(body.get("modalities")) if one != "text"]
    if body.get("audio") is not None or "audio" in others:
        return "audio output"
    return "output other than text" if others else None


def _searches(body: dict[str, object]) -> str | None:
    if body.get("web_search_options") is not None:
        return "the model searches the web"
    why = _model_searches(body)
    if why is None and body.get("plugins"):
        return "plugins of the server may do anything"
    return why


def _model_searches(body: dict[str, object]) -> str | None:
    model = body.get("model")
    if isinstance(model, str):
        for sign in _SEARCHING_MODELS:
            if sign in model:
                return "the model searches the web"
    return None


def _openai_tools(body: dict[str, object]) -> str | None:
    return _first_reason(as_list(body.get("tools")))


def _first_reason(tools: list[object]) -> str | None:
    for tool in map(as_object, tools):
        kind = tool.get("type")
        if kind not in _OPENAI_CLIENT_TOOLS:
            why = _why_not_tool(tool, kind)
            if why is not None:
                return why
    return None


def _why_not_tool(tool: dict[str, object], kind: object) -> str | None:
    if kind == "namespace":
        return _first_reason(as_list(tool.get("tools")))
    if kind == "mcp":
        is_reading = as_object(tool.get("allowed_tools")).get("read_only") is True
        return None if is_reading else "an MCP server whose tools are not restricted to read_only"
    return f"a tool of the server ({_shown(kind)})"


def _anthropic_tools(body: dict[str, object]) -> str | None:
    for tool in map(as_object, as_list(body.get("tools"))):
        kind = tool.get("type")
        is_client_tool = isinstance(kind, str) and kind.startswith(_ANTHROPIC_CLIENT_TOOLS)
        if kind not in (None, "custom") and not is_client_tool:
            return f"a tool of the server ({_shown(kind)})"
    return None


def _shown(kind: object) -> str:
    return kind[:40] if isinstance(kind, str) else "of an unknown type"


def _anthropic_state(body: dict[str, object]) -> str | None:
    if body.get("mcp_servers"):
        return "MCP servers whose tools are not known to be read-only"
    for name in ("container", "thread"):
        if body.get(name) is not None:
            return f"{name} refers to what the server keeps"
    return None


def _thinks(body: dict[str, object]) -> str | None:
    thinking = body.get("thinking")
    if thinking is None or as_object(thinking).get("type") == "disabled":
        return None
    return "thinking is on, and it samples at temperature 1"


_OPENAI: tuple[_Rule, ...] = (
    _several_choices,
    _stored,
    _continued,
    _prewarms,
    _not_text,
    _searches,
    _openai_tools,
    _samples,
)
_RULES: dict[Wire, tuple[_Rule, ...]] = {
    "openai.chat": _OPENAI,
    "openai.responses": _OPENAI,
    "openai.embeddings": (lambda body: None if "input" in body else "there is no input",),
    "anthropic.count_tokens": (),
    "models": (),
    "anthropic.messages": (_anthropic_tools, _anthropic_state, _thinks, _samples_without_seed),
}

# Most bodies have none of the members that most rules are about: they are asked for all at once.
_SELDOM: dict[Wire, frozenset[str]] = {
    "openai.chat": frozenset(
        {
            "n",
            "best_of",
            "store",
            "background",
            "previous_response_id",
            "conversation",
            "input",
            "prompt",
            "prompt_cache_options",
            "modalities",
            "audio",
            "web_search_options",
            "plugins",
        }
    ),
    "anthropic.messages": frozenset({"tools", "mcp_servers", "container", "thread", "thinking"}),
}
_RULES_FOR_PLAIN: dict[Wire, tuple[_Rule, ...]] = {
    "openai.chat": (_model_searches, _openai_tools, _samples),
    "anthropic.messages": (_samples_without_seed,),
}
