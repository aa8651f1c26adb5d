"""Entries on disk: one SQLite file that all processes of this machine share."""

from .store import DiskStore

__all__ = ["DiskStore"]
