"""Claude Agent SDK: its ``mcp_servers`` answered from the session, or from a store.

``ClaudeAgentOptions(mcp_servers=shared_servers({"prices": server, "files": {"command": ...}}))``
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from mcp import types
from mcp.server import Server

from ..errors import BadSetup
from ..policies.freshness import Ttl
from ..tools import Effects
from ..tools.session import ScopeOfResults
from .declared import Declared, Described, EffectsOf
from .guarded import Guarded, guarded

Config = TypeVar("Config", bound=Mapping[str, object])
"""A ``McpServerConfig`` of the SDK."""


def shared_servers(
    servers: Mapping[str, Config],
    effects: Mapping[str, Effects | EffectsOf] | None = None,
    *,
    agents: Collection[str] = (),
    ttl: Ttl = "5m",
    version: str = "",
    scope: ScopeOfResults = "session",
    proxy: Sequence[str] = (),
) -> dict[str, Config]:
    """*servers* for ``ClaudeAgentOptions``, whose tools, if they only read, run once.

    A server in this process is answered from the session in which the client connects or the query
    begins. One started by a command gets ``headway mcp`` before it, and shares through the store
    that *proxy* names. One reached by a URL stays as it is.

    Args:
        servers: as ``ClaudeAgentOptions(mcp_servers=...)`` takes them. Servers in this process are
            changed where they are: their ``tools/call`` then asks the session first. Wrapped again,
            they follow what was declared last.
        effects: by name or pattern such as ``"get_*"``: ``Effects``, in which ``{symbol}`` stands
            for an argument, or a function of the arguments; for servers in this process.
        agents: tools that only run another agent; what they do is what its tools do.
        ttl: how long a result is good.
        version: part of the key; change it when tools begin to answer differently.
        scope: who may be given a result: the session, the tenant, everyone ("global").
        proxy: options of ``headway mcp``, such as ``["--store", "disk"]``.

    Raises:
        BadSetup: *servers* is the path of a file, or the ``mcp`` package is older than 2.0.
    """
    if not isinstance(servers, Mapping):
        raise BadSetup(
            f"shared_servers({servers!r}) takes a dict; wrap a file with `headway mcp wrap FILE`"
        )
    declared = Declared(effects, agents, ttl, version, scope)
    return {name: _shared(name, servers[name], declared, proxy) for name in servers}


def _shared(name: str, config: Config, declared: Declared, proxy: Sequence[str]) -> Config:
    whole = cast(dict[str, Any], config)
    kind = whole.get("type", "stdio")
    if kind == "sdk":
        _InProcess(name, whole["instance"], declared).stand_before_it()
    if kind != "stdio":
        return config
    args = ["mcp", *proxy, "--", whole["command"], *whole.get("args", ())]
    return cast(Config, {**whole, "command": _headway(), "args": args})


def _headway() -> str:
    """The command; the one beside this interpreter before any other."""
    beside = Path(sys.executable).with_name("headway")
    return str(beside) if beside.exists() else "headway"


class _InProcess:
    """Stands before the ``tools/call`` of a server in this process."""

    def __init__(self, name: str, server: Server[Any], declared: Declared) -> None:
        if not hasattr(server, "get_request_handler"):
            raise BadSetup(f"the server {name!r} needs the `mcp` package 2.0 or newer")
        self._name, self._server, self._declared = name, server, declared
        self._call: Any = None
        self._known: dict[str, Guarded[None] | None] = {}
        self._hints: dict[str, dict[str, Any]] | None = None

    def stand_before_it(self) -> None:
        """Register this in place of the server's handler, which it then asks; once."""
        entry = self._server.get_request_handler("tools/call")
        if entry is None:
            return
        before = getattr(entry.handler, "__self__", None)
        self._call = before._call if isinstance(before, _InProcess) else entry.handler
        self._server.add_request_handler("tools/call", entry.params_type, self.handle)

    async def handle(self, context: Any, params: Any) -> Any:
        """The result of the call: kept, of an equal one under way, or of the server."""
        known = await self._guarded(params.name, context)
        run = partial(self._call, context, params)
        if known is None:
            return await run()
        return await known.call(params.arguments or {}, None, run, keeps=_is_complete)

    async def _guarded(self, name: str, context: Any) -> Guarded[None] | None:
        if name not in self._known:
            if self._hints is None:
                self._hints = await self._listed(context)
            hints = self._hints.get(name, {})
            tool = Described(name, self._server, self._name, hints=hints, form="CallToolResult")
            self._known[name] = guarded(self._declared, tool)
        return self._known[name]

    async def _listed(self, context: Any) -> dict[str, dict[str, Any]]:
        """The annotations of the server's tools, by name."""
        entry, hints, cursor = self._server.get_request_handler("tools/list"), {}, None
        while entry is not None:
            page: Any = await entry.handler(context, types.PaginatedRequestParams(cursor=cursor))
            for tool in page.tools:
                hints[tool.name] = {} if tool.annotations is None else tool.annotations.model_dump()
            if (cursor := page.next_cursor) is None:
                break
        return hints


def _is_complete(result: types.CallToolResult) -> bool:
    """Whether it answers the question, rather than failing it or asking back."""
    return not getattr(result, "is_error", False) and (
        getattr(result, "result_type", "complete") == "complete"
    )
