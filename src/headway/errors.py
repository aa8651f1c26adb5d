"""Everything Headway raises of its own accord; a function's own errors pass unchanged.

HeadwayError
├── BadSetup (ValueError)           wrong use, found where it was written; says how to mend it
├── NoKey (TypeError)               an argument cannot be part of a key; says what to leave out
├── Unstorable (TypeError)         a value has no safe form for a shared store; says the way out
├── LimitExceeded                   the queue of a limit is full; .retry_after_s
├── CallTimedOut (TimeoutError)     .seconds, .waiting_for ("answer", "first chunk", "next chunk")
├── CallCancelled                   the work was cancelled from inside while others waited for it
├── StreamBroken                    the source failed after the first chunk; .chunks_read
├── UpstreamFailed                  a server said no for now; .status, .response, .retry_after_s
└── StepFailed (ExceptionGroup)     needed steps of a graph failed; .failures, .skipped, .results
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class HeadwayError(Exception):
    """Any error that Headway itself raises; ``operation`` names the call it belongs to, if any."""

    operation: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way between processes, whatever arguments a class takes."""
        return _again, (type(self), self.args, self.__dict__)


def _again(
    kind: type[HeadwayError], args: tuple[object, ...], attributes: dict[str, object]
) -> HeadwayError:
    plain: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    error: HeadwayError = plain.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class BadSetup(HeadwayError, ValueError):
    """A setting or a use that cannot work; the message names the value and the way out."""


def refuse_unless_whole(where: str, value: object, least: int = 1) -> None:
    """Raise ``BadSetup`` unless *value* is a whole number of at least *least*."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadSetup(f"{where}: {value!r} will not do; use a whole number of {least} or more")


class NoKey(HeadwayError, TypeError):
    """A call whose question cannot be written down as a key."""


class Unstorable(HeadwayError, TypeError):
    """A value that cannot be written down so that the same comes back; it can stay in memory."""


class LimitExceeded(HeadwayError):
    """A limit has too many callers waiting already; come back after ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CallTimedOut(HeadwayError, TimeoutError):
    """The answer, or the next chunk of it, did not come within ``seconds``."""

    def __init__(self, operation: str, seconds: float, waiting_for: str = "answer") -> None:
        super().__init__(f"{operation}: no {waiting_for} within {seconds:g} s")
        self.operation, self.seconds, self.waiting_for = operation, seconds, waiting_for


class CallCancelled(HeadwayError):
    """The shared work cancelled itself; the callers who waited for it did not."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation}: the work was cancelled from inside while callers waited")
        self.operation = operation


class StreamBroken(HeadwayError):
    """The source of a stream failed, or was stopped, after ``chunks_read`` good chunks."""

    def __init__(self, message: str, *, chunks_read: int) -> None:
        super().__init__(message)
        self.chunks_read = chunks_read


class FailedResponse(Protocol):
    """What a server answered that could not serve: all of it."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in lower case."""

    @property
    def body(self) -> bytes:
        """The body as it came."""


class UpstreamFailed(HeadwayError):
    """A server answered 408, 409, 429 or 5xx, which may pass; name it in ``Retry(on=...)``.

    Attributes:
        status: The status code.
        response: The whole answer: ``status``, ``headers`` by name in lower case, ``body``.
        retry_after_s: When to come back, if the server said so; infinite if it said not to.
    """

    def __init__(
        self, operation: str, response: FailedResponse, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{operation}: the server answered {response.status}")
        self.operation, self.response = operation, response
        self.status = response.status
        self.retry_after_s = retry_after_s


class StepFailed(HeadwayError, ExceptionGroup[Exception]):
    """Needed steps of a graph failed; ``results`` has what finished, ``skipped`` what never ran."""

    failures: Mapping[str, Exception]
    skipped: Mapping[str, str]
    results: Mapping[str, object]

    def __new__(
        cls,
        message: str,
        failures: Mapping[str, Exception],
        skipped: Mapping[str, str],
        results: Mapping[str, object],
    ) -> StepFailed:
        self = super().__new__(cls, message, list(failures.values()))
        self.failures, self.skipped, self.results = failures, skipped, results
        return self

    def __init__(
        self,
        message: str,
        failures: Mapping[str, Exception],
        skipped: Mapping[str, str],
        results: Mapping[str, object],
    ) -> None:
        super().__init__(message, list(failures.values()))
