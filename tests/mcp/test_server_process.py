"""The server's process: what passes, what ends with what, and which code remains."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mcp.conversation import ECHO, HEADWAY, Conversation, is_gone


def test_messages_pass_byte_for_byte() -> None:
    odd = [
        b' {"id" : 1.50, "method":"un/known",  "x": "\\u00e9\xc3\xa9"} ',
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1e2}}\r',
        b'[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","method":"m"}]',
        b'{"id":NaN,"result":{"a":1,"a":2}}',
        b'{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage","params":{"_meta":{}}}',
    ]
    with Conversation() as talk:
        for line in odd:
            talk.send(b"raw " + line)
            assert talk.line() == line


def test_the_client_s_bytes_reach_the_server_as_they_are() -> None:
    copy = [sys.executable, "-c", "import sys; sys.stderr.buffer.write(sys.stdin.buffer.read())"]
    lines = b'{"a":1}\r\n no json \n\n[]\n{"id": 7, "method" : "tools/call"}\nunended'
    process = subprocess.run([*HEADWAY, "mcp", "--", *copy], input=lines, capture_output=True)
    assert process.stderr == lines
    assert process.returncode == 0


def test_a_call_on_a_last_line_without_its_end_is_read() -> None:
    call = b'{"id":%d,"method":"tools/call","params":{"name":"get","arguments":{}}}'
    lines = b"\n".join([call % 1, call % 2])
    command = [*HEADWAY, "mcp", "--read", "get", "--", *ECHO]
    process = subprocess.run(command, input=lines, capture_output=True)
    first, second = [json.loads(line) for line in process.stdout.splitlines()]
    assert (first["id"], second["id"]) == (1, 2)
    assert second["result"] == first["result"]  # one run: the server echoes the id it was asked by


def test_junk_goes_to_stderr_with_one_line_each() -> None:
    with Conversation() as talk:
        lines = ["Starting...", "[INFO] ready", "[1]", "[]", '{"half": ', "", '"text"']
        assert talk.ask("junk", lines=lines)["result"] == "after junk"
        code, rest, errors = talk.end()
    assert (code, rest) == (0, b"")
    said = [line for line in errors.splitlines() if line]
    assert len(said) == 6
    assert said[0] == (
        "headway mcp: the server wrote to its stdout what is no message: Starting..."
    )


def test_junk_is_shown_short_and_harmless() -> None:
    with Conversation() as talk:
        talk.ask("junk", lines=["\x1b[2J" + "y" * 100_000])
        errors = talk.end()[2]
    assert "\\x1b[2J" in errors
    assert "(100004 bytes)" in errors
    assert len(errors) < 500


def test_answers_twice_and_out_of_order() -> None:
    with Conversation() as talk:
        assert talk.ask("twice")["result"] == 1
        assert json.loads(talk.line())["result"] == 2
        for id in (1, 2, 3):
            talk.send(b'{"id":%d,"method":"later"}' % id)
        assert talk.ask("now", id=4)["id"] == 4
        assert [json.loads(talk.line())["id"] for _ in range(3)] == [3, 2, 1]


def test_ten_megabytes_both_ways() -> None:
    with Conversation() as talk:
        assert len(talk.ask("size", size=10_000_000)["result"]) == 10_000_000
        text = "z" * 10_000_000
        assert talk.ask("echo", text=text)["result"]["params"]["text"] == text


def test_a_client_that_reads_nothing_gets_all_when_it_does() -> None:
    with Conversation() as talk:
        for id in range(40):
            talk.send(b'{"id":%d,"method":"size","params":{"size":500000}}' % id)
        assert [json.loads(talk.line())["id"] for _ in range(40)] == list(range(40))


def test_stderr_passes() -> None:
    with Conversation() as talk:
        talk.ask("stderr", text="a word from the server")
        assert talk.end()[2] == "a word from the server\n"


@pytest.mark.parametrize("code", [0, 7])
def test_the_server_s_code_is_ours(code: int) -> None:
    with Conversation(server=[*ECHO, str(code)]) as talk:
        talk.ask("hello")
        assert talk.end()[0] == code


@pytest.mark.parametrize(("method", "code"), [("die", 3), ("kill", 128 + signal.SIGKILL)])
def test_the_server_s_end_ends_the_proxy(method: str, code: int) -> None:
    with Conversation() as talk:
        talk.send(b'{"id":1,"method":"silence"}')
        talk.send(b'{"id":2,"method":"%s"}' % method.encode())
        assert talk.line() == b""
        assert talk.process.wait(5) == code


def test_a_closed_stdout_ends_both() -> None:
    with Conversation() as talk:
        talk.send(b'{"id":1,"method":"close stdout"}')
        talk.signal(0)
        assert talk.process.wait(12) == 128 + signal.SIGTERM


def test_what_was_asked_before_the_end_is_answered() -> None:
    slow = "import sys,time; n=len(sys.stdin.read()); time.sleep(0.5); print('{\"n\":%d}' % n)"
    process = subprocess.run(
        [*HEADWAY, "mcp", "--", sys.executable, "-c", slow], input=b"12345", capture_output=True
    )
    assert (process.stdout, process.returncode) == (b'{"n":5}\n', 0)


def test_a_call_reaches_a_server_that_never_lists_its_tools() -> None:
    impatient = "import headway.mcp.serve as serve; serve.GRACE_S = 0.5; "
    headway = [sys.executable, "-c", impatient + HEADWAY[-1]]
    deaf = """import json, sys
