"""The settings of the gateway, with their defaults; times in seconds, None is off."""

from __future__ import annotations

import msgspec

from .wrong_value import place


class TimeoutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what."""

    connect_s: float | None = 5.0
    first_byte_s: float | None = 600.0
    between_chunks_s: float | None = 120.0
    total_s: float | None = None


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much each client key may do."""

    at_once: int | None = None
    per_minute: float | None = None
    burst: int | None = None
    max_waiting: int | None = 1000


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with the requests of a route."""

    cache_s: float | None = 3600.0
    jitter: float = 0.0
    share: bool = True
    every: bool = False
    max_kept_bytes: int | None = 10 * 1024 * 1024
    attempts: int = 3
    first_wait_s: float = 0.2
    max_wait_s: float = 30.0
    retry_share: float | None = 0.2
    passes_over: bool = True
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: LimitSettings = LimitSettings()


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A server that answers; ``key_env`` is the environment variable with its credential."""

    url: str
    provider: str = "openai"
    key_env: str | None = None
    key_header: str = "authorization"
    probe: str | None = "/models"


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Requests by the end of their path, the model, or both; ``name`` is how the file says it."""

    name: str
    path: str = ""
    model: str = ""
    targets: tuple[str, ...] = ()
    rules: RuleSettings = RuleSettings()


class KeySettings(msgspec.Struct, frozen=True, kw_only=True):
    """A client's key: its SHA-256 in hex, or the environment variable that holds it."""

    sha256: str | None = None
    key_env: str | None = None


class Written(msgspec.Struct, frozen=True):
    """The file in which settings stand, to say where."""

    file: str = ""
    text: str = ""

    def __repr__(self) -> str:
        return f"Written({self.file!r})"

    def at(self, *path: str) -> str:
        """How a message begins that is about what *path* leads to in the file."""
        return f"{self.file}{place(self.text, path)}: " if self.file else ""


USUAL_UPSTREAMS = {
    "openai": UpstreamSettings(url="https://api.openai.com/v1"),
    "anthropic": UpstreamSettings(
        url="https://api.anthropic.com/v1", provider="anthropic", key_header="x-api-key"
    ),
}


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``[gateway]`` of ``headway.toml`` may say."""

    listen: str = "127.0.0.1:8080"
    """Host and port. ``HEADWAY_LISTEN``."""
    admin: str | None = "127.0.0.1:8081"
    """Host and port of health and metrics."""
    workers: int = 1
    """Processes that share the port. ``HEADWAY_WORKERS``."""
    drain_s: float = 30.0
    """How long requests under way may take to finish at the end."""
    store: str | None = None
    """Where answers are kept; None is the setting ``store``. ``HEADWAY_STORE``."""
    memory_bytes: int = 64 * 1024 * 1024
    """Of answers in memory, in each worker."""
    max_body_bytes: int | None = 32 * 1024 * 1024
    namespace: str = ""
    """Client keys share answers under this name; empty keeps those of each key apart."""
    rules: RuleSettings = RuleSettings()
    """For requests that no route fits."""
    upstreams: dict[str, UpstreamSettings] = msgspec.field(default_factory=USUAL_UPSTREAMS.copy)
    models: dict[str, tuple[str, ...]] = {}
    """Targets by alias, each ``upstream/model`` or ``upstream``."""
    routes: tuple[RouteSettings, ...] = ()
    """The first that fits decides."""
    keys: dict[str, KeySettings] = {}
    """By the name that receipts show. With none, everybody is let in."""
    written: Written = Written()
