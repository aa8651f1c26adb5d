"""The lists of models, in the shape of each provider."""

from __future__ import annotations

from collections.abc import Sequence

from .refusal import Refused

USUAL = ("gpt-5.6", "text-embedding-3-small", "claude-sonnet-5")
"""Listed when the stand-in knows every model."""
_CREATED = 1_735_689_600


def listed(provider: str, models: Sequence[str]) -> dict[str, object]:
    """All models."""
    data = [described(provider, model) for model in models]
    if provider == "openai":
        return {"object": "list", "data": data}
    ends = {"first_id": models[0], "last_id": models[-1]} if models else {}
    return {"data": data, "has_more": False, **ends}


def described(provider: str, model: str) -> dict[str, object]:
    """One model."""
    if provider == "openai":
        return {"id": model, "object": "model", "created": _CREATED, "owned_by": "headway"}
    words = {"display_name": model, "created_at": "2025-01-01T00:00:00Z", "lifecycle": "active"}
    return {"type": "model", "id": model, **words}


def check(provider: str, model: str, models: Sequence[str] | None) -> None:
    """Let the model pass if it is known.

    Raises:
        Refused: 404, as the provider says it.
    """
    if models is None or model in models:
        return
    if provider == "anthropic":
        raise Refused(404, f"model: {model}")
    said = f"The model `{model}` does not exist or you do not have access to it."
    raise Refused(404, said, code="model_not_found")
