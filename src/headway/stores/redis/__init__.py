"""Entries in a Redis or Valkey server, with its invalidations and leases."""

from .store import RedisStore

__all__ = ["RedisStore"]
