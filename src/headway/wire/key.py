"""When two requests are the same question: the key of an exchange, and whose it is.

There are two levels. The raw key stands for the very bytes and needs no parsing; who only looks
them up in this process has them as they are, without a digest (``exact_key``). The canonical key
stands for what they say: the order of object keys and white space do not count, nor do the members
of ``IGNORED`` (on the wires where the answer does not repeat them) and Anthropic's cache markers.
Everything else does, known to Headway or not: array order, ``1`` beside ``1.0``, absent beside
null, the form of the answer (a stream or not, with a chunk of usage or not), the URL, the tenant,
and all headers but those of ``NOT_SHAPING``.

What does not depend on the body is the ``head_part``; who sees a client often makes it once.
"""

from __future__ import annotations

import hmac
from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from .canonical import IGNORED, LONG, REPEATED_IN_A_RESPONSE
from .json_values import as_object, canonical_json
from .request_facts import RequestFacts

__all__ = [
    "CREDENTIALS",
    "CREDENTIALS_IN_URL",
    "IGNORED",
    "NOT_SHAPING",
    "NOT_SHAPING_PREFIXES",
    "REPEATED_IN_A_RESPONSE",
    "ExchangeKey",
    "canonical_key",
    "exact_key",
    "exchange_key",
    "head_part",
    "raw_key",
    "tenant_of",
]

CREDENTIALS: Final = (
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "proxy-authorization",
    "cookie",
)
"""Headers that say who asks; they make the tenant."""

CREDENTIALS_IN_URL: Final = ("key", "api_key", "api-key", "access_token", "token", "code")

NOT_SHAPING: Final = frozenset(
    {
        *CREDENTIALS,
        # of the connection and the bytes on it
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # who calls, and how often
        "user-agent",
        "http-referer",
        "referer",
        "origin",
        "x-title",
        "idempotency-key",
        "x-should-retry",
        "anthropic-dangerous-direct-browser-access",
        # what a client wishes of caches
        "cache-control",
        "pragma",
        "if-none-match",
        "if-modified-since",
        # one trace, one request
        "date",
        "traceparent",
        "tracestate",
        "baggage",
        "b3",
        "sentry-trace",
        "request-id",
        "x-request-id",
        "x-client-request-id",
        "x-correlation-id",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        "forwarded",
        "via",
        "x-real-ip",
        # the way it came; x-forwarded-user, -email and -access-token say who asks, and count
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-server",
    }
)
"""Request headers that do not change the answer; one that Headway does not know may well."""

NOT_SHAPING_PREFIXES: Final = (
    "x-stainless-",
    "x-headway-",
    "x-b3-",
    "x-datadog-",
    "sec-",
)


class ExchangeKey(NamedTuple):
    """The two keys of a question; ``canonical`` is None where the body has no canonical form."""

    raw: str
    canonical: str | None


def exchange_key(
    request: RequestFacts,
    *,
    tenant: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
) -> ExchangeKey:
    """The keys of a request: equal for equal questions of one tenant, different for all others.

    Args:
        tenant: As ``tenant_of`` gives it, or a namespace that several callers share on purpose.
        headers: By name in lower case.
    """
    head = head_part(tenant=tenant, method=method, url=url, headers=headers)
    canonical = canonical_key(head, request)
    return ExchangeKey(raw_key(head, body).hex(), None if canonical is None else canonical.hex())


def head_part(*, tenant: str, method: str, url: str, headers: Mapping[str, str]) -> bytes:
    """All of a key that does not depend on the body, in 32 bytes.

    Args:
        tenant: As ``tenant_of`` gives it, or a namespace that several callers share on purpose.
        headers: By name in lower case.
    """
    shaping = sorted([pair for pair in headers.items() if _may_shape(pair[0])])
    asked = [tenant, method.upper(), _plain(url), *chain.from_iterable(shaping)]
    return _digest([text.encode("utf-8", "surrogatepass") for text in asked])


def raw_key(head: bytes, body: bytes) -> bytes:
    """The key of the very bytes of a request, whose ``head_part`` is *head*, in 32 bytes.

    Whoever knows more that shapes the answer appends it to the head, of any length.
    """
    return sha256(b"raw %d:%b%b" % (len(head), head, body)).digest()


