"""The prompt cache of OpenAI's kind: nobody asks for it, and it counts in steps.

A prompt of at least 1024 tokens leaves its prefixes behind, in steps of 128 tokens; a later prompt
with the same beginning (same key, model, ``prompt_cache_key``, output format and effort) reads
the longest of them. A prefix is there from the moment its answer begins, and for ten minutes after
its last use. Writing is free and reported as 0.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ... import clock
from .tokens import BYTES_PER_TOKEN, as_json, object_of

LEAST_TOKENS = 1024
STEP_TOKENS = 128
LIFE_S = 600.0
_MOST_PREFIXES = 200_000
# What changes the prompt the model sees although it stands neither in tools nor in messages.
_SHAPING = ("model", "prompt_cache_key", "response_format", "reasoning_effort", "verbosity")


class AutomaticCache:
    """Remembers prefixes by digest, and when each was last used."""

    def __init__(self) -> None:
        self._used: dict[bytes, float] = {}

    def cached_tokens(self, prefixes: list[bytes]) -> int:
        """Tokens of the longest prefix that is remembered; its life begins anew."""
        now = clock.now()
        for at in range(len(prefixes) - 1, -1, -1):
            if self._used.get(prefixes[at], -LIFE_S) + LIFE_S > now:
                self.keep(prefixes[: at + 1])
                return LEAST_TOKENS + at * STEP_TOKENS
        return 0

    def keep(self, prefixes: list[bytes]) -> None:
        """Remember these prefixes from now on."""
        now = clock.now()
        self._used.update(dict.fromkeys(prefixes, now))
        if len(self._used) > _MOST_PREFIXES:
            alive = {key: used for key, used in self._used.items() if used + LIFE_S > now}
            self._used = alive if len(alive) <= _MOST_PREFIXES else {}


def scope_of(body: dict[str, Any], credential: str | None) -> bytes:
    """What must be equal before prefixes are compared."""
    shaping = [body.get(name) for name in _SHAPING]
    form = object_of(body.get("text")), object_of(body.get("reasoning")).get("effort")
    return as_json([credential, shaping, form])


def prefixes_of(scope: bytes, prompt: bytes) -> list[bytes]:
    """Digests of the prompt's beginnings: of 1024 tokens, and each 128 more."""
    digest, found = hashlib.sha256(scope), []
    least, step = LEAST_TOKENS * BYTES_PER_TOKEN, STEP_TOKENS * BYTES_PER_TOKEN
    for start in range(0, len(prompt) - step + 1, step):
        digest.update(prompt[start : start + step])
        if start + step >= least:
            found.append(digest.digest())
    return found
