"""What the gateway does with a request, decided beforehand: upstreams, models, routes, policies.

A plan is frozen. A reload makes a new one and swaps it in; requests under way end by the old one.
"""

from __future__ import annotations

import msgspec

MOST_BODY_BYTES = 32 * 1024 * 1024
MOST_KEPT_BYTES = 10 * 1024 * 1024


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Four different times, in seconds; None is for ever.

    Attributes:
        connect_s: Until a connection stands, its TLS included.
        first_byte_s: From the request sent to the first byte of the answer's head.
        between_chunks_s: Between two reads of an answer that has begun.
        total_s: From the whole request here to the end of its answer, retries and waiting included.
    """

    connect_s: float | None = 5.0
    first_byte_s: float | None = 600.0
    between_chunks_s: float | None = 120.0
    total_s: float | None = None


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A server that answers: ``url`` is its base URL as an SDK would be given it.

    Attributes:
        key: The credential sent instead of the client's; None sends on what the client sent.
        key_header: Which header carries ``key``: ``authorization`` (as ``Bearer``) or
            ``x-api-key``.
        probe: A path asked while it is passed over; any answer below 500 brings it back. "" asks
            nothing: after a while requests are tried again.
    """

    name: str
    url: str
    provider: str = "openai"
    key: str | None = None
    key_header: str = "authorization"
    probe: str = "/models"
    timeouts: Timeouts = Timeouts()


class Target(msgspec.Struct, frozen=True):
    """Where a request may go: an upstream, and the model to ask there (None: the one asked for)."""

    upstream: str
    model: str | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much each client key may do on a route; None is no limit."""

    at_once: int | None = None
    per_minute: float | None = None
    burst: int | None = None
    max_waiting: int | None = 1000


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The policies of a route.

    Attributes:
        ttl_s: How long a repeatable answer is kept; None keeps nothing.
        jitter: The share of ``ttl_s`` that chance may take away.
        every: Keep and share answers of requests that sample, too.
        share: Identical repeatable requests in flight are one request.
        attempts: How often to ask one upstream in all, before the first byte.
        first_wait_s: Before the second attempt, about; doubled before each one after it.
        max_wait_s: No single wait is longer; a server that asks for more is not asked again.
        retry_share: At most this share of requests is repeated (the budget of retries); None is no
            bound.
        passes_over: An upstream that failed several times in a row is not asked for a while.
        max_kept_bytes: Larger answers pass and are not kept.
    """

    ttl_s: float | None = 3600.0
    jitter: float = 0.0
    every: bool = False
    share: bool = True
    attempts: int = 3
    first_wait_s: float = 0.2
    max_wait_s: float = 30.0
    retry_share: float | None = 0.2
    limits: Limits = Limits()
    passes_over: bool = True
    max_kept_bytes: int = MOST_KEPT_BYTES
    timeouts: Timeouts | None = None
    """Instead of those of the upstream."""


OBSERVE = Rules(ttl_s=None, share=False, attempts=1, passes_over=False)
"""Only watch: nothing is kept, shared, repeated or turned away."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests, what is done with them, and where they go: the first target, then the next.

    Attributes:
        path: What the path of the request (behind an upstream's own prefix, if it has one) ends
            with, such as ``/chat/completions``; "" is every path.
        model: A name or a pattern such as ``gpt-*``; "" is every model, and none.
    """

    path: str = ""
    model: str = ""
    targets: tuple[Target, ...] = ()
    rules: Rules = Rules()


class ClientKey(msgspec.Struct, frozen=True):
    """A key that a client must show: its name for receipts, and the SHA-256 of the key in hex."""

    name: str
    sha256: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        upstreams: By name. A request to ``/NAME/...`` goes to that one; else the wire decides: the
            first upstream of provider ``anthropic`` for Anthropic's paths and whoever sends
            ``anthropic-version``, the first of another provider for all others.
        routes: The first that fits a request decides; ``rules`` for requests that none fits.
        keys: If there are any, a request without one of them is refused with 401.
    """

    upstreams: tuple[Upstream, ...]
    routes: tuple[Route, ...] = ()
    rules: Rules = Rules()
    keys: tuple[ClientKey, ...] = ()
    max_body_bytes: int = MOST_BODY_BYTES
    namespace: str | None = None
    """Client keys share answers under this name; None keeps the answers of each key apart."""
    store: str = "memory"
    memory_bytes: int = 64 * 1024 * 1024
