"""Errors in the shape of each provider, with the words and codes its clients act on."""

from __future__ import annotations

import msgspec

from .fault import Fault

OPENAI = {  # status: (type, code, message)
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Access is denied."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    408: ("server_error", "timeout", "The request timed out."),
    409: ("invalid_request_error", "conflict", "The resource was changed by another request."),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    422: ("invalid_request_error", None, "The request cannot be processed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
ANTHROPIC = {  # status: (type, message)
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use this resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    408: ("timeout_error", "The request timed out."),
    409: ("conflict_error", "The resource was changed by another request."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Site Overloaded",
}


class Refused(Exception):  # never leaves the provider: it becomes an answer with this status
    """The request is turned down; *param* and *code* are said on OpenAI's wires alone."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def error_body(
    provider: str,
    status: int,
    request_id: str,
    message: str | None = None,
    param: str | None = None,
    code: str | None = None,
) -> dict[str, object]:
    """The JSON a provider answers an error with."""
    if provider == "anthropic":
        kind, usual = ANTHROPIC.get(status, ANTHROPIC[400 if status < 500 else 500])
        error = {"type": kind, "message": message or usual}
        return {"type": "error", "error": error, "request_id": request_id}
    kind, usual_code, usual = OPENAI.get(status, OPENAI[400 if status < 500 else 500])
    words = {"message": message or usual, "type": kind, "param": param, "code": code or usual_code}
    return {"error": words}


def error_event(wire: str, kind: str, message: str | None, sequence: int) -> bytes:
    """The event by which a provider breaks off a stream."""
    said = message or "The server had an error while processing your request."
    if wire == "anthropic.messages":
        body: dict[str, object] = {"type": "error", "error": {"type": kind, "message": said}}
        return event_bytes(body, "error")
    if wire == "openai.responses":
        words = {"type": "error", "code": kind, "message": said, "param": None}
        return event_bytes({**words, "sequence_number": sequence}, "error")
    return event_bytes({"error": {"message": said, "type": kind, "param": None, "code": None}})


def event_bytes(body: dict[str, object], name: str | None = None) -> bytes:
    """One server-sent event."""
    data = b"data: " + msgspec.json.encode(body) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


def retry_headers(fault: Fault) -> list[tuple[str, str]]:
    """The headers of a fault: when to come back, and those given."""
    headers = list(fault.headers.items())
    if fault.retry_after is not None:
        wait = fault.retry_after
        headers.append(("retry-after", wait if isinstance(wait, str) else f"{wait:g}"))
    if fault.retry_after_ms is not None:
        headers.append(("retry-after-ms", str(fault.retry_after_ms)))
    return headers


def html_page(status: int) -> bytes:
    """The error page a proxy puts in front of a provider that is away."""
    title = f"{status} {REASONS.get(status, 'Error')}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>proxy</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
