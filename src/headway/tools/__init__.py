"""Tools: what they read and write, and one session in which all agents share what was read."""

from .effects import (
    UNKNOWN,
    Effects,
    conflict,
    effects_of_hints,
    tags_to_keep,
    tags_to_void,
)

__all__ = [
    "UNKNOWN",
    "Effects",
    "conflict",
    "effects_of_hints",
    "tags_to_keep",
    "tags_to_void",
]
