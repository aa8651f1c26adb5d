"""From a question (a function and its arguments) to a key: equal questions, equal keys.

``key_from_signature`` reads a signature once and then makes the key of each call; ``without``
leaves parameters out of it; ``bind`` gives the arguments by name; ``digest`` is the short text that
stands for a key in every process; ``canonical`` is the encoding underneath.
"""

from .canonical import canonical
from .signature import (
    KeyOf,
    Without,
    bind,
    digest,
    key_from_function,
    key_from_signature,
    without,
)

__all__ = [
    "KeyOf",
    "Without",
    "bind",
    "canonical",
    "digest",
    "key_from_function",
    "key_from_signature",
    "without",
]
