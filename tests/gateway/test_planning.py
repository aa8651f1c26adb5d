"""From headway.toml and the environment to a plan."""

import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup
from headway.gateway.gateway import Gateway
from headway.gateway.plan import ClientKey, Limits, Plan, Route, Rules, Target, Timeouts, Upstream
from headway.gateway.planning import plan_of
from headway.gateway.way import Policies
from headway.settings import load_gateway
from headway.settings.gateway_settings import GatewaySettings, RouteSettings, RuleSettings
from headway.testing.provider import Provider

OPENAI = Upstream(name="openai", url="https://api.openai.com/v1")
ANTHROPIC = Upstream(
    name="anthropic",
    url="https://api.anthropic.com/v1",
    provider="anthropic",
    key_header="x-api-key",
)


def plan(folder: Path, text: str, environment: dict[str, str] | None = None) -> Plan:
    file = folder / "headway.toml"
    file.write_text(text)
    return plan_of(load_gateway(file, {}), environment or {})


def test_the_defaults_are_those_of_a_plan() -> None:
    assert plan_of(GatewaySettings(), {}) == Plan(upstreams=(OPENAI, ANTHROPIC))


def test_all_that_is_said_is_in_the_plan(tmp_path: Path) -> None:
    text = """
    store = "redis://127.0.0.1:6379/3"
    [gateway]
    memory = "1GB"
    max_body = "2MB"
    namespace = "team"
    cache = "2m"
    share = false
    every = true
    jitter = 0.1
    max_kept = "1MB"
    attempts = 4
    first_wait = "50ms"
    max_wait = "5s"
    retry_share = 0.5
    passes_over = false
    timeouts = { connect = "1s", first_byte = "2s", between_chunks = "3s", total = "4s" }
    limits = { at_once = 1, per_minute = 2, burst = 3, max_waiting = 4 }
    [gateway.upstreams.mine]
    url = "http://127.0.0.1:9/v1"
    provider = "anthropic"
    key_env = "MINE"
    key_header = "authorization"
    probe = "/health"
    [gateway.keys.team-a]
    key_env = "TEAM_A"
    """
    timeouts = Timeouts(connect_s=1.0, first_byte_s=2.0, between_chunks_s=3.0, total_s=4.0)
    assert plan(tmp_path, text, {"MINE": "sk-mine", "TEAM_A": " hw-a\n"}) == Plan(
        upstreams=(
            Upstream(
                name="mine",
                url="http://127.0.0.1:9/v1",
                provider="anthropic",
                key="sk-mine",
                probe="/health",
                timeouts=timeouts,
            ),
        ),
        rules=Rules(
            ttl_s=120.0,
            jitter=0.1,
            every=True,
            share=False,
            attempts=4,
            first_wait_s=0.05,
            max_wait_s=5.0,
            retry_share=0.5,
            passes_over=False,
            max_kept_bytes=1_000_000,
            limits=Limits(at_once=1, per_minute=2.0, burst=3, max_waiting=4),
        ),
        keys=(ClientKey("team-a", sha256(b"hw-a").hexdigest()),),
        max_body_bytes=2_000_000,
        namespace="team",
        store="redis://127.0.0.1:6379/3",
        memory_bytes=10**9,
    )


def test_everything_can_be_switched_off(tmp_path: Path) -> None:
    text = """
    [gateway]
    max_body = "off"
    cache = "off"
    share = false
    attempts = 1
    max_kept = "off"
    first_wait = 0
    retry_share = "off"
    passes_over = false
    timeouts = "off"
    limits = "off"
    [gateway.upstreams.a]
    url = "http://h"
    probe = "off"
    [gateway.upstreams.b]
    url = "http://h"
    """
    off = plan(tmp_path, text)
    nothing = Timeouts(connect_s=None, first_byte_s=None, between_chunks_s=None)
    assert [upstream.timeouts for upstream in off.upstreams] == [nothing, nothing]
    assert [upstream.probe for upstream in off.upstreams] == ["", "/models"]
    rules = off.rules
    assert off.max_body_bytes == rules.max_kept_bytes == sys.maxsize
    assert (rules.first_wait_s, rules.passes_over, rules.retry_share) == (0.0, False, None)
    assert (rules.ttl_s, rules.share, rules.attempts) == (None, False, 1)
    assert rules.limits == Limits(max_waiting=None)
    budget = Policies(rules=Rules(retry_share=None), limits={}, budgets={}).budget
    assert budget is not None
    assert all(budget.may_repeat() for _ in range(10_000))
    assert msgspec.json.decode(msgspec.json.encode(off), type=Plan) == off


