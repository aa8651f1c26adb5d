"""OpenAI Agents SDK: the tools of an MCP server answered from the session.

``Agent(mcp_servers=[SharedServer(server)])``
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

from agents import AgentBase, RunContextWrapper
from agents.mcp import MCPServer
from agents.tool import ToolErrorFunction
from mcp import types

from ..errors import NoKey
from ..keys import digest
from ..policies.freshness import Ttl
from ..tools import Effects
from ..tools.session import ScopeOfResults
from .declared import Declared, Described, EffectsOf
from .guarded import Guarded, guarded

Meta = dict[str, Any] | None


class SharedServer(MCPServer):
    """An MCP server whose tools, if they only read, run once in a session for equal arguments.

    A call that is answered here never becomes a message. Everything else is the wrapped server's.
    Effects come from here or from the annotations in its list of tools; a tool without any may
    write anything and always runs. Results are shared among servers that are reached in the
    same way (command, environment, URL, headers), and, with request metadata, among calls with the
    same metadata.

    Args:
        server: connected before, or through this: ``async with SharedServer(...) as server``.
        effects: by name or pattern such as ``"get_*"``: ``Effects``, in which ``{symbol}`` stands
            for an argument, or a function of the arguments that gives them.
        agents: tools that only run another agent; what they do is what its tools do.
        ttl: how long a result is good.
        version: part of the key; change it when tools begin to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
    """

    def __init__(
        self,
        server: MCPServer,
        effects: Mapping[str, Effects | EffectsOf] | None = None,
        *,
        agents: Collection[str] = (),
        ttl: Ttl = "5m",
        version: str = "",
        scope: ScopeOfResults = "session",
    ) -> None:
        # What the base class would set is the wrapped server's: see __getattr__.
        self._server = server
        self._declared = Declared(effects, agents, ttl, version, scope)
        started_with = _started_with(server)
        self._identity = (None if started_with else server, server.name)
        self._form = f"CallToolResult {started_with}"
        self._hints: dict[str, dict[str, Any]] = {}
        self._known: dict[str, Guarded[Meta] | None] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "_server":  # while it is being copied, before it has one
            raise AttributeError(name)
        return getattr(self._server, name)

    async def list_tools(
        self,
        run_context: RunContextWrapper[Any] | None = None,
        agent: AgentBase | None = None,
    ) -> list[types.Tool]:
        tools = await self._server.list_tools(run_context, agent)
        for tool in tools:
            hints = {} if tool.annotations is None else tool.annotations.model_dump()
            if self._hints.get(tool.name) != hints:
                self._hints[tool.name] = hints
                self._known.pop(tool.name, None)
        return tools

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: Meta = None
    ) -> types.CallToolResult:
        run: Callable[[], Awaitable[types.CallToolResult]]
        # A server of the user's own may not know of metadata, so only what there is is handed on.
        handed_on = () if meta is None else (meta,)
        run = partial(self._server.call_tool, tool_name, arguments, *handed_on)
        known = self._guarded(tool_name)
        if known is None:
            return await run()
        return await known.call(arguments or {}, meta, run, keeps=_is_complete)

    def _guarded(self, name: str) -> Guarded[Meta] | None:
        if name not in self._known:
            hints = self._hints.get(name, {})
            tool = Described(name, *self._identity, hints=hints, form=self._form)
            self._known[name] = guarded(
                self._declared, tool, takes_context=True, context_of=lambda meta: meta
            )
        return self._known[name]

    # --- all else is the wrapped server's ---------------------------------------------------------

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def cached_tools(self) -> list[types.Tool] | None:
        return self._server.cached_tools

    async def connect(self) -> None:
        await self._server.connect()  # type: ignore[no-untyped-call]

    async def cleanup(self) -> None:
        await self._server.cleanup()  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> SharedServer:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.cleanup()

    async def list_prompts(self) -> types.ListPromptsResult:
        return await self._server.list_prompts()

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None
    ) -> types.GetPromptResult:
        return await self._server.get_prompt(name, arguments)

    async def list_resources(self, cursor: str | None = None) -> types.ListResourcesResult:
        return await self._server.list_resources(cursor)

    async def list_resource_templates(
        self, cursor: str | None = None
    ) -> types.ListResourceTemplatesResult:
        return await self._server.list_resource_templates(cursor)

    async def read_resource(self, uri: str) -> types.ReadResourceResult:
        return await self._server.read_resource(uri)

    def _get_needs_approval_for_tool(self, tool: types.Tool, agent: AgentBase | None) -> Any:
        return self._server._get_needs_approval_for_tool(tool, agent)

    def _get_failure_error_function(
        self, agent_failure_error_function: ToolErrorFunction | None
    ) -> ToolErrorFunction | None:
        return self._server._get_failure_error_function(agent_failure_error_function)


def _started_with(server: MCPServer) -> str:
    """The digest of how *server* is reached, its credentials among that; empty if none can tell."""
    how: Any = getattr(server, "params", None)
    if how is None:
        return ""
    try:
        return digest(("mcp", how.model_dump() if hasattr(how, "model_dump") else how))
    except NoKey:
        return ""


def _is_complete(result: types.CallToolResult) -> bool:
    """Whether it answers the question, rather than failing it or asking back."""
    return not result.is_error and getattr(result, "result_type", "complete") == "complete"
