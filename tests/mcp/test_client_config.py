"""A client's configuration with the proxy in front of its servers, and back byte for byte."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import BadSetup
from headway.mcp.client_config import unwrap, wrap
from headway.mcp.client_file import unwrap_file, wrap_file
from tests.mcp.conversation import HEADWAY

CONFIG = """{
  "theme": "dark",
  "mcpServers": {
    "files": {
      "command": "npx",
      "args": [
        "-y",
        "files-server"
      ],
      "env": { "API_KEY": "k\\u00e9y" }
    },
    "short": {"args": ["x"],   "command": "s\\u0065rver"},
    "bare": {
      "command": "/opt/bare"
    },
    "empty": { "command": "e", "args": [ ] },
    "web": { "type": "http", "url": "https://example.com/mcp" }
  }
}
"""


def servers(text: str) -> dict[str, Any]:
    return json.loads(text)["mcpServers"]


def test_each_server_with_a_command_is_started_through_the_proxy() -> None:
    wrapped = wrap(CONFIG, "headway", ["--ttl", "1m"])
    assert wrapped.done == ("files", "short", "bare", "empty")
    assert wrapped.left == {"web": "it is reached by a URL"}
    start = ["mcp", "--ttl", "1m", "--"]
    now = servers(wrapped.text)
    assert now["files"]["args"] == [*start, "npx", "-y", "files-server"]
    assert now["short"]["args"] == [*start, "server", "x"]
    assert now["bare"] == {"command": "headway", "args": [*start, "/opt/bare"]}
    assert now["empty"]["args"] == [*start, "e"]
    assert {each.get("command") for each in now.values()} == {"headway", None}
    assert now["files"]["env"] == {"API_KEY": "kéy"}


def test_the_layout_stays() -> None:
    lines = wrap(CONFIG, "headway").text.splitlines()
    assert lines[4:12] == [
        '      "command": "headway",',
        '      "args": [',
        '        "mcp",',
        '        "--",',
        '        "npx",',
        '        "-y",',
        '        "files-server"',
        "      ],",
    ]
    assert (
        '    "short": {"args": ["mcp", "--", "s\\u0065rver", "x"],   "command": "headway"},'
        in lines
    )
    assert '      "args": ["mcp", "--", "/opt/bare"]' in lines


def test_the_way_back_leads_to_the_same_bytes() -> None:
    wrapped = wrap(CONFIG, "/opt/bin/headway", ["--observe"])
    back = unwrap(wrapped.text, wrapped.without_args)
    assert back.text == CONFIG
    assert back.done == wrapped.done


words = st.text(max_size=4)
entries = st.fixed_dictionaries(
    {"command": words}, optional={"args": st.lists(words, max_size=3), "env": st.just({"A": "1"})}
)


@given(
    st.dictionaries(words, entries | st.just({"url": "u"}), max_size=4),
    st.sampled_from([None, 0, 2, "\t"]),
    st.booleans(),
    st.booleans(),
)
def test_any_configuration_goes_there_and_back(
    listed: dict[str, Any], indent: Any, ascii_only: bool, reverse: bool
) -> None:
    if reverse:
        listed = {name: dict(reversed(each.items())) for name, each in listed.items()}
    text = json.dumps({"servers": listed, "x": [1]}, indent=indent, ensure_ascii=ascii_only)
    if any(ord(letter) in range(0xD800, 0xE000) for letter in text):
        return
    wrapped = wrap(text, "headway", ["--store", "disk"])
    assert unwrap(wrapped.text, wrapped.without_args).text == text
    for name, each in json.loads(wrapped.text)["servers"].items():
        if "url" not in each:
            start = ["mcp", "--store", "disk", "--", listed[name]["command"]]
            assert each["args"] == [*start, *listed[name].get("args", [])]
            assert each.get("env") == listed[name].get("env")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is no JSON"),
        ('{"mcpServers": {} // none\n}', "comments are not read"),
        ("[]", "no object `mcpServers`"),
        ('{"mcpServers": []}', "no object `mcpServers`"),
        ('{"other": {}}', "no object `mcpServers`"),
        ("[" * 100_000, "it nests too deep"),
    ],
)
def test_wrong_texts(text: str, said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        wrap(text, "headway")


def test_odd_servers_are_left_alone() -> None:
    listed = {"a": {"command": 3}, "b": {"command": "x", "args": [1]}, "c": 7, "d": {}}
    text = json.dumps({"mcpServers": listed})
    wrapped = wrap(text, "headway")
    assert wrapped.text == text
    assert wrapped.left.keys() == listed.keys()


# --- files ------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / ".mcp.json"
    path.write_bytes(CONFIG.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    return path


def test_a_file_goes_there_and_back(config: Path) -> None:
    before = config.read_bytes()
    wrap_file(config, "headway")
    assert servers(config.read_text())["bare"]["command"] == "headway"
    assert unwrap_file(config)[1]
    assert config.read_bytes() == before
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert os.listdir(config.parent) == [config.name]


def test_twice_is_once_and_other_options_replace(config: Path) -> None:
    before = config.read_bytes()
    wrap_file(config, "headway")
    once = config.read_bytes()
    wrap_file(config, "headway")
    assert config.read_bytes() == once
    wrap_file(config, "headway", ["--ttl", "1m"])
    assert servers(config.read_text())["bare"]["args"] == ["mcp", "--ttl", "1m", "--", "/opt/bare"]
    assert unwrap_file(config)[1]
    assert not unwrap_file(config)[0].done
    assert config.read_bytes() == before


def test_what_was_edited_since_stays(config: Path) -> None:
    wrap_file(config, "headway")
    config.write_bytes(config.read_bytes().replace(b"dark", b"light"))
    unwrapped, is_as_before = unwrap_file(config)
    assert not is_as_before
    assert config.read_bytes() == CONFIG.replace("\n", "\r\n").replace("dark", "light").encode()
    assert unwrapped.done == ("files", "short", "bare", "empty")


def test_the_note_beside_the_file_holds_nothing_of_it(config: Path) -> None:
    wrap_file(config, "headway")
    (note,) = [path for path in config.parent.iterdir() if path != config]
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    held = json.loads(note.read_text())
    assert held.keys() == {"original_sha256", "wrapped", "without_args"}
    assert held["wrapped"] == ["files", "short", "bare", "empty"]
    assert (len(held["original_sha256"]), held["without_args"]) == (64, ["bare"])
    note.unlink()
    unwrap_file(config)  # without it all comes back but for an `args` that was not there
    assert servers(config.read_text())["bare"] == {"command": "/opt/bare", "args": []}
    assert servers(config.read_text())["files"] == servers(CONFIG)["files"]


HAND = '{"mcpServers": {"a": {"command": "headway", "args": ["mcp", "--ttl", "1h", "--", "s"]}}}'


def test_what_was_wrapped_by_hand_stays(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(HAND.replace('"a"', '"b": {"command": "x"}, "a"'))
    before = path.read_text()
    wrapped = wrap_file(path, "headway", ["--store", "disk"])
    assert wrapped.done == ("b",)
    assert wrapped.left == {"a": "it goes through headway already"}
    assert servers(path.read_text())["a"] == servers(before)["a"]
    for _ in range(2):
        unwrap_file(path)
        assert path.read_text() == before


def test_both_lists_of_servers_are_wrapped(tmp_path: Path) -> None:
    text = """{"mcpServers": {"a": {"command": "x"}}, "servers": {"a": {"command": "y"}}}"""
    (tmp_path / "c.json").write_text(text)
    wrapped = wrap_file(tmp_path / "c.json", "headway")
    assert wrapped.done == ("a", "servers.a")
    assert wrapped.text.count("headway") == 2
    assert unwrap_file(tmp_path / "c.json")[1]
    assert (tmp_path / "c.json").read_text() == text


def test_an_edit_meanwhile_is_not_lost(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(text: str, *more: Any) -> Any:
        config.write_text("{}")
        return wrap(text, *more)

    monkeypatch.setattr("headway.mcp.client_file.wrap", slow)
    with pytest.raises(BadSetup, match="changed it just now"):
        wrap_file(config, "headway")
    assert config.read_text() == "{}"
    assert os.listdir(config.parent) == [config.name]


def test_a_link_stays_one(config: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(config)
    wrap_file(link, "headway")
    assert link.is_symlink()
    assert servers(config.read_text())["bare"]["command"] == "headway"


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HEADWAY, *words], cwd=cwd, capture_output=True, text=True)


def test_the_commands(config: Path) -> None:
    before = config.read_bytes()
    done = run("mcp", "--store", "disk", "--read", "get_*", "wrap", cwd=config.parent)
    assert (done.returncode, done.stderr) == (0, "web stays as it is: it is reached by a URL\n")
    assert done.stdout == ".mcp.json: files, short, bare, empty: go through headway now\n"
    start = ["mcp", "--store", "disk", "--read", "get_*", "--"]
    assert servers(config.read_text())["empty"]["args"] == [*start, "e"]
    done = run("mcp", "unwrap", ".mcp.json", cwd=config.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert config.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"{", "no JSON"), (b"\xff\xfe", "no UTF-8")]
)
def test_wrong_files_one_line_and_nothing_changed(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "c.json").write_bytes(content)
    for command in ("wrap", "unwrap"):
        done = run("mcp", command, "c.json", cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr
    assert os.listdir(tmp_path) == ([] if content is None else ["c.json"])


def test_a_wrapped_command_runs(tmp_path: Path) -> None:
    text = json.dumps({"mcpServers": {"cat": {"command": "cat", "args": ["-u"]}}})
    one = servers(wrap(text, "headway").text)["cat"]
    process = subprocess.run([*HEADWAY, *one["args"]], input=b'{"id":1}\n', capture_output=True)
    assert process.stdout == b'{"id":1}\n'


def test_wrong_options_one_line(tmp_path: Path) -> None:
    for words, said in (
        (["--ttl", "soon", "--", "x"], "--ttl"),
        (["--store", "nowhere", "--", "x"], "nowhere"),
    ):
        done = run("mcp", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr
