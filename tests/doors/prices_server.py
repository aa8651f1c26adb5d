"""A server of prices on stdio; each run of a tool is one more line in the file that it is given."""

import sys
from pathlib import Path

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

ran = Path(sys.argv[1])
server = MCPServer("prices")


def note(what: str) -> None:
    with ran.open("a") as file:
        file.write(f"{what}\n")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get_price(symbol: str) -> str:
    """The price of a company's share."""
    note(f"get_price {symbol}")
    if symbol == "NONE":
        raise ToolError("no such company")
    return f"{symbol} costs 100"


@server.tool()
def set_price(symbol: str) -> str:
    """Give a share another price."""
    note(f"set_price {symbol}")
    return "done"


server.run()