def test_a_route_has_rules_and_targets_of_its_own(tmp_path: Path) -> None:
    text = """
    [gateway]
    attempts = 2
    timeouts = { total = "1m" }
    [gateway.routes."/v1/embeddings"]
    cache = "7d"
    timeouts = { connect = "1s" }
    targets = ["openai/text-embedding-3-small", "anthropic"]
    [gateway.routes."/v1/chat/completions model:gpt-*"]
    """
    made = plan(tmp_path, text)
    assert made.routes == (
        Route(
            path="/v1/embeddings",
            targets=(Target("openai", "text-embedding-3-small"), Target("anthropic")),
            rules=Rules(ttl_s=604800.0, attempts=2, timeouts=Timeouts(connect_s=1.0, total_s=60.0)),
        ),
        Route(path="/v1/chat/completions", model="gpt-*", rules=Rules(attempts=2)),
    )
    assert made.upstreams[0].timeouts == Timeouts(total_s=60.0)


def test_an_alias_goes_to_its_targets_by_the_rules_of_the_route_that_fits(tmp_path: Path) -> None:
    text = """
    [gateway.models.fast]
    targets = ["openai/gpt-5-mini", "anthropic/meta/llama"]
    [gateway.routes."/v1/embeddings"]
    cache = "7d"
    [gateway.routes."model:gpt-*"]
    attempts = 9
    [gateway.routes."/v1/chat/completions model:f*"]
    attempts = 5
    targets = ["openai"]
    """
    targets = (Target("openai", "gpt-5-mini"), Target("anthropic", "meta/llama"))
    week = Rules(ttl_s=604800.0)
    assert plan(tmp_path, text).routes == (
        Route(path="/v1/embeddings", model="fast", targets=targets, rules=week),
        Route(path="/v1/chat/completions", model="fast", targets=targets, rules=Rules(attempts=5)),
        Route(model="fast", targets=targets),
        Route(path="/v1/embeddings", rules=week),
        Route(model="gpt-*", rules=Rules(attempts=9)),
        Route(
            path="/v1/chat/completions",
            model="f*",
            targets=(Target("openai"),),
            rules=Rules(attempts=5),
        ),
    )


def test_what_fits_all_paths_ends_the_routes_of_an_alias(tmp_path: Path) -> None:
    text = """
    [gateway.models.fast]
    targets = ["openai"]
    [gateway.routes."model:fa*"]
    attempts = 9
    [gateway.routes."/x"]
    """
    first, *_ = routes = plan(tmp_path, text).routes
    assert first == Route(model="fast", targets=(Target("openai"),), rules=Rules(attempts=9))
    assert len(routes) == 3


PATHS = ("", "/", "/x", "/v1/x", "/y")
MODELS = ("", "fast", "fa*", "slow", "*")


def first_fit(routes: Iterable[Route], path: str, model: str | None) -> Route | None:
    """As the gateway chooses."""
    for route in routes:
        is_model = not route.model or (model is not None and fnmatchcase(model, route.model))
        if path.endswith(route.path.rstrip("/")) and is_model:
            return route
    return None


@given(
    st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(MODELS)), max_size=6, unique=True),
    st.sampled_from(("/v1/x", "/v1/y", "/z")),
    st.sampled_from(("fast", "slow", "other", None)),
)
def test_an_alias_changes_the_targets_of_a_request_and_nothing_else(
    routes: list[tuple[str, str]], path: str, model: str | None
) -> None:
    said = tuple(
        RouteSettings(name=str(n), path=path, model=model, rules=RuleSettings(attempts=n + 2))
        for n, (path, model) in enumerate(routes)
    )
    plain = plan_of(GatewaySettings(routes=said), {})
    with_alias = plan_of(GatewaySettings(routes=said, models={"fast": ("openai/real",)}), {})
    before, after = first_fit(plain.routes, path, model), first_fit(with_alias.routes, path, model)
    assert (before.rules if before else plain.rules) == (after.rules if after else plain.rules)
    targets = after.targets if after else ()
    assert targets == ((Target("openai", "real"),) if model == "fast" else ())


