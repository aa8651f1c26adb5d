"""The headers each provider sends: request id, rate limits, processing time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

LIMIT_REQUESTS, LIMIT_TOKENS = 10_000, 2_000_000


def headers_of(provider: str, request_id: str, took_s: float, now: float) -> list[tuple[str, str]]:
    """What stands on every answer; the figures are the same for the same request."""
    common = [("date", formatdate(now, usegmt=True))]
    if provider == "anthropic":
        return [*common, ("request-id", request_id), *_anthropic_limits(now)]
    return [
        *common,
        ("x-request-id", request_id),
        ("openai-organization", "org-headway"),
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", str(round(took_s * 1000))),
        *_openai_limits(),
    ]


def _openai_limits() -> list[tuple[str, str]]:
    figures = {
        "limit-requests": LIMIT_REQUESTS,
        "limit-tokens": LIMIT_TOKENS,
        "remaining-requests": LIMIT_REQUESTS - 1,
        "remaining-tokens": LIMIT_TOKENS - 1000,
        "reset-requests": "6ms",
        "reset-tokens": "30ms",
    }
    return [(f"x-ratelimit-{name}", str(figure)) for name, figure in figures.items()]


def _anthropic_limits(now: float) -> list[tuple[str, str]]:
    found = [("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")]
    reset = _rfc3339(now + 60.0)
    for name, limit in (("requests", LIMIT_REQUESTS), ("tokens", LIMIT_TOKENS)):
        prefix = f"anthropic-ratelimit-{name}"
        found.append((f"{prefix}-limit", str(limit)))
        found.append((f"{prefix}-remaining", str(limit - 1)))
        found.append((f"{prefix}-reset", reset))
    return found


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
