"""Entries as bytes that prove themselves, with the exact types of their values."""

from .classes import register
from .codec import Codec

__all__ = ["Codec", "register"]
