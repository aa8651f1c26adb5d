"""Which model writes, where it is asked, and with which key: `openai:NAME@URL` and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

Provider = Literal["openai", "anthropic"]

EMBEDDED = "embedded"
FORMS = "openai:NAME@URL, openai:NAME, anthropic:NAME, anthropic:NAME@URL or embedded"

_WRITTEN = re.compile(r"(openai|anthropic):(@?[^@\s]+)(?:@(\S+))?")
_KEYS: Mapping[str, str] = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
_PLACES: Mapping[str, str] = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
_DEFAULTS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}


class WrongModel(ValueError):
    """The model, its address or its key cannot be used; the message says what to write."""


class ModelAddress(msgspec.Struct, frozen=True):
    """A model at an endpoint; its text form has no key in it."""

    provider: Provider
    model: str
    url: str
    """Where exchanges are sent to."""
    key: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"

    def __repr__(self) -> str:
        return f"ModelAddress({self} at {self.url})"


def model_address(written: str, environment: Mapping[str, str]) -> ModelAddress | None:
    """The address that somebody has written; None for `embedded`.

    The key comes from `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`; an address that is not written, from
    `OPENAI_BASE_URL` or `ANTHROPIC_BASE_URL`, else it is the provider's own.

    Raises:
        WrongModel: another form, no http address, or no key.
    """
    if written == EMBEDDED:
        return None
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise WrongModel(f"--model {written!r} is no model: write {FORMS}")
    provider: Provider = "openai" if match[1] == "openai" else "anthropic"
    base = match[3] or environment.get(_PLACES[provider]) or _DEFAULTS[provider]
    origin = "--model" if match[3] else _PLACES[provider]
    return ModelAddress(
        provider=provider,
        model=match[2],
        url=_endpoint(provider, base, origin),
        key=_key(provider, environment),
    )


def _endpoint(provider: Provider, base: str, origin: str) -> str:
    """The URL that takes questions, whether or not the base ends with the version."""
    try:
        parts = urlsplit(base)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise WrongModel(f"{origin}: {base!r} is no address") from None
    if parts.username or parts.password:
        raise WrongModel(
            f"{origin}: the address holds a name or a password; the key belongs into "
            f"{_KEYS[provider]}"
        )
    if not is_usable or parts.query or parts.fragment:
        raise WrongModel(
            f"{origin}: {base!r} is no address: write it like {_DEFAULTS[provider]} "
            "or http://127.0.0.1:8000/v1"
        )
    path = parts.path.rstrip("/")
    if provider == "openai":
        return f"{parts.scheme}://{parts.netloc}{path or '/v1'}/chat/completions"
    return f"{parts.scheme}://{parts.netloc}{path.removesuffix('/v1')}/v1/messages"


def _key(provider: Provider, environment: Mapping[str, str]) -> str:
    name = _KEYS[provider]
    key = environment.get(name, "").strip()
    if not key:
        raise WrongModel(
            f"{name} is not set: put the key of the endpoint into it "
            "(any text, if the endpoint asks for none)"
        )
    if not (key.isascii() and key.isprintable()):
        raise WrongModel(f"{name} holds characters that no key has: it must be one line of ASCII")
    return key
