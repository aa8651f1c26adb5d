"""The table [gateway]: what it may say, and how it is told what it may not."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup, settings
from headway.settings import load_gateway
from headway.settings.gateway_settings import (
    GatewaySettings,
    KeySettings,
    LimitSettings,
    RuleSettings,
    TimeoutSettings,
    UpstreamSettings,
)
from headway.settings.gateway_values import SIZE
from headway.stores.size import parse_bytes

WHOLE = """
store = "disk:answers"

[gateway]
listen = "0.0.0.0:80"
admin = "off"
workers = 4
store = "redis://127.0.0.1:6379/0"
memory = "64MB"
max_body = "1MiB"
namespace = "team"
cache = "2h"
share = false
every = true
attempts = 5
retry_share = 0.1
timeouts = { connect = "1s", first_byte = "10m", between_chunks = "off", total = 90 }
limits = { at_once = 100, per_minute = 600, burst = 20, max_waiting = 10 }

[gateway.upstreams.openai]
url = "https://api.openai.com/v1"
key_env = "OPENAI_API_KEY"

[gateway.upstreams.claude]
url = "https://api.anthropic.com"
probe = "/v1/models"

[gateway.upstreams.local]
url = "http://[::1]:11434/v1?version=2"
provider = "openai"
key_header = "x-api-key"

[gateway.models.fast]
targets = [
    "openai/gpt-5-mini",
    "local/meta/llama-3",
]

[gateway.routes."/v1/embeddings"]
cache = "7d"
attempts = 2
targets = ["openai", "local"]

[gateway.routes."/v1/chat/completions model:gpt-*"]
limits = { at_once = 5 }
timeouts = { total = "off" }

[gateway.routes."model:o3"]
limits = "off"
timeouts = "off"
cache = "off"
retry_share = "off"

[gateway.keys.team-a]
sha256 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

