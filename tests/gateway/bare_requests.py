"""Requests with few headers, all with the same head but for the length."""

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\nx-b: c\r\n\r\n"


def request(body: bytes) -> bytes:
    """A whole one."""
    return HEAD % len(body) + body