for line in sys.stdin:
    if json.loads(line)["method"] != "tools/list":
        print(line.strip(), flush=True)
"""
    call = b'{"id":1,"method":"tools/call","params":{"name":"put"}}\n'
    command = [*headway, "mcp", "--", sys.executable, "-c", deaf]
    assert subprocess.run(command, input=call, capture_output=True).stdout == call


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_server_and_proxy(number: int) -> None:
    with Conversation() as talk:
        pids = talk.ask("child")["result"]
        talk.signal(number)
        assert talk.process.wait(5) == 128 + number
        assert is_gone(pids["server"], 0.0)
        assert is_gone(pids["child"], 0.0)


def test_a_server_deaf_to_sigterm_is_killed() -> None:
    with Conversation() as talk:
        server = talk.ask("deaf")["result"]
        talk.signal(signal.SIGTERM)
        assert talk.process.wait(5) == 128 + signal.SIGTERM
        assert is_gone(server, 0.0)


def test_nothing_is_left_when_the_proxy_is_killed() -> None:
    with Conversation() as talk:
        pids = talk.ask("child")["result"]
        talk.signal(signal.SIGKILL)
        assert is_gone(pids["server"])
        assert is_gone(pids["child"])


def test_not_even_a_deaf_one_when_the_whole_group_is_killed() -> None:
    with Conversation() as talk:
        server = talk.ask("deaf")["result"]
        os.killpg(talk.process.pid, signal.SIGKILL)
        assert is_gone(server)


def test_what_the_server_leaves_behind_ends_too() -> None:
    with Conversation() as talk:
        pids = talk.ask("child")["result"]
        talk.send(b'{"id":2,"method":"die"}')
        assert talk.process.wait(8) == 3
        assert is_gone(pids["child"], 0.0)


def test_no_such_server() -> None:
    with Conversation(server=["no-such-server-here"]) as talk:
        code, rest, errors = talk.end()
    assert (code, rest) == (127, b"")
    assert errors == (
        "headway mcp: 'no-such-server-here' cannot be started: No such file or directory\n"
    )


def test_a_server_that_may_not_be_run(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("")
    with Conversation(server=[str(tmp_path / "server")]) as talk:
        assert talk.end()[0] == 126


def test_no_server_named() -> None:
    process = subprocess.run([*HEADWAY, "mcp"], capture_output=True, text=True)
    assert process.returncode == 2
    assert "name the server" in process.stderr


def test_plain_files_as_stdin_and_stdout(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b'{"id":1,"method":"a"}\n{"id":2,"method":"b"}\n')
    with open(tmp_path / "in", "rb") as stdin, open(tmp_path / "out", "wb") as stdout:
        command = [*HEADWAY, "mcp", "--", *ECHO]
        assert subprocess.run(command, stdin=stdin, stdout=stdout).returncode == 0
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2]
