"""Multi-agent research of a listed company on its SEC figures: numbers from data, words by rule.

The words may also be a model's; the numbers stay those of the data, and are checked.
"""

from .conduct import Setting, conduct
from .lookup import UnknownTicker, normal_symbol
from .model.address import EMBEDDED, ModelAddress, WrongModel, model_address
from .model.caps import Caps, Spent
from .outcome import Conducted, Outcome

__all__ = [
    "EMBEDDED",
    "Caps",
    "Conducted",
    "ModelAddress",
    "Outcome",
    "Setting",
    "Spent",
    "UnknownTicker",
    "WrongModel",
    "conduct",
    "model_address",
    "normal_symbol",
]
