"""Which way a request takes: the route that fits it, its policies, and the servers in their order.

Everything here is worked out once and remembered, within bounds, until the plan changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from math import inf
from typing import Any, Final

import msgspec

from .. import events
from ..adapters.http.plumbing import plain_name
from ..adapters.http.questions import may_repeat, only_samples, why_not
from ..policies import Limit, Retry
from ..policies.freshness import Freshness
from ..policies.retry_budget import RetryBudget
from ..wire.exchange import RequestFacts, read_request
from ..wire.key import canonical_key, head_part, raw_key
from ..wire.rewriting import with_model
from .agents import agent_of
from .asking import Asking
from .framing import Refusal
from .plan import Limits, Plan, Route, Rules, Target, Timeouts
from .server import Server
from .transcript import Spoken, spoken_of

MOST_HEADS: Final = 1024
MOST_HEAD_BYTES: Final = 8 * 1024
"""A longer head is not remembered."""
LONGEST_NAME: Final = 512
MOST_QUESTIONS: Final = 512
MOST_WAYS: Final = 1024
MOST_LIMITED: Final = 10_000


class Policies:
    """The policies of one route, with their state."""

    def __init__(
        self,
        rules: Rules,
        limits: dict[tuple[Limits, str], Limit],
        budgets: dict[Rules, RetryBudget],
    ) -> None:
        self.rules = rules
        self.keeps = rules.ttl_s is not None
        self.freshness = (
            None if rules.ttl_s is None else Freshness(rules.ttl_s, jitter=rules.jitter)
        )
        self.retry = Retry(
            rules.attempts, on=Exception, first_wait=rules.first_wait_s, max_wait=rules.max_wait_s
        )
        share = inf if rules.retry_share is None else rules.retry_share
        self.budget = None
        if rules.attempts > 1:
            self.budget = budgets.setdefault(rules, RetryBudget(share))
        self.is_limited = rules.limits.at_once is not None or rules.limits.per_minute is not None
        self._limits = limits

    def limit_of(self, asking: Asking) -> Limit | None:
        """The limit of the key that asks; None if there is none."""
        if not self.is_limited:
            return None
        who = (self.rules.limits, asking.key_name or asking.tenant)
        limit = self._limits.get(who)
        if limit is None:
            limit = self._limits[who] = _limit(self.rules.limits)
            if len(self._limits) > MOST_LIMITED:
                self._forget_an_idle_limit()
        return limit

    def _forget_an_idle_limit(self) -> None:
        for who, limit in self._limits.items():
            if not limit.inside and not limit.waiting:
                del self._limits[who]
                return


def _limit(limits: Limits) -> Limit:
    return Limit(
        at_once=limits.at_once,
        per_minute=limits.per_minute,
        burst=limits.burst if limits.per_minute is not None else None,
        max_waiting=limits.max_waiting,
    )


class Destination:
    """One server of a way, and the model to ask there (None: the one that was asked for)."""

    __slots__ = ("model", "server", "timeouts")

    def __init__(self, server: Server, model: str | None, timeouts: Timeouts) -> None:
        self.server, self.model, self.timeouts = server, model, timeouts


class Way:
    """Policies, and destinations in the order in which they are tried."""

    __slots__ = ("destinations", "policies")

    def __init__(self, policies: Policies, destinations: tuple[Destination, ...]) -> None:
        self.policies, self.destinations = policies, destinations


class Question(msgspec.Struct, frozen=True):
    """A whole request, understood.

    Attributes:
        key: Equal for equal questions of one tenant; None if its answer is neither kept nor shared.
        digest: Stands for the question on receipts; None if it is no question to a model.
        why_bypassed: The reason for that in words; None where the route keeps and shares nothing.
        agent: Who asks, as far as that can be told; None also if nobody listened.
        spoken: What it tells of its conversation, if somebody listened.
        operation: Its name on receipts.
        may_repeat: It can be sent once more without harm, even without an idempotency key.
    """

    facts: RequestFacts
    key: bytes | None
    digest: str | None
    why_bypassed: str | None
    way: Way
    agent: str | None
    spoken: Spoken | None
    operation: str
    may_repeat: bool


class Routing:
    """A plan at work; forgets what it has understood when there are too many heads or questions."""

    def __init__(
        self,
        plan: Plan,
        servers: Mapping[str, Server],
        secret: bytes,
        limits: dict[tuple[Limits, str], Limit] | None = None,
        budgets: dict[Rules, RetryBudget] | None = None,
    ) -> None:
        self.plan, self.servers, self._secret = plan, servers, secret
        # Routes under equal limits are under one: those of all routes hold for all together.
        limits = {} if limits is None else limits
        budgets = {} if budgets is None else budgets
        self._routes = [(route, Policies(route.rules, limits, budgets)) for route in plan.routes]
        self._rest = Policies(plan.rules, limits, budgets)
        self._askings: dict[tuple[Any, ...], Asking] = {}
        # In two generations: the oldest of a long dictionary is dear to find.
        self._questions: dict[bytes, Question] = {}
        self._older_questions: dict[bytes, Question] = {}
        self._ways: dict[tuple[Any, ...], Way | Refusal] = {}

    def asking(self, method: bytes, url: bytes, pairs: tuple[bytes, ...]) -> Asking:
        """What the head of a request says; *pairs* are names and values in turn."""
        place = (method, url, pairs)
        known = self._askings.get(place)
        if known is not None:
            return known
        asking = Asking(
            self.plan,
            self.servers,
            self._secret,
            method=method.decode("latin-1"),
            url=url.decode("latin-1"),
            pairs=list(zip(pairs[::2], pairs[1::2], strict=True)),
        )
        if asking.refusal is None and len(url) + sum(map(len, pairs)) <= MOST_HEAD_BYTES:
            _make_room(self._askings, MOST_HEADS)
            self._askings[place] = asking
        return asking

    def question(self, asking: Asking, body: bytes) -> Question | Refusal:
        """The request understood, or why it cannot go anywhere."""
        digest = raw_key(asking.number, body)
        known = self._questions.get(digest)
        if known is None:
            known = self._older_questions.get(digest)
        if known is None:
            understood = self._understood(asking, body)
            if isinstance(understood, Refusal):
                return understood
            if not _is_long(understood.facts.model):
                if len(self._questions) >= MOST_QUESTIONS:
                    self._older_questions, self._questions = self._questions, {}
                self._questions[digest] = understood
            return understood
        return known

    def _understood(self, asking: Asking, body: bytes) -> Question | Refusal:
        facts = read_request(asking.method, asking.path, asking.headers, body)
        way = self.way(asking, facts.model)
        if isinstance(way, Refusal):
            return way
        first, rules = way.destinations[0], way.policies.rules
        key, why = (_key(asking, facts, body, first) if asking.is_model else None), None
        digest = None if key is None else key.hex()
        if way.policies.keeps or rules.share:
            why = _why_not(asking, facts, key, every=rules.every)
        agent = spoken = None
        if events.listeners and asking.is_model:
            is_named = bool(asking.agent or asking.key_name)
            spoken = spoken_of(facts, names_speaker=not is_named)
            agent = agent_of(asking.headers, asking.key_name, spoken)
        if why is not None or not (way.policies.keeps or rules.share):
            key = None
        return Question(
            facts=facts.without_body(),
            agent=agent,
            spoken=spoken,
            key=key,
            digest=digest,
            why_bypassed=why,
            way=way,
            operation=_name(asking, facts, first.server),
            may_repeat=may_repeat(asking.method, asking.headers, facts),
        )

    def way(self, asking: Asking, model: str | None) -> Way | Refusal:
        """The way of requests with such a head that ask for *model*."""
        if _is_long(model) or _is_long(asking.path):
            return self._way(asking, model)
        place = (asking.named, asking.wire, asking.path, "anthropic-version" in asking.headers)
        known = self._ways.get((*place, model))
        if known is None:
            _make_room(self._ways, MOST_WAYS)
            known = self._ways[(*place, model)] = self._way(asking, model)
        return known

    def _way(self, asking: Asking, model: str | None) -> Way | Refusal:
        policies = self._rest
        targets: tuple[Target, ...] = ()
        for route, of_route in self._routes:
            if _fits(route, asking.path, model):
                policies, targets = of_route, route.targets
                break
        if asking.named is not None:
            model_there = next((t.model for t in targets if t.upstream == asking.named.name), None)
            targets = (Target(asking.named.name, model_there),)
        elif not targets:
            usual = self._usual(asking)
            targets = () if usual is None else (Target(usual.name),)
        destinations = tuple(
            Destination(
                server := self.servers[target.upstream],
                target.model,
                policies.rules.timeouts or server.spec.timeouts,
            )
            for target in targets
        )
        if not destinations:
            names = ", ".join(self.servers) or "none"
            return Refusal(
                404,
                "no_upstream",
                f"no upstream serves {asking.path.partition('?')[0]}; upstreams are: {names}",
            )
        return Way(policies, destinations)

    def _usual(self, asking: Asking) -> Server | None:
        is_anthropic = asking.wire.startswith("anthropic") or "anthropic-version" in asking.headers
        fitting = (
            server
            for server in self.servers.values()
            if (server.spec.provider == "anthropic") is is_anthropic
        )
        return next(fitting, None)


def _fits(route: Route, path: str, model: str | None) -> bool:
    if route.path and not path.partition("?")[0].rstrip("/").endswith(route.path.rstrip("/")):
        return False
    return not route.model or (model is not None and fnmatchcase(model, route.model))


def _key(
    asking: Asking, facts: RequestFacts, body: bytes, destination: Destination
) -> bytes | None:
    """The key of a question to the server and model that answer it, whatever it calls them."""
    server = destination.server
    head = asking.heads.get(server.name)
    if head is None:
        url = f"{server.address.origin}{server.address.target(asking.path)}"
        tenant = f"{asking.tenant} {server.whose}"
        head = head_part(tenant=tenant, method=asking.method, url=url, headers=asking.headers)
        # Bytes are kept as they came, so they suit those who accept the same encodings.
        head = asking.heads[server.name] = b"%b%b\0" % (head, asking.accept_encoding.encode())
    sent = rewritten(body, facts, destination)
    if sent is not body:  # the same as if it had been asked by that name
        facts = read_request(asking.method, asking.path, asking.headers, sent)
    return canonical_key(head, facts)


def _name(asking: Asking, facts: RequestFacts, server: Server) -> str:
    if facts.wire == "other":
        return f"http {asking.method} {server.address.host}"
    if not facts.model:
        return facts.wire
    return f"{facts.wire} {plain_name(facts.model)}"


def _is_long(name: str | None) -> bool:
    """Whether a name is too long to be remembered for the next request."""
    return name is not None and len(name) > LONGEST_NAME


def _why_not(asking: Asking, facts: RequestFacts, key: bytes | None, *, every: bool) -> str | None:
    """Why an answer is neither kept nor shared, in words; None if it may be both."""
    why = why_not(facts, asking.wishes, key)
    if why is not None or facts.is_repeatable or (every and only_samples(facts)):
        return why
    return facts.why_not


def rewritten(body: bytes, facts: RequestFacts, destination: Destination) -> bytes:
    """The body to send: as it came, but for the name of the model where that is another."""
    if destination.model is None or destination.model == facts.model or not body:
        return body
    try:
        return with_model(body, facts, destination.model)
    except ValueError:
        return body


def _make_room(known: dict[Any, Any], most: int) -> None:
    if len(known) >= most:
        for oldest in list(known)[: most // 2]:
            del known[oldest]
