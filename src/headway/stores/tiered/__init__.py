"""Memory in front of a shared store that may be slow, frozen or gone."""

from .store import TieredStore

__all__ = ["TieredStore"]
