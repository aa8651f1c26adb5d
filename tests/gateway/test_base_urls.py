"""The variables that SDKs read: what they said becomes the upstream, what they say leads to us."""

import pytest

from headway.errors import BadSetup
from headway.gateway.base_urls import read_base_urls
from headway.gateway.plan import Upstream
from headway.gateway.server import Address

PORT = 4321


def upstreams(**environment: str) -> dict[str, str]:
    return {each.name: each.url for each in read_base_urls(environment).upstreams}


def variables(**environment: str) -> dict[str, str]:
    return read_base_urls(environment).variables(PORT, environment)


def asked_there(variable: str, path: str, **environment: str) -> str:
    """The URL that is asked in the end if an SDK appends *path* to what the variable says."""
    urls = read_base_urls(environment)
    said = urls.variables(PORT, environment)[variable].partition(f"127.0.0.1:{PORT}/")[2]
    name, _, rest = f"{said}{path}".partition("/")
    spec: Upstream = next(each for each in urls.upstreams if each.name == name)
    address = Address(spec.url)
    return f"{address.origin}{address.target('/' + rest)}"


def test_with_nothing_set_the_providers_are_asked_themselves() -> None:
    assert upstreams() == {
        "openai": "https://api.openai.com/v1",
        "anthropic": "https://api.anthropic.com/v1",
    }
    assert variables() == {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{PORT}/openai/v1",
        "OPENAI_API_BASE": f"http://127.0.0.1:{PORT}/openai/v1",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{PORT}/anthropic",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@pytest.mark.parametrize(
    ("variable", "said", "path", "asked"),
    [
        ("OPENAI_BASE_URL", "", "/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("OPENAI_BASE_URL", "http://h/v1", "/responses", "http://h/v1/responses"),
        ("OPENAI_BASE_URL", "http://h/v1/", "/responses", "http://h/v1/responses"),
        ("OPENAI_BASE_URL", "  http://h:81/v1 ", "/responses", "http://h:81/v1/responses"),
        ("OPENAI_BASE_URL", "http://h", "/chat/completions", "http://h/chat/completions"),
        ("OPENAI_BASE_URL", "http://h/a/b/", "/embeddings", "http://h/a/b/embeddings"),
        ("OPENAI_BASE_URL", "http://h/a/v1", "/embeddings", "http://h/a/v1/embeddings"),
        ("OPENAI_BASE_URL", "https://u:p%40@h/v1", "/models", "https://h/v1/models"),
        ("OPENAI_BASE_URL", "http://[::1]:8000/v1", "/models", "http://[::1]:8000/v1/models"),
        (
            "OPENAI_BASE_URL",
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "/chat/completions",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        ("ANTHROPIC_BASE_URL", "", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        # The AI SDK knows only its own default as one without /v1.
        ("ANTHROPIC_BASE_URL", "", "/messages", "https://api.anthropic.com/v1/messages"),
        ("ANTHROPIC_BASE_URL", "http://h", "/v1/messages", "http://h/v1/messages"),
        ("ANTHROPIC_BASE_URL", "http://h/v1", "/messages", "http://h/v1/messages"),
        ("ANTHROPIC_BASE_URL", "http://h/claude", "/v1/messages", "http://h/claude/v1/messages"),
        ("GROQ_BASE_URL", "https://g/openai/v1", "/models", "https://g/openai/v1/models"),
        (
            "AZURE_OPENAI_ENDPOINT",
            "https://x.openai.azure.com/",
            "/openai/deployments/d/chat/completions?api-version=1",
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
        ),
    ],
)
def test_the_same_url_is_asked_as_without_us(
    variable: str, said: str, path: str, asked: str
) -> None:
    assert asked_there(variable, path, **{variable: said}) == asked


def test_a_login_stays_with_the_client_who_makes_a_header_of_it() -> None:
    said = variables(OPENAI_BASE_URL="https://user:pa%40ss@h/v1")["OPENAI_BASE_URL"]
    assert said == f"http://user:pa%40ss@127.0.0.1:{PORT}/openai/v1"
    assert upstreams(OPENAI_BASE_URL="https://user:pa%40ss@h/v1")["openai"] == "https://h/v1"


def test_variables_of_one_provider_that_differ_lead_to_different_upstreams() -> None:
    both = {"OPENAI_BASE_URL": "http://a/v1", "OPENAI_API_BASE": "http://b/v1"}
    assert upstreams(**both)["openai"] == "http://a/v1"
    assert upstreams(**both)["openai-2"] == "http://b/v1"
    assert variables(**both)["OPENAI_API_BASE"].endswith("/openai-2/v1")


def test_a_variable_that_is_not_set_follows_its_sibling() -> None:
    only = {"OPENAI_API_BASE": "http://b/compat"}
    assert upstreams(**only)["openai"] == "http://b/compat"
    assert variables(**only)["OPENAI_BASE_URL"].endswith("/openai")


def test_others_are_turned_only_where_they_are_set() -> None:
    assert "GROQ_BASE_URL" not in variables()
    assert "MY_BASE_URL" not in variables(MY_BASE_URL="https://my-site")
    assert "GROQ_BASE_URL" not in variables(GROQ_BASE_URL="")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("localhost:8000/v1", "does not begin with http"),
        ("ws://h/v1", "does not begin with http"),
        ("http:///v1", "names no server"),
        ("http://h:0/v1", "names no server"),
        ("http://a b/v1", "names no server"),
        ("http://h:99999/v1", "cannot be read"),
        ("http://[::1/v1", "cannot be read"),
        ("http://h/v1?key=1", "cannot be part of it"),
        ("http://h/v1#x", "cannot be part of it"),
        ("nonsense", "does not begin with http"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_its_variable(said: str, why: str) -> None:
    with pytest.raises(BadSetup, match=why) as refused:
        read_base_urls({"ANTHROPIC_BASE_URL": said})
    assert "ANTHROPIC_BASE_URL" in str(refused.value)


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(BadSetup) as refused:
        read_base_urls({"OPENAI_BASE_URL": "ftp://user:secret@h/v1"})
    assert "secret" not in str(refused.value)
    assert "***@h/v1" in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "upper", "lower"),
    [
        ({"NO_PROXY": "a.b, c"}, "a.b,c,127.0.0.1,localhost", "a.b,c,127.0.0.1,localhost"),
        ({"no_proxy": "localhost"}, "localhost,127.0.0.1", "localhost,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*", "*"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "a,127.0.0.1,localhost", "b,127.0.0.1,localhost"),
    ],
)
def test_proxies_are_gone_past(environment: dict[str, str], upper: str, lower: str) -> None:
    said = variables(**environment)
    assert (said["NO_PROXY"], said["no_proxy"]) == (upper, lower)


def test_what_people_are_shown_has_no_login_and_no_query() -> None:
    urls = read_base_urls({"OPENAI_BASE_URL": "http://me:secret@h/v1"})
    assert urls.turned[0].url(PORT) == f"http://me:secret@127.0.0.1:{PORT}/openai/v1"
    assert urls.turned[0].shown(PORT) == f"http://***@127.0.0.1:{PORT}/openai/v1"
    with pytest.raises(BadSetup) as refused:
        read_base_urls({"OPENAI_BASE_URL": "https://me:secret@h/v1?key=secret"})
    assert "secret" not in str(refused.value)
    assert "'https" not in str(refused.value)
