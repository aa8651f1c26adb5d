"""The variables that tell SDKs where their provider is: what they say, and what they are to say.

Names were read in the SDKs themselves. ``OPENAI_BASE_URL``: openai for Python, Node and others,
openai-agents, pydantic-ai, instructor, the AI SDK, LiteLLM. ``OPENAI_API_BASE``: LangChain,
LlamaIndex, LiteLLM. ``ANTHROPIC_BASE_URL``: anthropic for Python and Node, Claude Code, the AI SDK,
LangChain, LiteLLM. Others are turned to the gateway only where they are set already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from ..errors import BadSetup
from .plan import Timeouts, Upstream

_PATIENT: Final = Timeouts(connect_s=60.0, first_byte_s=None, between_chunks_s=None)
"""The program has its own time-outs; they are the ones that count."""
_LOCAL: Final = ("127.0.0.1", "localhost")
_NO_PROXY: Final = ("NO_PROXY", "no_proxy")


class _Provider(msgspec.Struct, frozen=True):
    """A provider: its usual base URL, variables to set always, and others to turn if set."""

    name: str
    wire: str
    url: str
    always: tuple[str, ...]
    if_set: tuple[str, ...]


# The paths of Anthropic's SDKs begin with /v1, those of the AI SDK do not: with /v1 both go right.
_PROVIDERS: Final = (
    _Provider(
        "openai",
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        ("OPENAI_API_BASE_URL", "OPENAI_API_HOST"),
    ),
    _Provider(
        "anthropic",
        "anthropic",
        "https://api.anthropic.com/v1",
        ("ANTHROPIC_BASE_URL",),
        ("ANTHROPIC_API_BASE", "ANTHROPIC_API_URL"),
    ),
)
_AZURE: Final = ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_BASE_URL", "AZURE_API_BASE")
_OTHERS: Final = (
    *("CEREBRAS", "DEEPSEEK", "FIREWORKS", "GEMINI", "GOOGLE_GEMINI", "GROQ", "LITELLM"),
    *("LITELLM_PROXY", "LLM", "LM_STUDIO", "LMSTUDIO", "MISTRAL", "MOONSHOT", "MOONSHOTAI"),
    *("NVIDIA", "OLLAMA", "OPENROUTER", "PERPLEXITY", "SAMBANOVA", "TOGETHER", "TOGETHERAI"),
    *("VLLM", "XAI"),
)
_ENDINGS: Final = ("_BASE_URL", "_API_BASE")


class Turned(msgspec.Struct, frozen=True):
    """A variable that is to lead to the gateway: to which upstream, and with what end and login."""

    variable: str
    upstream: str
    ending: str = ""
    login: str = ""

    def url(self, port: int) -> str:
        """What it says for a gateway on *port* of this machine."""
        return self._url(port, self.login)

    def shown(self, port: int) -> str:
        """The same for people: a login is not to be seen."""
        return self._url(port, "***@" if self.login else "")

    def _url(self, port: int, login: str) -> str:
        return f"http://{login}127.0.0.1:{port}/{self.upstream}{self.ending}"


class BaseUrls(msgspec.Struct, frozen=True):
    """The upstreams of a gateway for one program, and the variables that lead it there."""

    upstreams: tuple[Upstream, ...]
    turned: tuple[Turned, ...]

    def variables(self, port: int, environment: Mapping[str, str]) -> dict[str, str]:
        """What differs from *environment* in that of the program."""
        changed = {turned.variable: turned.url(port) for turned in self.turned}
        return changed | _past_proxies(environment)


def read_base_urls(environment: Mapping[str, str]) -> BaseUrls:
    """What the variables of *environment* say: one that is set names the upstream.

    Raises:
        BadSetup: one of them is no base URL.
    """
    upstreams: dict[tuple[str, str], Upstream] = {}
    turned: list[Turned] = []
    for provider in _providers():
        given = {
            name: found
            for name in (*provider.always, *provider.if_set)
            if (found := environment.get(name, "").strip())
        }
        urls = {name: _Url(name, text) for name, text in given.items()}
        usual = next(iter(urls.values()), None)
        for name in dict.fromkeys((*provider.always, *given)):
            url = urls.get(name, usual)
            where = provider.url if url is None else url.upstream
            spec = upstreams.get((provider.name, where))
            if spec is None:
                spec = _upstream(provider, where, upstreams)
                upstreams[provider.name, where] = spec
            turned.append(_turned(name, spec.name, url, provider))
    return BaseUrls(tuple(upstreams.values()), tuple(turned))


def known_variables() -> frozenset[str]:
    """The names of all variables that are turned to the gateway if they are set."""
    return frozenset(name for each in _providers() for name in (*each.always, *each.if_set))


def _providers() -> Iterator[_Provider]:
    yield from _PROVIDERS
    yield _Provider("azure", "openai", "", (), _AZURE)
    for prefix in _OTHERS:
        name = prefix.lower().replace("_", "-")
        yield _Provider(name, "openai", "", (), tuple(prefix + end for end in _ENDINGS))


def _upstream(provider: _Provider, url: str, known: Mapping[tuple[str, str], Upstream]) -> Upstream:
    number = sum(name == provider.name for name, _ in known)
    name = provider.name if not number else f"{provider.name}-{number + 1}"
    return Upstream(name=name, url=url, provider=provider.wire, timeouts=_PATIENT)


def _turned(name: str, upstream: str, url: _Url | None, provider: _Provider) -> Turned:
    if url is None:  # as the SDK's own: OpenAI's ends with /v1, Anthropic's does not
        return Turned(name, upstream, "/v1" if provider.wire == "openai" else "")
    return Turned(name, upstream, "/v1" if url.path.endswith("/v1") else "", url.login)


class _Url:
    """A base URL that a variable says."""

    def __init__(self, name: str, text: str) -> None:
        parts = _split(name, text)
        self.path = parts.path.rstrip("/")
        before, at, host = parts.netloc.rpartition("@")
        self.login = f"{before}{at}"
        self.upstream = f"{parts.scheme}://{host}{self.path}"


def _split(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _wrong(name, text, "its host or port cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise _wrong(name, text, "it does not begin with http:// or https://")
    if not parts.hostname or port == 0 or any(letter.isspace() for letter in text):
        raise _wrong(name, text, "it names no server")
    if parts.query or parts.fragment:
        raise _wrong(name, text, 'what stands behind "?" or "#" cannot be part of it')
    return parts


def _wrong(name: str, text: str, why: str) -> BadSetup:
    before, mark, _ = text.partition("?")  # what stands behind it may be a key
    _, at, host = before.rpartition("@")
    shown = (f"***@{host}" if at else before) + (f"{mark}..." if mark else "")
    return BadSetup(f"{name}={shown!r} is no base URL: {why}; write it like https://host/v1")


def _past_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Requests to the gateway go to it directly, whatever proxy is set for all others."""
    said = {name: environment[name] for name in _NO_PROXY if environment.get(name)}
    usual = next(iter(said.values()), "")
    changed = {}
    for name in _NO_PROXY:
        hosts = [host.strip() for host in said.get(name, usual).split(",") if host.strip()]
        missing = [] if "*" in hosts else [host for host in _LOCAL if host not in hosts]
        changed[name] = ",".join([*hosts, *missing])
    return changed
