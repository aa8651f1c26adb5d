"""What the head of a request says, worked out once for all requests of a client that are alike."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import count
from typing import Final
from urllib.parse import unquote

from ..adapters.http.wishes import Wishes, read_wishes
from ..scope import HIGH, LOW, NORMAL
from ..wire.exchange import Wire
from ..wire.headers import by_name, to_forward
from ..wire.key import CREDENTIALS, tenant_of
from ..wire.request import wire_of
from .plan import ClientKey, Plan
from .refusal import Refusal
from .server import Server

OWN_KEY: Final = "x-headway-key"
AGENT: Final = "x-headway-agent"
PRIORITY: Final = "x-headway-priority"

_PRIORITIES: Final = {"high": HIGH, "normal": NORMAL, "low": LOW}
_NOT_FORWARDED: Final = frozenset({"content-length", "expect"})

_serial = count(1)


class Asking:
    """A request without its body.

    Attributes:
        number: Different for every head; with the bytes of a body it stands for a whole request.
        path: Path and query, without the name of an upstream that they began with.
        named: The upstream that the path named.
        is_model: It is a wire of a model whose body is worth reading.
        tenant: Whose answers these are, as a text that tells nothing.
        key_name: Which of the plan's keys was shown.
        shown_in: The header that brought it.
        refusal: Why it is not served at all.
        requests: The head to send, by upstream; without what differs from request to request.
        heads: The part of the key that comes from the head, by upstream.
    """

    __slots__ = (
        *("accept_encoding", "agent", "headers", "heads", "is_head", "is_model", "key_name"),
        *("lacks_host", "method", "named", "number", "path", "priority", "refusal"),
        *("requests", "shown_in", "tenant", "wire", "wishes"),
    )

    def __init__(
        self,
        plan: Plan,
        servers: Mapping[str, Server],
        secret: bytes,
        *,
        method: str,
        url: str,
        pairs: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self.number = b"%d:" % next(_serial)
        self.headers = headers = by_name(pairs)
        self.lacks_host = "host" not in headers
        self.method, self.is_head = method, method == "HEAD"
        self.named, self.path = _named(url, servers)
        self.wire: Wire = wire_of(method, self.path)
        self.is_model = self.wire != "other"
        self.wishes: Wishes = read_wishes(headers)
        self.agent = headers.get(AGENT)
        self.priority = _PRIORITIES.get(headers.get(PRIORITY, "").strip().lower(), NORMAL)
        self.accept_encoding = headers.get("accept-encoding", "")
        self.shown_in = ""
        self.key_name: str | None = None
        self.refusal: Refusal | None = None
        if plan.keys:
            self.shown_in, shown = _shown_key(headers)
            self.key_name, self.refusal = _admitted(plan.keys, shown)
        if sum(name.lower() == b"host" for name, _ in pairs) > 1:
            self.refusal = Refusal(400, "bad_request", "the request names two hosts")
        if _climbs(url):
            self.refusal = Refusal(400, "bad_request", "the path has segments of dots")
        self.tenant = _tenant(plan, headers, url, self.key_name, secret)
        self.requests: dict[str, bytes] = {}
        self.heads: dict[str, bytes] = {}

    def request_to(self, server: Server, *, with_credentials: bool = True) -> bytes:
        """The head to send to *server*, without length and end; made once.

        Args:
            with_credentials: Whether the client's own go along, if the server has none of ours.
        """
        name = server.name if with_credentials else f"{server.name} without"
        written = self.requests.get(name)
        if written is None:
            written = self.requests[name] = self._written(server, with_credentials)
        return written

    def _written(self, server: Server, with_credentials: bool) -> bytes:
        spec, address = server.spec, server.address
        # Of ours is the key that opened the door; the server's own replaces all credentials.
        own = {OWN_KEY, self.shown_in}
        if spec.key is not None:
            own |= {"authorization", "x-api-key", "api-key", spec.key_header}
        elif not with_credentials:
            own |= {*CREDENTIALS}
        pairs = [
            (name, value)
            for name, value in to_forward(self.headers)
            if name not in own and name not in _NOT_FORWARDED
        ]
        if spec.key is not None:
            bearer = "Bearer " if spec.key_header == "authorization" else ""
            pairs.append((spec.key_header, f"{bearer}{spec.key}"))
        lines = [f"{self.method} {address.target(self.path)} HTTP/1.1\r\n"]
        lines.append(f"host: {address.authority}\r\n")
        lines += [f"{name}: {value}\r\n" for name, value in pairs]
        return "".join(lines).encode("latin-1")


def _named(url: str, servers: Mapping[str, Server]) -> tuple[Server | None, str]:
    if not url.startswith("/"):  # as a client writes it that takes us for a proxy
        url = "/" + url.partition("://")[2].partition("/")[2]
    first, slash, rest = url[1:].partition("/")
    name, question, query = first.partition("?")
    server = servers.get(name)
    if server is None:
        return None, url
    return server, f"/{rest}" if slash else f"/{question}{query}"


def _climbs(url: str) -> bool:
    """Whether a path may lead out of the base URL of its upstream."""
    if "." not in url and "%" not in url:
        return False
    path = unquote(url.partition("?")[0]).replace("\\", "/")
    return not {".", ".."}.isdisjoint(path.split("/"))


def _shown_key(headers: Mapping[str, str]) -> tuple[str, str]:
    """The key that a client shows, and in which header."""
    for name in (OWN_KEY, "x-api-key", "api-key"):
        if headers.get(name):
            return name, headers[name].strip()
    bearer = headers.get("authorization", "")
    return "authorization", bearer[7:].strip() if bearer[:7].lower() == "bearer " else ""


def _admitted(keys: Sequence[ClientKey], shown: str) -> tuple[str | None, Refusal | None]:
    """The name of the key that was shown, or why it does not open the door."""
    digest = sha256(shown.encode("latin-1")).hexdigest()
    for key in keys:
        if hmac.compare_digest(digest, key.sha256):
            return key.name, None
    said = "is not known here" if shown else "is missing"
    message = f"the client key {said}; send it as {OWN_KEY}, authorization or x-api-key"
    return None, Refusal(401, "authentication_error", message)


def _tenant(
    plan: Plan, headers: Mapping[str, str], url: str, key_name: str | None, secret: bytes
) -> str:
    if plan.namespace is not None:
        return f"namespace {plan.namespace}"
    return f"{key_name or ''} {tenant_of(headers, url, secret)}"
