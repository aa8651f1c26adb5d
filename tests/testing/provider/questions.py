"""What the tests ask, and clients for a provider in the loop of the test."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai

from headway.testing import Provider

HELLO: Any = [{"role": "user", "content": "hello there"}]
PRICE_SCHEMA = {
    "type": "object",
    "properties": {"symbol": {"type": "string"}},
    "required": ["symbol"],
    "additionalProperties": False,
}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "price", "parameters": PRICE_SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "price", "parameters": PRICE_SCHEMA}
MESSAGES_TOOL: Any = {"name": "price", "input_schema": PRICE_SCHEMA}


@asynccontextmanager
async def openai_in_loop(provider: Provider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=provider.openai_url, api_key="sk-test", max_retries=0
    ) as client:
        yield client


@asynccontextmanager
async def anthropic_in_loop(provider: Provider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=provider.anthropic_url, api_key="sk-ant-test", max_retries=0
    ) as client:
        yield client


def connect(provider: Provider) -> socket.socket:
    """A bare connection, which is all that faults in the bytes need."""
    port = urlsplit(provider.url).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def request_bytes(path: str, body: object, *, method: str = "POST", **headers: str) -> bytes:
    """One request as it goes over the wire."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": "Bearer sk-test", **headers}
    lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    lines += ["connection: close", f"content-length: {len(sent)}", "", ""]
    return "\r\n".join(lines).encode() + sent


def everything(connection: socket.socket) -> tuple[bytes, bool]:
    """All bytes until the end, and whether the end was a reset."""
    received = bytearray()
    while True:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            return bytes(received), True
        if not data:
            return bytes(received), False
        received += data


def asked(
    provider: Provider, body: object, path: str = "/v1/chat/completions", **headers: str
) -> bytes:
    """The whole answer to one request, head and body."""
    with connect(provider) as connection:
        connection.sendall(request_bytes(path, body, method="POST", **headers))
        return everything(connection)[0]


def body_of(answer: bytes) -> bytes:
    """The body of an answer, unchunked, as far as it came."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head:
        return body
    whole = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        if not size or int(size, 16) == 0:
            break
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return bytes(whole)
