"""LangChain and LangGraph: tools of all agents answered from one session.

``create_agent(model, tools, middleware=[SharedTools()])``, or with LangGraph's own node
``ToolNode(tools, wrap_tool_call=shared.wrap_tool_call, awrap_tool_call=shared.awrap_tool_call)``.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.tools.base import _get_runnable_config_param
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import ToolRuntime
from langgraph.types import Command

from .. import bridge
from ..policies.freshness import Ttl
from ..tools import Effects
from ..tools.session import ScopeOfResults
from .declared import Declared, Described, EffectsOf
from .guarded import ContextOf, Guarded, guarded

_HARMLESS = frozenset({"self", "run_manager", "callbacks"})
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class SharedTools(AgentMiddleware[Any, Any, Any]):
    """Middleware: a tool that only reads runs once in a ``headway.session()`` for equal arguments.

    What is shared is what the tool's function returns; validation, injected arguments, callbacks,
    messages, artifacts and errors stay LangChain's, for each call anew. Give it to the main agent
    and to its sub-agents. Effects come from here, from a tool's ``metadata["headway"]``, or from
    MCP's annotations in its metadata; a tool without any may write anything and always runs.

    Args:
        effects: by name or pattern such as ``"get_*"``: ``Effects``, in which ``{symbol}`` stands
            for an argument, or a function of the arguments that gives them.
        agents: tools that only run another agent; what they do is what its tools do.
        context: for tools with injected arguments (state, store, runtime, config): what of the
            ``ToolCallRequest`` their results depend on. Without it their results are not shared.
        ttl: how long a result is good.
        version: part of the key; change it when tools begin to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
    """

    def __init__(
        self,
        effects: Mapping[str, Effects | EffectsOf] | None = None,
        *,
        agents: Collection[str] = (),
        context: ContextOf[ToolCallRequest] | None = None,
        ttl: Ttl = "5m",
        version: str = "",
        scope: ScopeOfResults = "session",
    ) -> None:
        super().__init__()
        self._declared = Declared(effects, agents, ttl, version, scope)
        self._context_of = context
        self._known: dict[int, tuple[weakref.ref[BaseTool], Guarded[ToolCallRequest] | None]] = {}

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """What *handler* makes of the call, with the tool behind its guard."""
        return handler(self._behind_its_guard(request))

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """What *handler* makes of the call, with the tool behind its guard."""
        return await handler(self._behind_its_guard(request))

    def _behind_its_guard(self, request: ToolCallRequest) -> ToolCallRequest:
        if request.tool is None:
            return request
        known = self._guarded(request.tool)
        if known is None:
            return request
        return request.override(tool=_standing_in(request.tool, known, request))

    def _guarded(self, tool: BaseTool) -> Guarded[ToolCallRequest] | None:
        number = id(tool)
        held, known = self._known.get(number, (None, None))
        if held is None or held() is not tool:
            known = self._made(tool)
            forget = partial(_forget, self._known, number)
            self._known[number] = (weakref.ref(tool, forget), known)
        return known

    def _made(self, tool: BaseTool) -> Guarded[ToolCallRequest] | None:
        function = _function(tool)
        metadata = tool.metadata or {}
        return guarded(
            self._declared,
            Described(
                tool.name, tool if function is None else function, "", metadata, hints=metadata
            ),
            takes_context=_takes_context(tool, function),
            context_of=self._context_of,
            for_asker_alone=(GraphBubbleUp,),
        )


def _forget(
    known: dict[int, tuple[weakref.ref[BaseTool], Any]], number: int, dead: weakref.ref[BaseTool]
) -> None:
    if number in known and known[number][0] is dead:
        del known[number]


def _function(tool: BaseTool) -> object:
    """The Python function behind *tool*, None for a class of its own."""
    return getattr(tool, "coroutine", None) or getattr(tool, "func", None)


def _takes_context(tool: BaseTool, function: object) -> bool:
    """Whether LangChain injects more than what the model said."""
    parameters = inspect.signature(function or tool._run).parameters.values()  # type: ignore[arg-type]
    given = {each.name for each in parameters if each.kind not in _VARIABLE}
    if function is None:  # every `_run` may have it, and it is LangChain's own affair there
        given.discard("config")
    whole: Any = tool.get_input_schema()
    return bool(given - set(tool.args) - _HARMLESS or set(whole.model_fields) - set(tool.args))


def _standing_in(
    tool: BaseTool, known: Guarded[ToolCallRequest], request: ToolCallRequest
) -> BaseTool:
    """*tool* with its function behind the guard, for one call."""

    @functools.wraps(tool._run)
    def run(*args: Any, **kwargs: Any) -> Any:
        async def on_a_thread() -> Any:
            return await bridge.in_thread(partial(tool._run, *args, **kwargs))

        received = _received(tool, request, args, kwargs)
        return bridge.now_or_wait(known.call(*received, on_a_thread, keeps=_is_for_anyone))

    @functools.wraps(tool._arun)
    async def arun(*args: Any, **kwargs: Any) -> Any:
        received = _received(tool, request, args, kwargs)
        call = partial(tool._arun, *args, **kwargs)
        return await known.call(*received, call, keeps=_is_for_anyone)

    stand_in = tool.model_copy()
    # Past pydantic, which lets no method be replaced; what LangChain asks of them, wraps has kept.
    object.__setattr__(stand_in, "_run", run)
    object.__setattr__(stand_in, "_arun", arun)
    return stand_in


def _received(
    tool: BaseTool, request: ToolCallRequest, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], ToolCallRequest]:
    """The arguments as the function gets them, and the request that has these.

    Middleware inside this one may have changed what the model said, so that does not tell.
    """
    function: Any = _function(tool) or tool._run
    named = inspect.signature(function).bind_partial(*args).arguments if args else {}
    injected = {_get_runnable_config_param(tool._run), _get_runnable_config_param(function)}
    given = tool._filter_injected_args({**named, **kwargs})
    arguments = {name: given[name] for name in given if name not in injected}
    changed: dict[str, Any] = {"tool_call": {**request.tool_call, "args": arguments}}
    for value in kwargs.values():
        if isinstance(value, ToolRuntime):
            changed |= {"runtime": value, "state": value.state}
    return arguments, request.override(**changed)


def _is_for_anyone(result: object) -> bool:
    """A command or a whole message names the one call that it answers."""
    parts = result if isinstance(result, list) else [result]
    return not any(isinstance(part, Command | ToolMessage) for part in parts)
