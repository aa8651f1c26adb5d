"""Which way a request takes: the route that fits it, its policies, and the servers in their order.

Everything here is worked out once and remembered, within bounds, until the plan changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from .. import events
from ..adapters.http.plumbing import plain_name
from ..adapters.http.questions import may_repeat, only_samples, why_not
from ..policies import Limit
from ..policies.retry_budget import RetryBudget
from ..wire.exchange import RequestFacts, read_request
from ..wire.key import canonical_key, exact_key, head_part
from ..wire.rewriting import with_model
from .agents import agent_of
from .asking import Asking
from .plan import Limits, Plan, Route, Rules, Target
from .question import Question
from .refusal import Refusal
from .server import Server
from .transcript import spoken_of
from .way import Destination, Policies, Way

MOST_HEADS: Final = 1024
MOST_HEAD_BYTES: Final = 8 * 1024
"""A longer head is not remembered."""
LONGEST_NAME: Final = 512
MOST_QUESTIONS: Final = 512
MOST_QUESTION_BYTES: Final = 2 * 1024 * 1024
"""So many bytes of bodies are held to know them again, and as many of those before them."""
MOST_WAYS: Final = 1024


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
        self._questions: dict[Hashable, Question] = {}
        self._older_questions: dict[Hashable, Question] = {}
        self._question_bytes = 0
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
        exact = exact_key(asking.number, body)
        known = self._questions.get(exact)
        if known is None:
            known = self._older_questions.get(exact)
        if known is not None:
            return known
        understood = self._understood(asking, body)
        if isinstance(understood, Question) and not _is_long(understood.facts.model):
            self._remember(exact, understood, len(body))
        return understood

    def _remember(self, exact: Hashable, understood: Question, size: int) -> None:
        if size > MOST_QUESTION_BYTES:
            return
        is_full = self._question_bytes + size > MOST_QUESTION_BYTES
        if is_full or len(self._questions) >= MOST_QUESTIONS:
            self._older_questions, self._questions = self._questions, {}
            self._question_bytes = 0
        self._questions[exact] = understood
        self._question_bytes += size

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
        for server in self.servers.values():
            if (server.spec.provider == "anthropic") is is_anthropic:
                return server
        return None


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
