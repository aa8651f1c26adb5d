"""Which headers travel on, and which are kept with an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

MARK = "x-headway-cache"
"""The response header that says where an answer came from: one of ``MARKS``."""

MARKS = ("hit", "miss", "joined", "stale", "bypass")

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""They belong to one connection, as does everything that ``Connection`` names (RFC 9110, 7.6.1)."""

OF_ONE_ANSWER = frozenset(
    {
        # of the bytes on the wire: what is kept is decoded, and framed afresh
        "content-length",
        "content-encoding",
        # of the moment, the connection or the one request
        "age",
        "alt-svc",
        "cf-ray",
        "date",
        "openai-processing-ms",
        "request-id",
        "server-timing",
        "set-cookie",
        "set-cookie2",
        "x-envoy-upstream-service-time",
        "x-request-id",
    }
)
OF_ONE_ANSWER_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
_OWN_PREFIX = "x-headway-"


def by_name(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; what was sent twice is joined, cookies by a semicolon."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in joined:
            value = f"{joined[name]}{'; ' if name == 'cookie' else ', '}{value}"
        joined[name] = value
    return joined


def to_forward(headers: Headers) -> list[tuple[str, str]]:
    """The headers that may travel on to the next hop, requests or responses, in their order.

    Left out are those of one connection, ``host`` (the next hop has its own) and Headway's own.
    ``retry-after``, ``x-ratelimit-*`` and ``x-should-retry`` pass unchanged.
    """
    pairs = _pairs(headers)
    dropped = HOP_BY_HOP | {"host"} | _named_by_connection(pairs)
    return [(name, value) for name, value in pairs if _travels(name.lower(), dropped)]


def to_keep(headers: Headers) -> list[tuple[str, str]]:
    """The response headers that a cache keeps and replays on a hit, in their order.

    Besides what ``to_forward`` leaves out, those of one answer alone: its length and encoding on
    the wire, date, cookies, request ids, rate limits.
    """
    return [
        (name, value)
        for name, value in to_forward(headers)
        if name.lower() not in OF_ONE_ANSWER and not name.lower().startswith(OF_ONE_ANSWER_PREFIXES)
    ]


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def _named_by_connection(pairs: list[tuple[str, str]]) -> set[str]:
    lists = [value for name, value in pairs if name.lower() == "connection"]
    return {name.strip().lower() for one in lists for name in one.split(",")}


def _travels(name: str, dropped: frozenset[str] | set[str]) -> bool:
    return name not in dropped and not name.startswith(("proxy-", _OWN_PREFIX))
