"""What a request is, worked out once for equal bytes: facts, key, operation, wishes."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from itertools import chain
from typing import Any, Final

import msgspec

from ... import settings
from ...call import Operation, Place, Policy
from ...policies import Watch, build
from ...stores.installation import installation_secret
from ...wire.exchange import RequestFacts, read_request
from ...wire.headers import MARK, by_name
from ...wire.key import exchange_key, tenant_of
from ...wire.repeatable import why_not_repeatable
from .answer import HttpAnswer, may_keep
from .exchange import Exchange, NotKept
from .fetch import fetch
from .observe import Observe, OntoLoop
from .plumbing import Request, Url, plain_name
from .wishes import Wishes, read_wishes

MOST_QUESTIONS: Final = 1024
MOST_OPERATIONS: Final = 1024

_SECRET: Final = secrets.token_bytes(32)
"""Requests are remembered, and tenants named in keys that stay in memory, by HMACs under this."""

_OF_ONE_REQUEST: Final = frozenset(
    {b"idempotency-key", b"traceparent", b"tracestate", b"baggage", b"x-request-id"}
)
"""Their values differ each time and change no answer; that they are there may matter."""

_KEEPING: Final = (Place.CACHE, Place.SHARE)
_REPEATABLE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Question(msgspec.Struct, frozen=True):
    """A request, understood.

    Attributes:
        why_bypassed: Why its answer is neither kept nor shared, in words.
        earlier_attempts: How often the client says it has sent it before.
        is_marked: It has a header that is meant for the door alone.
    """

    facts: RequestFacts
    key: str
    operation: Operation
    why_bypassed: str | None
    wishes: Wishes
    earlier_attempts: int
    is_marked: bool


class Questions:
    """Understands requests, and remembers what it understood by a digest of their bytes."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._policies = tuple(policies)
        self._kept_secret: bytes | None = None
        # Ordered ones forget their oldest at once; a plain one searches for it.
        self._known: OrderedDict[bytes, Question] = OrderedDict()
        self._operations: OrderedDict[Hashable, Operation] = OrderedDict()

    def of(self, request: Request, body: bytes | None) -> Question:
        """What *request* is; *body* is None if it can be read only once, by the server."""
        if body is None:
            return self._understood(request, None)
        digest = _digest(request, body)
        known = self._known.get(digest)
        if known is None:
            known = self._known[digest] = self._understood(request, body)
            _forget_oldest(self._known, MOST_QUESTIONS)
        return known

    def _understood(self, request: Request, body: bytes | None) -> Question:
        headers, content = by_name(request.headers.raw), body or b""
        url, path = _url_and_path(request.url)
        facts = read_request(request.method, path, headers, content)
        wishes = read_wishes(headers)
        key = exchange_key(
            facts,
            tenant=tenant_of(headers, url, self._tenant_secret()),
            method=request.method,
            url=url,
            headers=headers,
            body=content,
        )
        why = why_not(facts, wishes, key.canonical)
        if body is None and wishes.bypass is None:
            why = "its body can be read only once"
        keeping, why = self._keeping(facts, why)
        others = [policy for policy in self._policies if policy.place not in _KEEPING]
        if body is None or not may_repeat(request.method, headers, facts):
            others = [policy for policy in others if policy.place is not Place.RETRY]
        return Question(
            facts=facts.without_body(),
            # Bytes are kept as they came, so they suit those who accept the same encodings.
            key=f"{key.canonical or key.raw} {headers.get('accept-encoding', '')}",
            operation=self._operation(_name(facts, request), facts, (*keeping, *others), why),
            why_bypassed=why if keeping else why or "nothing is kept or shared here",
            wishes=wishes,
            earlier_attempts=_number(headers.get("x-stainless-retry-count")),
            is_marked=MARK in headers,
        )

    def _tenant_secret(self) -> bytes:
        """Tenants in keys are HMACs under this, so that a key tells nobody which credential it is.

        What other processes are to find must be named as they name it.
        """
        if self._kept_secret is None:
            self._kept_secret = _SECRET
            if any(map(_is_on_a_shared_store, self._policies)):
                self._kept_secret = installation_secret(settings.current().folder)
        return self._kept_secret

    def _keeping(self, facts: RequestFacts, why_not: str | None) -> tuple[list[Policy], str | None]:
        """Which policies may answer this request from what is kept or under way, or why none."""
        keeping = [policy for policy in self._policies if policy.place in _KEEPING]
        if not keeping or why_not is not None:
            return [], why_not if keeping else None
        if facts.is_repeatable:
            return keeping, None
        if not only_samples(facts):
            return [], facts.why_not
        keeping = [policy for policy in keeping if getattr(policy, "every", False)]
        return keeping, None if keeping else facts.why_not

    def _operation(
        self, name: str, facts: RequestFacts, policies: tuple[Policy, ...], why: str | None
    ) -> Operation:
        """One for each name and set of policies, so that the policies see one operation."""
        place = (name, why, *map(id, policies))
        known = self._operations.get(place)
        if known is None:
            kind = "http" if facts.wire in ("other", "models") else "model"
            known = self._operations[place] = _build(fetched, policies, name, kind, why)
            _forget_oldest(self._operations, MOST_OPERATIONS)
        return known

    def only_kept(self, question: Question) -> Operation:
        """The operation of *question*, with nobody to ask at its end."""
        operation = question.operation
        caches = tuple(policy for policy in operation.policies if policy.place is Place.CACHE)
        return _build(nobody_asked, caches, operation.name, operation.kind, question.why_bypassed)


