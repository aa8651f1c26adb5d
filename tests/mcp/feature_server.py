"""A server on the official SDK that uses every feature, in both eras of the protocol."""

import asyncio
import warnings

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

warnings.simplefilter("ignore")
server = MCPServer("features", instructions="Every feature once.")
READ = types.ToolAnnotations(read_only_hint=True)
runs: dict[str, int] = {}
notes = {"a": "first note", "b": "second note"}


def count(name: str) -> int:
    runs[name] = runs.get(name, 0) + 1
    return runs[name]


def is_modern(ctx: Context) -> bool:
    return ctx.protocol_version == "2026-07-28"


@server.tool()
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@server.tool(annotations=READ)
async def look_up(word: str, seconds: float = 0.0) -> str:
    """A word and how often it was looked up."""
    times = count(f"look_up {word}")
    await asyncio.sleep(seconds)
    return f"{word} {times}"


@server.tool(annotations=READ)
async def look_up_in_steps(word: str, ctx: Context) -> str:
    """As look_up, with progress."""
    times = count(f"steps {word}")
    for step in range(3):
        await ctx.report_progress(step, 3, f"step {step}")
        await asyncio.sleep(0.05)
    return f"{word} {times}"


@server.tool()
def how_often(name: str) -> int:
    """How often something ran; not declared as read-only."""
    return runs.get(name, 0)


@server.tool()
def write_note(name: str, text: str) -> str:
    """A write."""
    notes[name] = text
    return "written"


@server.tool(annotations=READ)
def read_note(name: str) -> str:
    """A read that a write makes old."""
    count(f"read_note {name}")
    return notes[name]


@server.tool(annotations=READ)
def fail(word: str) -> str:
    """A read that fails."""
    raise ToolError(f"{word} {count('fail')}")


@server.tool()
async def steps(ctx: Context) -> str:
    """Reports progress."""
    for step in range(4):
        await ctx.report_progress(step, 4, f"step {step}")
    return "done"


@server.tool(annotations=READ)
async def slow(word: str) -> str:
    """Runs until it is cancelled."""
    count(f"slow {word}")
    try:
        await asyncio.sleep(30)
    except BaseException:
        count(f"cancelled {word}")
        raise
    return word


@server.tool()
async def say(text: str, ctx: Context) -> str:
    """Logs."""
    await ctx.info(text, logger_name="said")
    return "said"


SAMPLE = types.CreateMessageRequestParams(
    messages=[types.SamplingMessage(role="user", content=types.TextContent(text="say hi"))],
    max_tokens=10,
)


@server.tool(annotations=READ)
async def ask_model(ctx: Context) -> str | types.InputRequiredResult:
    """Asks the client's model."""
    if not is_modern(ctx):
        said = await ctx.session.create_message(messages=SAMPLE.messages, max_tokens=10)
    elif (answers := ctx.input_responses) is None:
        asked = types.CreateMessageRequest(params=SAMPLE)
        return types.InputRequiredResult(input_requests={"model": asked}, request_state="asked")
    else:
        said = answers["model"]
    return f"{said.content.text} {count('ask_model')}"


class Name(BaseModel):
    name: str


FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@server.tool(annotations=READ)
async def ask_user(ctx: Context) -> str | types.InputRequiredResult:
    """Asks the user."""
    if not is_modern(ctx):
        name = (await ctx.elicit("Who?", Name)).data.name
    elif (answers := ctx.input_responses) is None:
        params = types.ElicitRequestFormParams(message="Who?", requested_schema=FORM)
        asked = types.ElicitRequest(params=params)
        return types.InputRequiredResult(input_requests={"user": asked}, request_state="asked")
    else:
        name = answers["user"].content["name"]
    return f"{name} {count('ask_user')}"


@server.tool()
async def change(ctx: Context) -> str:
    """Says that everything has changed."""
    if is_modern(ctx):
        await ctx.notify_tools_changed()
        await ctx.notify_resource_updated("notes://a")
    else:
        await ctx.session.send_tool_list_changed()
        await ctx.session.send_resource_updated("notes://a")
    return "changed"


@server.resource("config://app")
def config() -> str:
    return "the configuration"


@server.resource("notes://{name}")
def note(name: str) -> str:
    return notes[name]


@server.prompt()
def greet(name: str) -> str:
    """A greeting."""
    return f"Greet {name}, please."


@server.completion()
async def complete(ref, argument, context) -> types.Completion:
    names = ["ada", "alan", "grace"]
    return types.Completion(values=[name for name in names if name.startswith(argument.value)])


async def subscribe(ctx, params) -> types.EmptyResult:
    count(f"subscribed {params.uri}")
    return types.EmptyResult()


server._lowlevel_server.add_request_handler(
    "resources/subscribe", types.SubscribeRequestParams, subscribe
)

if __name__ == "__main__":
    server.run("stdio")
