"""What a whole request is, and which of its headers say something of this one alone."""

from __future__ import annotations

from typing import Final

Request = tuple[bytes, bytes, tuple[bytes, ...], list[tuple[bytes, bytes]], bytes, bool, bool]
"""Method, URL, names and values of headers by turns, those of ``OF_ONE_REQUEST``, body, whether the
connection may stay open, whether the client speaks HTTP/1.1."""

LENGTH: Final = frozenset({b"content-length", b"Content-Length"})
"""Headers that say how long the body is."""
ATTEMPTS: Final = frozenset({b"x-stainless-retry-count", b"X-Stainless-Retry-Count"})
"""Headers that say how often a client has asked before: mostly never."""
OF_ONE_REQUEST: Final = frozenset(
    {
        *(*LENGTH, *ATTEMPTS, b"idempotency-key", b"Idempotency-Key"),
        *(b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"X-Request-Id"),
        *(b"X-Request-ID", b"x-client-request-id", b"X-Client-Request-Id"),
    }
)
"""Their values differ each time; what has them is otherwise like the request before it."""