[gateway.keys."team b"]
key_env = "TEAM_B_KEY"
"""


def read(folder: Path, text: str, environment: dict[str, str] | None = None) -> GatewaySettings:
    file = folder / "headway.toml"
    file.write_text(text)
    return load_gateway(file, environment or {})


def test_everything_can_be_said(tmp_path: Path) -> None:
    gateway = read(tmp_path, WHOLE)
    assert (gateway.listen, gateway.admin, gateway.workers) == ("0.0.0.0:80", None, 4)
    assert gateway.store == "redis://127.0.0.1:6379/0"
    assert (gateway.memory_bytes, gateway.max_body_bytes) == (64_000_000, 2**20)
    assert gateway.namespace == "team"
    assert gateway.rules == RuleSettings(
        cache_s=7200.0,
        share=False,
        every=True,
        attempts=5,
        retry_share=0.1,
        timeouts=TimeoutSettings(connect_s=1.0, between_chunks_s=None, total_s=90.0),
        limits=LimitSettings(at_once=100, per_minute=600.0, burst=20, max_waiting=10),
    )
    assert gateway.upstreams == {
        "openai": UpstreamSettings(url="https://api.openai.com/v1", key_env="OPENAI_API_KEY"),
        "claude": UpstreamSettings(
            url="https://api.anthropic.com",
            provider="anthropic",
            key_header="x-api-key",
            probe="/v1/models",
        ),
        "local": UpstreamSettings(url="http://[::1]:11434/v1?version=2", key_header="x-api-key"),
    }
    assert gateway.models == {"fast": ("openai/gpt-5-mini", "local/meta/llama-3")}
    assert gateway.keys == {
        "team-a": KeySettings(sha256="a" * 64),
        "team b": KeySettings(key_env="TEAM_B_KEY"),
    }


def test_a_route_says_what_is_otherwise_there(tmp_path: Path) -> None:
    gateway = read(tmp_path, WHOLE)
    embeddings, chat, o3 = gateway.routes
    usual = gateway.rules
    assert (embeddings.path, embeddings.model) == ("/v1/embeddings", "")
    assert embeddings.targets == ("openai", "local")
    assert (embeddings.rules.cache_s, embeddings.rules.attempts) == (604800.0, 2)
    assert embeddings.rules.limits == usual.limits
    assert (embeddings.rules.share, embeddings.rules.every) == (False, True)
    assert (chat.path, chat.model) == ("/v1/chat/completions", "gpt-*")
    assert chat.rules.limits == LimitSettings(at_once=5, per_minute=600.0, burst=20, max_waiting=10)
    assert chat.rules.timeouts == TimeoutSettings(connect_s=1.0, between_chunks_s=None)
    assert (o3.path, o3.model, o3.rules.cache_s, o3.rules.retry_share) == ("", "o3", None, None)
    assert o3.rules.limits == LimitSettings(max_waiting=None)
    assert o3.rules.timeouts == TimeoutSettings(
        connect_s=None, first_byte_s=None, between_chunks_s=None
    )


def test_with_nothing_said_the_defaults_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = load_gateway(environment={})
    assert nothing == GatewaySettings(store="memory")
    assert settings.load(environment={}).gateway is None
    empty = read(tmp_path, "[gateway]\n[gateway.upstreams]\n")
    assert (empty.rules, empty.upstreams) == (nothing.rules, nothing.upstreams)
    assert list(nothing.upstreams) == ["openai", "anthropic"]


@pytest.mark.parametrize(
    ("text", "environment", "store"),
    [
        ("", {}, "memory"),
        ('store = "redis://h/1"', {}, "redis://h/1"),
        ('store = "redis://h/1"\n[gateway]\nstore = "memory"', {}, "memory"),
        ('[gateway]\nstore = "memory"', {"HEADWAY_STORE": "redis://h/2"}, "redis://h/2"),
        ('[gateway]\nstore = "disk"', {"HEADWAY_STORE": ""}, "disk:.headway/cache"),
        ('folder = "/var/h"\nstore = "disk"', {}, "disk:/var/h/cache"),
        ('store = "disk"', {"HEADWAY_FOLDER": "f"}, "disk:f/cache"),
    ],
)
def test_the_store_is_that_of_the_settings_unless_another_is_said(
    tmp_path: Path, text: str, environment: dict[str, str], store: str
) -> None:
    assert read(tmp_path, text, environment).store == store


def test_the_environment_wins(tmp_path: Path) -> None:
    environment = {"HEADWAY_LISTEN": "[::]:9", "HEADWAY_WORKERS": "3"}
    for text in ("", '[gateway]\nlisten = "127.0.0.1:1"\nworkers = 2\n'):
        gateway = read(tmp_path, text, environment)
        assert (gateway.listen, gateway.workers) == ("[::]:9", 3)
    nothing = {"HEADWAY_LISTEN": "", "HEADWAY_WORKERS": ""}
    assert read(tmp_path, "", nothing) == GatewaySettings(store="memory")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HEADWAY_LISTEN", "8080", "^HEADWAY_LISTEN must be host and port, .*, not '8080'"),
        ("HEADWAY_WORKERS", "0", "^HEADWAY_WORKERS must be a whole number of 1 to 256, not 0"),
        ("HEADWAY_WORKERS", "two", "^HEADWAY_WORKERS must be .*, not 'two'"),
        ("HEADWAY_WORKERS", "-1", "not '-1'"),
        ("HEADWAY_WORKERS", "257", "not 257"),
        ("HEADWAY_WORKERS", "9" * 5000, "HEADWAY_WORKERS must be"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        read(tmp_path, "", {name: value})


UP = '[gateway.upstreams.a]\nurl = "http://h"\n[gateway.upstreams.b]\nurl = "http://h"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gateway = 3", r"line 1: `gateway` must be a table \[gateway\]"),
        ('[gateway]\nlsten = "x"', r"line 2: \[gateway\] has no `lsten`; did you mean `listen`\?"),
        (
            "[gateway]\ncolour = 1",
            "line 2: .*known are listen, admin, workers, .*limits, upstreams",
        ),
        ("[gateway]\n\nlisten = 8080", "line 3: `listen` of .* must be host and port.*, not 8080"),
        ('[gateway]\nlisten = ":8080"', "line 2: `listen`"),
        ('[gateway]\nlisten = "::1:8080"', "line 2: `listen`"),
        ('[gateway]\nlisten = "a b:80"', "line 2: `listen`"),
        ('[gateway]\nlisten = "h:65536"', "line 2: `listen`"),
        ('[gateway]\nlisten = "h:８０"', "line 2: `listen`"),
        ('[gateway]\nadmin = "on"', "line 2: `admin` .*or \"off\", not 'on'"),
        ('[gateway]\nlisten = "h:1"\nadmin = "h:1"', "line 3: `admin` and `listen` .* both 'h:1'"),
        ("[gateway]\nworkers = true", "line 2: `workers` .* whole number of 1 to 256, not True"),
        ("[gateway]\nworkers = 0", "line 2: `workers`"),
        ('[gateway]\nstore = "file"', "line 2: `store` .*one of memory, disk, .*, not 'file'"),
        ("[gateway]\nstore = 1", "line 2: `store` .*, not int"),
        (
            '[gateway]\nmemory = "off"',
            "line 2: `memory` of .* must be a size such as .*, not 'off'",
        ),
        ('[gateway]\nmemory = "0MB"', "line 2: `memory`"),
        ("[gateway]\nmemory = 1.5", "line 2: `memory`"),
        ('[gateway]\nmax_body = "32"', "line 2: `max_body` .*, or \"off\", not '32'"),
        ('[gateway]\nmax_body = "' + "9" * 400 + 'MB"', "line 2: `max_body`"),
        ("[gateway]\nnamespace = 1", "line 2: `namespace` of .* must be text, not 1"),
        ("[gateway]\ncache = false", 'line 2: `cache` of .* must be a time above zero.*, or "off"'),
        ('[gateway]\ncache = "0s"', "line 2: `cache`"),
        ("[gateway]\ncache = 1" + "0" * 400, "line 2: `cache`"),
        ("[gateway]\nshare = 1", "line 2: `share` of .* must be true or false, not 1"),
        ("[gateway]\nattempts = 0", "line 2: `attempts`"),
        ("[gateway]\nretry_share = 1.1", "line 2: `retry_share` .* a share from 0 to 1"),
        ("[gateway]\nretry_share = nan", "line 2: `retry_share`"),
        ("[gateway]\njitter = 0.6", "line 2: `jitter` .* a share from 0 to 0.5"),
        ('[gateway]\nmax_kept = "0B"', 'line 2: `max_kept` .*, or "off"'),
        ('[gateway]\nfirst_wait = "off"', "line 2: `first_wait` .* a time of zero or more"),
        ("[gateway]\nmax_wait = -1", "line 2: `max_wait` .* a time of zero or more"),
        ("[gateway]\ndrain = true", "line 2: `drain` .* a time of zero or more"),
        ('[gateway]\npasses_over = "off"', "line 2: `passes_over` .* must be true or false"),
        ("[gateway]\ntimeouts = 3", r"line 2: \[gateway.timeouts\] must be a table, timeouts = {"),
        ('[gateway]\ntimeouts = { conect = "5s" }', r"line 2: \[gateway.timeouts\] .*`connect`\?"),
        ('[gateway.timeouts]\nconnect = "soon"', "line 2: `connect` of .* must be a time above"),
        ("[gateway]\nlimits = { at_once = 0 }", r"line 2: `at_once` of \[gateway.limits\]"),
        ("[gateway]\nlimits = { per_minute = inf }", "line 2: `per_minute` .* number above zero"),
        ("[gateway]\nlimits = { burst = 5 }", "line 2: `burst` .*give `per_minute` too"),
        (
            '[gateway.limits]\nper_minute = 5\nburst = 5\n[gateway.routes."/x"]\n'
            'limits = { per_minute = "off", burst = 5 }',
            "line 5: `burst` .*give `per_minute` too",
        ),
        ("[gateway]\nupstreams = 3", "line 2: `upstreams` of .* must be tables, such as"),
        ('[gateway.upstreams]\na = "http://h"', r"line 2: \[gateway.upstreams.a\] must be a table"),
        ("[gateway.upstreams.a]\n", r"line 1: \[gateway.upstreams.a\] needs a `url`"),
        ('[gateway.upstreams.a]\nurl = "h:80"', "line 2: `url` of .*base URL .*, not 'h:80'"),
        ('[gateway.upstreams.a]\nurl = "ftp://h"', "line 2: `url`"),
        ('[gateway.upstreams.a]\nurl = "http://h:0"', "line 2: `url`"),
        ('[gateway.upstreams.a]\nurl = "http://h:x"', "line 2: `url`"),
        ('[gateway.upstreams.a]\nurl = "http://h/a b"', "line 2: `url`"),
        ('[gateway.upstreams.a]\nurl = "http://h/\\r\\nx: y"', "line 2: `url`"),
        ('[gateway.upstreams.a]\nurl = "http://h#x"', "line 2: `url`"),
        ('[gateway.upstreams.a]\nuri = "http://h"', "line 2: .*did you mean `url`"),
        ('[gateway.upstreams."a/b"]\nurl = "http://h"', "line 1: .*'a/b' cannot name an upstream"),
        ('[gateway.upstreams.v1]\nurl = "http://h"', "line 1: .*no version such as"),
        ('[gateway.upstreams.""]\nurl = "http://h"', "line 1: .*'' is no name"),
        (UP + 'provider = "antropic"', 'line 5: `provider` .*"openai" or "anthropic", not'),
        (UP + 'key_header = "api-key"', 'line 5: `key_header` .*"authorization" or "x-api-key"'),
        (UP + 'probe = "models"', 'line 5: `probe` .* begins with "/"'),
        (UP + '[gateway.models.m]\ntargets = ["c"]', "line 6: .*'c': there is no upstream `c`"),
        (UP + '[gateway.models.m]\ntargets = ["a/"]', "line 6: .*'a/' names no model"),
        (UP + '[gateway.models.m]\ntargets = ["a", "a"]', "line 6: .* stands there twice"),
        (UP + '[gateway.models.m]\ntargets = [\n"a",\n"c",\n]', "line 6: .*no upstream `c`"),
        (UP + "[gateway.models.m]\ntargets = []", "line 6: `targets` .*one at least, not"),
        (UP + '[gateway.models.m]\ntargets = "a"', "line 6: `targets` .*a list of targets"),
        (UP + "[gateway.models.m]\n", r"line 5: \[gateway.models.m\] needs `targets`"),
        (UP + '[gateway.models."m*"]\ntargets = ["a"]', r"line 5: .*routes.\"model:m\*\"\]"),
        ('[gateway.models.m]\ntargets = ["opnai"]', "line 2: .*did you mean `openai`"),
        ('[gateway.routes."embeddings"]', "line 1: .*write the end of a path"),
        ('[gateway.routes."/x?y"]', "line 1: .*write the end of a path"),
        ('[gateway.routes."/x gpt-5"]', "line 1: .*write the end of a path"),
        ('[gateway.routes."model: "]', "line 1: .*write the end of a path"),
        ('[gateway.routes."/x"]\ncach = "1h"', "line 2: .*has no `cach`; did you mean `cache`"),
        ('[gateway.routes."/x"]\ntarget = ["openai"]', "line 2: .*did you mean `targets`"),
        ('[gateway.routes."/x"]\nlisten = "h:1"', "line 2: .*has no `listen`; known are cache"),
        ('[gateway.routes."/x"]\ntargets = ["b"]', "line 2: .*no upstream `b`"),
        (
            '[gateway.routes."/x"]\n[gateway.routes."/v1/x"]',
            'line 2: .*never reached, .*"/x" stands',
        ),
        ('[gateway.routes."model:*"]\n[gateway.routes."/x model:a"]', "line 2: .*never reached"),
        ('[gateway.routes."/x/"]\n[gateway.routes."/x"]', "line 2: .*never reached"),
        (
            '[gateway.models.m]\ntargets=["openai/n"]\n[gateway.routes."/x model:m"]\n'
            'targets = ["openai"]',
            r"line 4: `targets` of .* are said by \[gateway.models.m\] already",
        ),
        ("[gateway.keys.a]\n", r"line 1: \[gateway.keys.a\] needs either `sha256`"),
        (f'[gateway.keys.a]\nsha256 = "{"a" * 64}"\nkey_env = "A"', "line 1: .*needs either"),
        ('[gateway.keys."a\\u0007"]\nkey_env = "A"', "line 1: .*printable"),
        (
            "[gateway.keys.a]\nsha256 = "
            '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
            "line 2: `sha256` .* of a key that is not empty",
        ),
    ],
)
def test_a_wrong_value_names_its_line_and_the_way_out(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadSetup, match=said) as wrong:
        read(tmp_path, text)
    assert str(wrong.value).startswith(f"{tmp_path / 'headway.toml'}, line ")
    with pytest.raises(BadSetup):
        settings.load(tmp_path / "headway.toml", {})


def test_routes_of_which_each_has_requests_of_its_own_are_let_be(tmp_path: Path) -> None:
    text = "".join(
        f"[gateway.routes.{name}]\n"
        for name in ('"/x model:a"', '"/x model:a*"', '"/x"', '"model:a"', '"/v1/y"', '"/y"')
    )
    assert len(read(tmp_path, text).routes) == 6


@pytest.mark.parametrize(
    "line",
    [
        '[gateway.upstreams.a]\nurl = "https://u:s3cret@h/v1"',
        '[gateway.upstreams.a]\nurl = "h/v1?key=s3cret"',
        '[gateway.upstreams.a]\nkey_env = "sk-s3cret"',
        '[gateway.upstreams.a]\napi_key = "s3cret"',
        '[gateway.upstreams.a]\napi_key = "s3cret"\nurl = "http://h"',
        '[gateway.keys.a]\nsha256 = "s3cret"',
        '[gateway.keys.a]\nkey_env = "sk-s3cret"',
        '[gateway]\nstore = "redis://u:s3cret@h:port"',
        '[gateway]\nstore = "http://u:s3cret@h"',
        '[gateway]\nkeys = "s3cret"',
        '[gateway.keys]\nteam = "s3cret"',
        '[gateway.upstreams.a]\nurl = "http://h"\nkey_header = "s3cret"',
    ],
)
def test_a_secret_in_a_wrong_place_is_not_shown(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadSetup) as wrong:
        read(tmp_path, line)
    assert "s3cret" not in str(wrong.value)
    assert wrong.value.__cause__ is None
    assert "s3cret" not in repr(read(tmp_path, "# s3cret\n[gateway]\n"))


@given(st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3})? ?([kKmMgGtT]i?)?[bB]", fullmatch=True))
def test_a_size_is_what_the_stores_take_it_for(text: str) -> None:
    try:
        expected = parse_bytes(text)
    except BadSetup:
        with pytest.raises(ValueError):  # noqa: PT011
            SIZE.read(text)
    else:
        assert SIZE.read(text) == expected


LOADED = """
import sys
import headway
headway.settings.current()
print(any("gateway" in name for name in sys.modules))
"""


@pytest.mark.parametrize(("text", "is_loaded"), [("", "False"), ("[gateway]\n", "True")])
def test_only_who_has_a_gateway_loads_what_reads_it(
    tmp_path: Path, text: str, is_loaded: str
) -> None:
    (tmp_path / "headway.toml").write_text(f'log = "info"\n{text}')
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.strip() == is_loaded