UPSTREAM = '[gateway.upstreams.a]\nurl = "http://h"\nkey_env = "A_KEY"\n'
CLIENT = '[gateway.keys."team a"]\n\nkey_env = "TEAM"\n'


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        (UPSTREAM, {}, r"line 3: `key_env` of \[gateway.upstreams.a\]: .* A_KEY is not set"),
        (UPSTREAM, {"A_KEY": " \n"}, "line 3: .* A_KEY is not set"),
        (UPSTREAM, {"A_KEY": "s3cret\r\nx: y"}, "line 3: .* A_KEY holds is no key"),
        (UPSTREAM, {"A_KEY": "s3cret s3cret"}, "line 3: .* A_KEY holds is no key"),
        (UPSTREAM, {"A_KEY": "s3crét"}, "line 3: .* A_KEY holds is no key"),
        (CLIENT, {}, r'line 3: `key_env` of \[gateway.keys."team a"\]: .* TEAM is not set'),
        (
            CLIENT + '[gateway.keys.b]\nkey_env = "B"',
            {"TEAM": "s3cret", "B": "s3cret"},
            "line 4: the client keys `team a` and `b` are the same",
        ),
        (
            f'{CLIENT}[gateway.keys.b]\nsha256 = "{sha256(b"s3cret").hexdigest().upper()}"',
            {"TEAM": "s3cret"},
            "line 4: the client keys `team a` and `b` are the same",
        ),
    ],
)
def test_a_missing_or_wrong_credential_is_named_and_never_shown(
    tmp_path: Path, text: str, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(BadSetup, match=said) as wrong:
        plan(tmp_path, text, environment)
    assert str(wrong.value).startswith(str(tmp_path / "headway.toml"))
    assert "s3c" not in str(wrong.value)


def test_the_key_of_an_anthropic_server_goes_where_it_reads_it(tmp_path: Path) -> None:
    text = '[gateway.upstreams.anthropic]\nurl = "https://proxy.example"\nkey_env = "K"\n'
    (made,) = plan(tmp_path, text, {"K": "sk-ant"}).upstreams
    assert (made.provider, made.key, made.key_header) == ("anthropic", "sk-ant", "x-api-key")


async def test_a_gateway_does_what_the_file_says(tmp_path: Path) -> None:
    async with Provider("yes", keys=["sk-real"], models=["real", "spare"]) as provider:
        text = f"""
        [gateway.upstreams.down]
        url = "http://127.0.0.1:1/v1"
        [gateway.upstreams.up]
        url = "{provider.url}/v1"
        key_env = "REAL"
        [gateway.models.fast]
        targets = ["down/real", "up/spare"]
        [gateway.routes."model:fast"]
        attempts = 1
        [gateway.keys.team-a]
        key_env = "TEAM_A"
        """
        gateway = Gateway(plan(tmp_path, text, {"REAL": "sk-real", "TEAM_A": "hw-a"}))
        await gateway.listen()
        body = {
            "model": "fast",
            "temperature": 0,
            "messages": [{"role": "user", "content": "well?"}],
        }
        try:
            async with httpx2.AsyncClient(verify=False) as http:
                url = f"{gateway.url}/v1/chat/completions"
                refused = await http.post(url, json=body, headers={"authorization": "Bearer x"})
                let_in = {"authorization": "Bearer hw-a"}
                answers = [await http.post(url, json=body, headers=let_in) for _ in range(2)]
        finally:
            await gateway.aclose()
    assert refused.status_code == 401
    assert [answer.json()["model"] for answer in answers] == ["spare", "spare"]
    # Only what the first target says is kept.
    assert [answer.headers["x-headway-cache"] for answer in answers] == ["miss", "miss"]
    assert len(provider.log) == 2