def exact_key(head: bytes, body: bytes) -> Hashable:
    """The very bytes of a request, to look it up in a dictionary of this process.

    Equal only for equal bytes: they are compared, so that no two requests can be made to collide.
    It holds *body*, and costs a tenth of ``raw_key`` where that is long.
    """
    return (head, body) if len(body) < LONG else _LongRequest(head, body)


class _LongRequest:
    """A long request as a key: hashed by samples of its bytes, compared by all of them."""

    __slots__ = ("_body", "_hash", "_head")

    def __init__(self, head: bytes, body: bytes) -> None:
        self._head, self._body = head, body
        samples = body[:_ENDS] + body[-_ENDS:] + body[::_BETWEEN_SAMPLES]
        self._hash = hash((head, len(body), samples))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _LongRequest):
            return NotImplemented
        return self._body == other._body and self._head == other._head


_ENDS: Final = 512
_BETWEEN_SAMPLES: Final = 61


def canonical_key(head: bytes, request: RequestFacts) -> bytes | None:
    """The key of what a request says, in 32 bytes; None if its body has no canonical form."""
    canonical = request.canonical
    form = _form(request)
    if canonical is None or form is None:
        return None
    # After the head one separator does: no form has a line feed.
    return sha256(b"canonical %d:%b%b\n%b" % (len(head), head, form, canonical)).digest()


def tenant_of(headers: Mapping[str, str], url: str, secret: bytes) -> str:
    """Who asks whom, as a text that tells nothing to those without *secret*.

    It is made of the credentials, in headers or in the URL, and of the server's scheme, host and
    port. Cookies that load balancers set do not count: they change by the hour.

    Args:
        headers: By name in lower case.
        secret: At least 16 random bytes of this process or installation.
    """
    parts = _split(url)
    who = [text for name in CREDENTIALS for text in (name, _credential(name, headers))]
    for name, value in parse_qsl(parts.query) if parts.query else ():
        who += [name, value] if name in CREDENTIALS_IN_URL else []
    who += [parts.scheme, parts.netloc.rpartition("@")[0], _server(parts)]
    given = [text.encode("utf-8", "surrogatepass") for text in who]
    return hmac.digest(secret, b"".join(_framed(given)), "sha256").hex()


def _form(request: RequestFacts) -> bytes | None:
    """Whether the answer is a stream, and which; what a stream would be does not shape a body."""
    asked = as_object(request.body)
    if not request.streams:
        said = asked.get("stream")
        # Some servers take 1 or "true" for true, others do not.
        return b"whole" if said is None or said is False else canonical_json(["said", said])
    given = as_object(asked.get("stream_options"))
    options = {name: value for name, value in given.items() if name != "include_usage"}
    return canonical_json([request.wants_usage_chunk, options])


def _credential(name: str, headers: Mapping[str, str]) -> str:
    given = headers.get(name, "")
    if name != "cookie" or not given:
        return given
    pairs = [pair.strip() for pair in given.split(";")]
    return "; ".join(pair for pair in pairs if not pair.startswith(_COOKIES_OF_BALANCERS))


_COOKIES_OF_BALANCERS: Final = ("__cf_bm=", "_cfuvid=", "__cflb=", "AWSALB", "GCLB=")


def _may_shape(name: str) -> bool:
    return name not in NOT_SHAPING and not name.startswith(NOT_SHAPING_PREFIXES)


@lru_cache(maxsize=128)
def _plain(url: str) -> str:
    """The URL without user and fragment, its scheme and host in lower case."""
    parts = _split(url)
    return urlunsplit((parts.scheme, _server(parts), parts.path, parts.query, ""))


def _server(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2].lower()
    return host.removesuffix(_DEFAULT_PORTS.get(parts.scheme, ":"))


_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # no URL at all; then it stands for itself
        return SplitResult("", "", url, "", "")


def _digest(parts: Iterable[bytes]) -> bytes:
    return sha256(b"".join(_framed(parts))).digest()


def _framed(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Each part led by its length, so that no two lists of parts give the same bytes."""
    for part in parts:
        yield b"%d:" % len(part)
        yield part
