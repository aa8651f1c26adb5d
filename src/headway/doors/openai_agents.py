"""OpenAI Agents SDK: function tools answered from the session.

``Agent(tools=shared_tools([get_price]))``; for MCP servers see ``openai_agents_mcp``.
"""

from __future__ import annotations

import copy
import inspect
import json
import typing
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from agents import FunctionTool, RunContextWrapper, Tool
from agents.tool import (
    set_function_tool_failure_error_function,
    with_function_tool_failure_error_handler,
)
from agents.tool_context import ToolContext
from agents.tracing import SpanError, get_current_span

from ..policies.freshness import Ttl
from ..tools import Effects
from ..tools.session import ScopeOfResults
from .declared import Declared, Described, EffectsOf
from .guarded import ContextOf, Guarded, guarded


def shared_tools(
    tools: Sequence[Tool],
    effects: Mapping[str, Effects | EffectsOf] | None = None,
    *,
    agents: Collection[str] = (),
    context: ContextOf[ToolContext[Any]] | None = None,
    ttl: Ttl = "5m",
    version: str = "",
    scope: ScopeOfResults = "session",
) -> list[Tool]:
    """*tools*, of which those that only read run once in a session for equal arguments.

    What is shared is what the tool's function returns; approval, guardrails, time-outs, error
    messages and items stay the SDK's, for each call anew. Tools that the provider runs, and agents
    as tools, are passed on as they are. A tool without declared effects may write anything and
    always runs.

    Args:
        tools: of an agent; functions made into tools with ``function_tool``, and others.
        effects: by name or pattern such as ``"get_*"``: ``Effects``, in which ``{symbol}`` stands
            for an argument, or a function of the arguments that gives them.
        agents: tools that only run another agent; what they do is what its tools do.
        context: for functions that take a context: what of it their results depend on, such as
            ``lambda context: context.context.user_id``. Without it their results are not shared.
        ttl: how long a result is good.
        version: part of the key; change it when tools begin to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
    """
    declared = Declared(effects, agents, ttl, version, scope)
    return [_shared(tool, declared, context) for tool in tools]


def _shared(tool: Tool, declared: Declared, context: ContextOf[ToolContext[Any]] | None) -> Tool:
    if not isinstance(tool, FunctionTool) or tool._is_agent_tool:
        return tool
    function = getattr(tool, "__wrapped__", None)
    known = guarded(
        declared,
        Described(tool.name, tool if function is None else function),
        takes_context=_takes_context(function),
        context_of=context,
    )
    return tool if known is None else _behind(known, tool)


def _takes_context(function: object) -> bool:
    """Whether the SDK gives *function* a context; one that is not known may look at it."""
    if function is None:
        return True
    first = next(iter(inspect.signature(function).parameters.values()), None)  # type: ignore[arg-type]
    if first is None:
        return False
    try:
        hint = typing.get_type_hints(function).get(first.name)
    except Exception:  # names that exist for type checkers alone
        return True
    kind = typing.get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, RunContextWrapper)


def _behind(known: Guarded[ToolContext[Any]], tool: FunctionTool) -> FunctionTool:
    """A copy of *tool* that asks the guard first, and makes errors into messages as *tool* does."""
    # The SDK makes an error into a message inside the tool; a message would be kept.
    raising = set_function_tool_failure_error_function(copy.copy(tool), None)

    async def invoke(context: ToolContext[Any], said: str) -> Any:
        run = partial(raising.on_invoke_tool, context, said)
        arguments = _arguments(said)
        return await (run() if arguments is None else known.call(arguments, context, run))

    shared = copy.copy(tool)
    shared.on_invoke_tool = invoke
    if (prepare := getattr(tool.on_invoke_tool, "prepare_arguments", None)) is not None:
        invoke.__agents_prepare_arguments__ = prepare  # type: ignore[attr-defined]
    if hasattr(tool.on_invoke_tool, "__agents_bind_function_tool__"):
        shared.on_invoke_tool = with_function_tool_failure_error_handler(invoke, _note_on_span)
    return copy.copy(shared)  # which binds the handler to it


def _arguments(said: str) -> dict[str, object] | None:
    """The arguments; None where the model said something else, which the tool will refuse."""
    try:
        arguments = json.loads(said) if said else {}
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _note_on_span(tool: FunctionTool, error: Exception, said: str) -> None:
    if (span := get_current_span()) is not None:
        data = {"tool_name": tool.name, "error": type(error).__name__}
        span.set_error(SpanError(message="Error running tool (non-fatal)", data=data))
