"""A client's list of servers with the proxy in front of each, and back, byte for byte.

Only the command and the start of its arguments change; every other byte stays: the order of names,
the white space, the way a text is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Final, NamedTuple

from ..errors import BadSetup

LISTS: Final = ("mcpServers", "servers")
"""The names under which clients keep their servers."""

_BLANKS: Final = " \t\r\n"
_decode = json.JSONDecoder().raw_decode


class Member(NamedTuple):
    """A member of an object: its name and value, and where both stand in the text."""

    name: str
    name_at: int
    value: object
    at: int
    end: int


class _Server(NamedTuple):
    """A server started by a command: its name and the members that matter."""

    name: str
    command: Member
    args: Member | None


class Rewritten(NamedTuple):
    """A text made from another, and by name what was done in it and what was left alone, why."""

    text: str
    done: tuple[str, ...]
    left: dict[str, str]
    without_args: tuple[str, ...] = ()
    """Servers that had no ``args`` at all before."""


def wrap(text: str, headway: str, options: Sequence[str] = ()) -> Rewritten:
    """*text* with ``headway mcp`` before each server that is started by a command.

    Args:
        text: a client's configuration; servers that are wrapped already are left alone.
        headway: the command that starts Headway.
        options: of ``headway mcp``, for every server.

    Raises:
        BadSetup: it is no such configuration; says what is wrong.
    """
    found, left = _servers(text)
    servers = [server for server in found if not _is_wrapped(server)]
    left |= {each.name: "it goes through headway already" for each in found if _is_wrapped(each)}
    before = [json.dumps(word) for word in ("mcp", *options, "--")]
    without_args = []
    for server in reversed(servers):  # from the end, so that places further up stay true
        command, args = server.command, server.args
        words = [*before, text[command.at : command.end]]
        if args is None:
            without_args.append(server.name)
            changes = [(command.at, command.end, _with_args(text, command, headway, words))]
        else:
            changes = [
                (command.at, command.end, json.dumps(headway)),
                (args.at, args.end, _led_by(text[args.at : args.end], words)),
            ]
        text = _changed(text, changes)
    return Rewritten(text, tuple(each.name for each in servers), left, tuple(without_args))


def unwrap(
    text: str, without_args: Collection[str] = (), only: Collection[str] | None = None
) -> Rewritten:
    """*text* as it was before ``wrap``; what was edited since stays as it is.

    Args:
        text: a client's configuration.
        without_args: the servers that had no ``args`` before.
        only: the servers that ``wrap`` has wrapped; None takes all that are wrapped.

    Raises:
        BadSetup: it is no such configuration; says what is wrong.
    """
    servers, left = _servers(text)
    wrapped = [server for server in servers if _is_wrapped(server)]
    done = [server for server in wrapped if only is None or server.name in only]
    left |= {each.name: "it was not wrapped by this" for each in wrapped if each not in done}
    for server in reversed(done):
        command, args = server.command, server.args
        if args is None:
            continue
        written, inside = _unled(text[args.at : args.end])
        changes = [(command.at, command.end, written), (args.at, args.end, inside)]
        between = text[command.end : args.name_at].strip(_BLANKS)
        if server.name in without_args and inside == "[]" and between == ",":
            changes = [(command.at, args.end, written)]
        text = _changed(text, changes)
    return Rewritten(text, tuple(each.name for each in done), left)


def _is_wrapped(server: _Server) -> bool:
    words = [] if server.args is None else _texts(server.args.value)
    command = PurePath(str(server.command.value)).stem
    return command == "headway" and words[:1] == ["mcp"] and len(words) > words_before(words) > 0


def words_before(words: Sequence[str]) -> int:
    """How many of a wrapped server's arguments stand before its own command; 0 if none do."""
    return words.index("--") + 1 if "--" in words else 0


# --- reading, with places ---------------------------------------------------------------------


def _servers(text: str) -> tuple[list[_Server], dict[str, str]]:
    try:
        whole: object = json.loads(text)
    except RecursionError:
        raise BadSetup("it nests too deep") from None
    except ValueError as wrong:
        raise BadSetup(f"it is no JSON ({wrong}); comments are not read") from None
    last = {one.name: one for one in _members(text, 0, whole) if one.name in LISTS}
    lists = sorted((one for one in last.values() if isinstance(one.value, dict)), key=_place)
    if not lists:
        raise BadSetup(f"it has no object `{LISTS[0]}` with servers in it")
    found: list[_Server] = []
    left: dict[str, str] = {}
    taken: set[str] = set()
    for listed in lists:
        members = _members(text, listed.at, listed.value)
        for one in members:
            name = f"{listed.name}.{one.name}" if one.name in taken else one.name
            server = _server(text, one, name)
            if isinstance(server, str):
                left[name] = server
            else:
                found.append(server)
        taken.update(one.name for one in members)
    return found, left


def _place(one: Member) -> int:
    return one.at


def _server(text: str, one: Member, name: str) -> _Server | str:
    """The server, or why it is none that can stand behind a proxy on stdio."""
    parts = {part.name: part for part in _members(text, one.at, one.value)}
    command, args = parts.get("command"), parts.get("args")
    if command is None and "url" in parts:
        return "it is reached by a URL"
    if command is None or not isinstance(command.value, str):
        return "it has no `command` that is a text"
    if args is not None and len(_texts(args.value)) != _length(args.value):
        return "its `args` are no list of texts"
    return _Server(name, command, args)


def _members(text: str, at: int, value: object) -> list[Member]:
    """The members of the object that begins at *at*; none if it is no object."""
    members: list[Member] = []
    if not isinstance(value, dict):
        return members
    at = _skip(text, _skip(text, at) + 1)
    while text[at] != "}":
        name, end = _decode(text, at)
        value_at = _skip(text, _skip(text, end) + 1)
        value, end = _decode(text, value_at)
        members.append(Member(name, at, value, value_at, end))
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return members


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANKS:
        at += 1
    return at


def _texts(value: object) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else -1


# --- writing ----------------------------------------------------------------------------------


def _changed(text: str, changes: list[tuple[int, int, str]]) -> str:
    for at, end, new in sorted(changes, reverse=True):
        text = text[:at] + new + text[end:]
    return text


def _led_by(array: str, words: list[str]) -> str:
    """*array* with *words* before its elements, in its own layout."""
    first = _skip(array, 1)
    gap, is_empty = array[1:first], array[first] == "]"
    between = f",{gap}" if "\n" in gap and not is_empty else ", "
    if is_empty:
        return f"[{between.join(words)}{array[1:]}"
    return f"[{gap}{between.join(words)}{between}{array[first:]}"


def _unled(array: str) -> tuple[str, str]:
    """The command that was put into *array*, as it is written, and *array* without what led it."""
    words: list[str] = json.loads(array)
    at = first = _skip(array, 1)
    written = ""
    for _ in range(words_before(words) + 1):
        end = _decode(array, at)[1]
        written = array[at:end]
        after = _skip(array, end)
        at = _skip(array, after + 1) if array[after] == "," else end
    return written, array[: 1 if array[at:].strip() == "]" else first] + array[at:]


def _with_args(text: str, command: Member, headway: str, words: list[str]) -> str:
    """The command and, on a line of its own if that has one, the arguments that it had none of."""
    before = text[: command.name_at]
    gap = before[len(before.rstrip(_BLANKS)) :]
    args = f'"args": [{", ".join(words)}]'
    return f"{json.dumps(headway)},{gap if chr(10) in gap else ' '}{args}"
