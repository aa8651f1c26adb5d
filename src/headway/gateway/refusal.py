"""What the gateway answers when it does not serve a request."""

from __future__ import annotations

import msgspec

from .framing import status_line


class Refusal(msgspec.Struct, frozen=True):
    """Why the gateway itself answers: a status, a word for programs, and a sentence for people.

    Attributes:
        retry_after_s: When to come back; None if it is not a matter of time.
        may_retry: Whether a client that repeats requests by itself should.
    """

    status: int
    reason: str
    message: str
    retry_after_s: float | None = None
    may_retry: bool = False

    def written(self, *, keeps_alive: bool, has_body: bool = True) -> bytes:
        """The whole answer, in a form that OpenAI's and Anthropic's clients both read."""
        body = msgspec.json.encode(
            {
                "type": "error",
                "error": {
                    "type": self.reason,
                    "message": f"headway: {self.message}",
                    "code": self.reason,
                    "param": None,
                },
            }
        )
        lines = [
            status_line(self.status),
            b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body),
            b"x-headway-refused: %b\r\n" % self.reason.encode(),
            b"x-should-retry: %b\r\n" % (b"true" if self.may_retry else b"false"),
        ]
        if self.retry_after_s is not None:
            lines.append(b"retry-after: %d\r\n" % max(1, round(self.retry_after_s + 0.499)))
        lines.append(b"\r\n" if keeps_alive else b"connection: close\r\n\r\n")
        return b"".join([*lines, body] if has_body else lines)


def fault(error: BaseException) -> Refusal:
    """What a client is told of a fault of ours."""
    return Refusal(500, "internal_error", f"a fault inside: {type(error).__name__}")
