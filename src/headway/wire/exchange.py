"""The facts of an exchange with a model endpoint: what is asked, and what the answer was.

``read_request`` reads a request once; an ``AnswerReader`` reads along while the answer comes in.
Both take whatever bytes there are and never raise because of them.
"""

from .answer import AnswerReader
from .facts import AnswerFacts, ToolCall, ToolResult, Usage, Wire
from .request import read_request, wire_of
from .request_facts import RequestFacts

__all__ = [
    "AnswerFacts",
    "AnswerReader",
    "RequestFacts",
    "ToolCall",
    "ToolResult",
    "Usage",
    "Wire",
    "read_request",
    "wire_of",
]
