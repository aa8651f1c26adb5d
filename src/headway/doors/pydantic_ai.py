"""pydantic-ai: a toolset whose tools are answered from the session.

``Agent(model, toolsets=[SharedToolset(FunctionToolset([get_price]))])``
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any

from pydantic import SecretStr
from pydantic_ai import RunContext
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    SkipToolExecution,
    SkipToolValidation,
)
from pydantic_ai.tools import AgentDepsT
from pydantic_ai.toolsets import (
    AbstractToolset,
    CombinedToolset,
    FunctionToolset,
    PrefixedToolset,
    RenamedToolset,
    ToolsetTool,
    WrapperToolset,
)

from ..errors import NoKey
from ..keys import digest
from ..policies.freshness import Ttl
from ..tools import Effects
from ..tools.session import ScopeOfResults
from .declared import Declared, Described, EffectsOf
from .guarded import ContextOf, Guarded, guarded

_FOR_ASKER_ALONE = (ApprovalRequired, CallDeferred, SkipToolExecution, SkipToolValidation)


@dataclass
class SharedToolset(WrapperToolset[AgentDepsT]):
    """A toolset whose tools, if they only read, run once in a session for equal arguments.

    What is shared is what the tool's function returns; validation, retries and messages stay
    pydantic-ai's. Effects come from here, from a tool's ``metadata["headway"]``, or from the
    annotations of an MCP server; a tool without any may write anything and always runs.

    Args:
        wrapped: the toolset whose tools these are; ``FunctionToolset([...])`` for functions.
        effects: by name or pattern such as ``"get_*"``: ``Effects``, in which ``{symbol}`` stands
            for an argument, or a function of the arguments that gives them.
        agents: tools that only run another agent; what they do is what its tools do.
        context: for functions that take a ``RunContext``, and toolsets with a ``call_tool`` of
            their own: what of it results depend on, such as ``lambda context:
            context.deps.user_id``. Without it their results are not shared.
        ttl: how long a result is good.
        version: part of the key; change it when tools begin to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
    """

    effects: Mapping[str, Effects | EffectsOf] | None = None
    _: KW_ONLY
    agents: Collection[str] = ()
    context: ContextOf[RunContext[AgentDepsT]] | None = None
    ttl: Ttl = "5m"
    version: str = ""
    scope: ScopeOfResults = "session"
    _known: dict[str, tuple[object, Guarded[RunContext[AgentDepsT]] | None]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        self._declared = Declared(self.effects, self.agents, self.ttl, self.version, self.scope)

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[AgentDepsT],
        tool: ToolsetTool[AgentDepsT],
    ) -> Any:
        """What the tool returns: kept, of an equal call under way, or of this one."""
        known = self._guarded(name, tool)
        run = partial(self.wrapped.call_tool, name, tool_args, ctx, tool)
        return await (run() if known is None else known.call(tool_args, ctx, run))

    def _guarded(
        self, name: str, tool: ToolsetTool[AgentDepsT]
    ) -> Guarded[RunContext[AgentDepsT]] | None:
        looks_at_context = _looks_at_context(self.wrapped, tool)
        tool = _innermost(tool)
        origin, takes_context = _origin(tool)
        held, known = self._known.get(name, (None, None))
        if held is not origin:
            known = guarded(
                self._declared,
                _described(name, tool, origin),
                takes_context=takes_context or looks_at_context,
                context_of=self.context,
                for_asker_alone=_FOR_ASKER_ALONE,
            )
            self._known[name] = (origin, known)
        return known


_AS_ASKED: set[object] = {
    CombinedToolset.call_tool,
    FunctionToolset.call_tool,
    PrefixedToolset.call_tool,
    RenamedToolset.call_tool,
    SharedToolset.call_tool,
    WrapperToolset.call_tool,
}
"""Ways to call a tool that hand on the arguments as they are, and do not look at the context."""
with suppress(ImportError):  # without the packages for MCP there is no such toolset
    from pydantic_ai.mcp import MCPToolset

    _AS_ASKED.add(MCPToolset.call_tool)


def _looks_at_context(toolset: object, tool: ToolsetTool[AgentDepsT]) -> bool:
    """Whether a toolset on the way to *tool* calls it in a way of its own.

    It may add to the arguments what the context holds, or answer by it.
    """
    while type(toolset).call_tool in _AS_ASKED:  # type: ignore[attr-defined]
        if isinstance(toolset, WrapperToolset):
            toolset = toolset.wrapped
        elif isinstance(toolset, CombinedToolset):
            toolset, tool = tool.source_toolset, tool.source_tool  # type: ignore[attr-defined]
        else:
            return False
    return True


def _innermost(tool: ToolsetTool[AgentDepsT]) -> ToolsetTool[AgentDepsT]:
    """The tool itself, where toolsets were combined into one."""
    while isinstance(inner := getattr(tool, "source_tool", None), ToolsetTool):
        tool = inner
    return tool


def _origin(tool: ToolsetTool[AgentDepsT]) -> tuple[object, bool]:
    """The function behind *tool*, or else its toolset; and whether it is given the context."""
    schema = getattr(getattr(tool, "call_func", None), "__self__", None)
    if callable(function := getattr(schema, "function", None)):
        return function, bool(getattr(schema, "takes_ctx", True))
    toolset: object = tool.toolset
    while isinstance(toolset, WrapperToolset):
        toolset = toolset.wrapped
    return toolset, getattr(toolset, "process_tool_call", None) is not None


def _described(name: str, tool: ToolsetTool[AgentDepsT], origin: object) -> Described:
    metadata = tool.tool_def.metadata or {}
    hints = metadata.get("annotations") or {}
    server = origin.id if isinstance(origin, AbstractToolset) else None
    if server is None:
        return Described(name, origin, metadata=metadata, hints=hints)
    reached = _reached(origin)
    stands_for_it, how = (None, reached) if isinstance(reached, str) else (reached, "")
    form = f"pydantic-ai {how}".strip()
    return Described(name, stands_for_it, server, metadata, hints, form)


def _reached(toolset: Any) -> object:
    """The digest of how its server is reached, credentials among that; else what stands for it.

    An id is a name that its user gives, and tells neither server nor credentials.
    """
    options = getattr(toolset, "_client_options", None)
    if options is None or any(options.get(name) is not None for name in _OF_ONE_CLIENT):
        return getattr(toolset, "client", toolset)
    transport = toolset.client.transport
    if (server := getattr(transport, "server", None)) is not None:
        return server
    auth = getattr(transport, "auth", None)
    token = getattr(auth, "token", None)
    if auth is not None and not isinstance(token, SecretStr):
        return toolset.client
    said = [getattr(transport, name, None) for name in _SAID_OF_A_TRANSPORT]
    if not any(said):
        return toolset.client
    try:
        return digest(("mcp", type(transport), said, token and token.get_secret_value()))
    except NoKey:
        return toolset.client


_OF_ONE_CLIENT = ("sampling_handler", "elicitation_handler", "roots", "http_client")
_SAID_OF_A_TRANSPORT = ("url", "headers", "command", "args", "env", "cwd")
