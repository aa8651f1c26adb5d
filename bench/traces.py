"""How many recorded tool calls a session would have answered, and whether it would have lied.

    scripts/bench traces --data FILE... [--json]

FILE holds one recorded conversation a line, as JSON packed with gzip: ``messages`` in the form of
OpenAI chat, ``source``, and ``tools`` with an effect for each name. Each conversation gets a
session of its own, and each call goes through the Guard of its tool. A hit is wrong if the result
that was recorded for that call is not the one served. Recordings without results are left out.

Two ways to declare: "plain", where a write may touch anything, and "scoped", where tables of SQL
and paths of files are told apart. Ends with 1 if "plain" on the full data (16,951 calls) has fewer
than 1,690 hits or a wrong one.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from headway.tools import UNKNOWN, Effects, Guard, session

FULL_CALLS, LEAST_HITS = 16_951, 1_690

READ_ALL = Effects(reads=("*",))
ALONE = Effects()
"""Of what depends on its arguments alone."""
UNHEARD = Effects(writes=("unheard",))
"""Of what a system refuses to understand: it changes nothing, and is not to be kept."""

Arguments = Mapping[str, object]
EffectsOf = Callable[[Arguments], Effects]


# --- recordings ---------------------------------------------------------------------------------


class Recorded(NamedTuple):
    """One call of a tool, and what came of it."""

    tool: str
    arguments: Arguments
    result: str


def calls_of(conversation: Mapping[str, Any]) -> Iterator[Recorded]:
    messages = conversation["messages"]
    results = {one["tool_call_id"]: one["content"] for one in messages if one["role"] == "tool"}
    for message in messages:
        for call in message.get("tool_calls") or ():
            function = call["function"]
            yield Recorded(
                function["name"], arguments_in(function["arguments"]), results[call["id"]]
            )


def arguments_in(text: str) -> Arguments:
    try:
        given = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return given if isinstance(given, dict) else {"whole": given}


# --- what may be kept, by what kind of system answers -------------------------------------------

_SQL_READS = frozenset({"select", "show", "desc", "describe", "explain", "with"})
_SHELL_READS = frozenset({
    "ls", "cat", "head", "tail", "grep", "find", "wc", "pwd", "stat", "du", "df", "file",
    "md5sum", "echo", "which", "sort", "uniq", "diff", "awk", "cut", "tree", "basename",
    "dirname", "date", "id", "whoami",
})  # fmt: skip
_SHELL_CHANGES = re.compile(r">|\btee\b|-delete|-exec|xargs|rm |\|\s*tar\b", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\s*(\w+)")
_WORD_IN_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_READ_WORDS = frozenset({
    "get", "list", "search", "find", "read", "fetch", "query", "lookup", "describe", "show",
    "view", "calculate", "think", "check", "info", "status", "route", "retrieve", "count",
    "extract", "analyze", "analyse",
})  # fmt: skip
_WRITE_WORDS = frozenset({
    "write", "create", "update", "delete", "insert", "add", "book", "cancel", "send", "post",
    "edit", "move", "copy", "save", "append", "remove", "set", "put", "convert", "generate",
    "download", "execute", "install", "modify", "rename", "submit", "run", "upload",
})  # fmt: skip
_DEMO_READS = frozenset(
    {"open", "goto", "scroll_up", "scroll_down", "search_file", "search_dir", "find_file"}
    | {"ls", "cat", "grep", "find"}
)


def first_word(text: str) -> str:
    found = _FIRST_WORD.match(text)
    return found[1].lower() if found else ""


def sql_reads(command: str) -> bool:
    return first_word(command) in _SQL_READS


def shell_reads(command: str) -> bool:
    return first_word(command) in _SHELL_READS and not _SHELL_CHANGES.search(command)


def name_reads(tool: str) -> bool:
    words = {word.lower() for word in _WORD_IN_NAME.findall(tool)}
    return bool(words & _READ_WORDS) and not words & _WRITE_WORDS


def reads(source: str, tool: str, said: Mapping[str, str], arguments: Arguments) -> bool:
    """Whether a call changes nothing, as far as names and commands tell.

    Args:
        source: where the recording is from.
        tool: the name of the tool.
        said: "read" or "write" by the name of the tool, as it stands in the recording.
        arguments: of the call.
    """
    command = str(arguments.get("command", ""))
    if source == "intercode":
        return sql_reads(command) if "sql" in tool else shell_reads(command)
    if source == "livemcpbench":
        return tool == "route" or name_reads(str(arguments.get("tool_name", "")))
    if source == "openhands_example":
        if tool == "execute_bash":
            return shell_reads(command)
        return tool == "think" or command == "view"
    if source == "swe_agent_demos":
        return tool in _DEMO_READS or (tool == "bash" and shell_reads(command))
    return source == "toolbench_dfs" or said.get(tool) == "read"


def plain(source: str, tool: str, said: Mapping[str, str]) -> EffectsOf:
    """A read may have read anything, and a write may have written it."""
    return lambda arguments: READ_ALL if reads(source, tool, said, arguments) else UNKNOWN


# --- the same, with tables and paths told apart -------------------------------------------------

_TABLE = r"[`\"]?(?:\w+[`\"]?\.[`\"]?)?(\w+)[`\"]?"
_TABLES_READ = re.compile(rf"\b(?:from|join|describe|desc|columns\s+in)\s+{_TABLE}", re.IGNORECASE)
_FROM_LIST = re.compile(r"\bfrom\s+[^()]*?,", re.IGNORECASE)
_TABLE_WRITTEN = re.compile(
    rf"\s*(?:insert\s+into|replace\s+into|update|delete\s+from|"
    rf"(?:create|alter|drop|truncate)\s+table(?:\s+if(?:\s+not)?\s+exists)?)\s+{_TABLE}",
    re.IGNORECASE,
)
_SQL_VERBS = frozenset({
    "alter", "analyze", "analyse", "begin", "call", "change", "check", "checksum", "clone",
    "commit", "create", "deallocate", "declare", "delete", "do", "drop", "end", "execute",
    "flush", "grant", "handler", "help", "if", "import", "insert", "install", "kill", "load",
    "lock", "loop", "optimize", "prepare", "purge", "release", "rename", "repair", "repeat",
    "replace", "reset", "resignal", "restart", "return", "revoke", "rollback", "savepoint",
    "set", "shutdown", "signal", "source", "start", "stop", "table", "truncate", "uninstall",
    "unlock", "update", "use", "values", "while", "xa",
})  # fmt: skip
_SEVERAL = re.compile(r";\s*\S|/\*|--|#")
_UNSURE_PATH = re.compile(r"[$`~?\[\]{}*]|\.\.")
_LISTING = frozenset({
    "ls", "cat", "head", "tail", "wc", "stat", "du", "file", "md5sum", "tree", "find",
})  # fmt: skip
_MAKING = frozenset({"touch", "mkdir", "rmdir", "rm", "cp", "mv", "chmod"})
ALL_FILES = ("files/*", "cwd")


def scoped(source: str, tool: str, said: Mapping[str, str]) -> EffectsOf:
    """Reads and writes of tables and files by their names, where a command tells them."""

    def effects_of(arguments: Arguments) -> Effects:
        command = str(arguments.get("command", ""))
        is_read = reads(source, tool, said, arguments)
        if source == "intercode" and "sql" in tool:
            return sql_effects(command, is_read)
        if source == "intercode" and tool in ("execute_bash", "execute_ctf"):
            return shell_effects(command, is_read)
        if is_read and tool in ("calculate", "think"):
            return ALONE
        return READ_ALL if is_read else UNKNOWN

    return effects_of


def sql_effects(command: str, is_read: bool) -> Effects:
    several = _SEVERAL.search(command.rstrip("; \n\t"))
    if is_read:
        tables = [f"table:{name.lower()}" for name in _TABLES_READ.findall(command)]
        unsure = several or not tables or _FROM_LIST.search(command)
        return Effects(reads=("table:*",) if unsure else tuple(tables))
    if several:
        return UNKNOWN
    if (written := _TABLE_WRITTEN.match(command)) is not None:
        return Effects(reads=("table:*",), writes=(f"table:{written[1].lower()}",))
    is_prose = first_word(command) not in _SQL_VERBS and command[:1].isalpha()
    return UNHEARD if is_prose else UNKNOWN


def shell_effects(command: str, is_read: bool) -> Effects:
    verb = first_word(command)
    words = words_of(command)
    if is_read:
        if words is None or verb not in _LISTING:
            return Effects(reads=ALL_FILES)
        return Effects(reads=files_in(words, starts_only=verb == "find"))
    if words is None:
        return UNKNOWN
    if verb in _MAKING:
        return Effects(reads=("cwd",), writes=tuple(set(files_in(words)) - {"cwd"}))
    if verb == "cd":
        return Effects(writes=("cwd",))
    return Effects(writes=("submission",)) if verb == "submit" else UNKNOWN


def words_of(command: str) -> list[str] | None:
    """The words of a single command; None if there are several, or something is left to a shell."""
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return None
    has_more = any(set(word) <= set("();<>|&") for word in words) or "\n" in command.strip()
    return None if has_more or "`" in command or "$(" in command else words


def files_in(words: list[str], *, starts_only: bool = False) -> tuple[str, ...]:
    """The files that the arguments of a command name; all of them if that is not sure."""
    named = [word for word in words[1:] if not word.startswith("-")]
    if starts_only:  # find: what stands before the first test
        tests = [place for place, word in enumerate(words) if word.startswith("-")]
        named = words[1 : tests[0]] if tests else words[1:]
    if not named or not all(name.startswith("/") for name in named):
        return ALL_FILES
    resources = []
    for name in named:
        sure = _UNSURE_PATH.split(name)[0]
        path = name.rstrip("/") if sure == name else sure.rpartition("/")[0]
        resources += [f"files{path}", f"files{path}/*"] if path else ["files/*"]
    return tuple(resources)


# --- replay -------------------------------------------------------------------------------------

Declare = Callable[[str, str, Mapping[str, str]], EffectsOf]


async def replay(conversation: Mapping[str, Any], declare: Declare, count: Counter[str]) -> None:
    """Ask all calls of *conversation* in order, in a session of their own."""
    said = {tool["name"]: tool["effect"] for tool in conversation["tools"]}
    source = conversation["source"]
    guards: dict[str, Guard] = {}
    async with session():
        for recorded in calls_of(conversation):
            guard = guards.get(recorded.tool)
            if guard is None:
                effects_of = declare(source, recorded.tool, said)
                guard = guards[recorded.tool] = Guard(recorded.tool, effects_of, ttl="1h")
            await ask(guard, recorded, count)


async def ask(guard: Guard, recorded: Recorded, count: Counter[str]) -> None:
    ran = False

    async def run() -> str:
        nonlocal ran
        ran = True
        return recorded.result

    served = await guard.call(recorded.arguments, run)
    count["calls"] += 1
    count["hits"] += not ran
    count["wrong"] += served != recorded.result


def conversations(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            conversation = json.loads(line)
            if not conversation["source"].startswith("bfcl"):  # calls that nobody answered
                yield conversation


async def replay_all(files: list[Path]) -> dict[str, dict[str, Counter[str]]]:
    """Calls, hits and wrong hits by way of declaring and by file."""
    found: dict[str, dict[str, Counter[str]]] = {"plain": {}, "scoped": {}}
    for file in files:
        for name, declare in (("plain", plain), ("scoped", scoped)):
            count = Counter(calls=0, hits=0, wrong=0)
            for conversation in conversations(file):
                await replay(conversation, declare, count)
            if count["calls"]:
                found[name][file.name.partition(".")[0]] = count
    return found


def summed(by_file: Mapping[str, Counter[str]]) -> Counter[str]:
    whole = Counter(calls=0, hits=0, wrong=0)
    for count in by_file.values():
        whole.update(count)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if missing := [str(file) for file in options.data if not file.is_file()]:
        parser.error(f"no such file: {', '.join(missing)}")
    found = asyncio.run(replay_all(options.data))
    whole = {name: summed(by_file) for name, by_file in found.items()}
    show(found, whole)
    is_full = whole["plain"]["calls"] >= FULL_CALLS
    hits, wrong = whole["plain"]["hits"], whole["plain"]["wrong"]
    if options.json:
        by_file = {name: dict(count) for name, count in found["plain"].items()}
        more = {name: whole["scoped"][name] for name in ("hits", "wrong")}
        gain = {"gained": more["hits"] - hits, **more}
        print(json.dumps({"files": by_file, "scoped": gain, **whole["plain"]}))
    sys.exit(1 if is_full and (hits < LEAST_HITS or wrong) else 0)


def show(
    found: Mapping[str, Mapping[str, Counter[str]]], whole: Mapping[str, Counter[str]]
) -> None:
    print(f"{'':26}{'calls':>8}{'plain: hits':>14}{'wrong':>8}{'scoped: hits':>15}{'wrong':>8}")
    rows = [(name, count, found["scoped"][name]) for name, count in found["plain"].items()]
    for name, one, other in (*rows, ("all", whole["plain"], whole["scoped"])):
        figures = f"{one['calls']:8}{one['hits']:14}{one['wrong']:8}"
        print(f"{name:26}{figures}{other['hits']:15}{other['wrong']:8}")


if __name__ == "__main__":
    main()
