"""Multi-agent research of a listed company on its SEC figures: numbers from data, words by rule."""

from .conduct import Conducted, Outcome, Setting, conduct
from .lookup import UnknownTicker

__all__ = ["Conducted", "Outcome", "Setting", "UnknownTicker", "conduct"]