async def fetched(exchange: Exchange) -> HttpAnswer:
    """The answer of the server."""
    return await fetch(exchange)


async def nobody_asked(exchange: Exchange) -> HttpAnswer:
    """No answer: the client wants one that is kept, or none."""
    raise NotKept(exchange.name)


def _build(
    run: Any, policies: tuple[Policy, ...], name: str, kind: str, why_bypassed: str | None
) -> Operation:
    watches = [policy for policy in policies if policy.place is Place.WATCH] or [Watch()]
    rest = [policy for policy in policies if policy.place is not Place.WATCH]
    return build(
        run,
        [*watches, Observe(why_bypassed), *rest, OntoLoop()],
        key=_key_of,
        name=name,
        kind=kind,
        keeps=may_keep,
    )


def _key_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
    key: str = args[0].key
    return key


def _name(facts: RequestFacts, request: Request) -> str:
    if facts.wire == "other":
        return f"http {request.method} {request.url.raw_host.decode('ascii')}"
    return f"{facts.wire} {plain_name(facts.model)}" if facts.model else facts.wire


def why_not(facts: RequestFacts, wishes: Wishes, canonical: str | bytes | None) -> str | None:
    """Why a request may in no case be answered from what is kept; *canonical* is its key."""
    if wishes.bypass is not None:
        return wishes.bypass
    if facts.wire == "other":
        return "it is no wire of a model"
    return None if canonical is not None else facts.why_not or "its body has no canonical form"


def only_samples(facts: RequestFacts) -> bool:
    """Whether the model's chance is all that keeps a request from being repeatable."""
    if not isinstance(facts.body, dict):
        return False
    without_chance = {**facts.body, "temperature": 0, "thinking": None}
    return why_not_repeatable(facts.wire, without_chance) is None


def may_repeat(method: str, headers: Mapping[str, str], facts: RequestFacts) -> bool:
    """Whether a request that may have reached the server can be sent once more without harm."""
    if method in _REPEATABLE_METHODS or "idempotency-key" in headers:
        return True
    body = facts.body
    return facts.wire != "other" and not (isinstance(body, dict) and body.get("store") is True)


def _is_on_a_shared_store(policy: Policy) -> bool:
    return getattr(getattr(policy, "store", None), "is_shared", False) is True


def _digest(request: Request, body: bytes) -> bytes:
    url, headers = request.url, request.headers.raw
    said = b"\0".join(chain.from_iterable(headers))
    lowered = said.lower()
    if any(name in lowered for name in _OF_ONE_REQUEST):
        same = [(n, b"" if n.lower() in _OF_ONE_REQUEST else value) for n, value in headers]
        said = b"\0".join(chain.from_iterable(same))
    address = (url.raw_scheme, url.raw_host, b"%d" % (url.port or 0), url.raw_path)
    # No header holds a zero byte, and they are counted: no two requests run into one.
    count = b"%d" % len(headers)
    whole = b"\0".join((request.method.encode(), *address, count, said, body))
    return hmac.digest(_SECRET, whole, "sha256")


def _url_and_path(url: Url) -> tuple[str, str]:
    path = url.raw_path.decode("ascii")
    port = "" if url.port is None else f":{url.port}"
    return f"{url.raw_scheme.decode()}://{url.raw_host.decode('ascii')}{port}{path}", path


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0


def _forget_oldest(known: OrderedDict[Any, Any], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)
