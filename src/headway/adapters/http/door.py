"""The door itself: a request goes in, and comes back as the client is to see it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ...call import Call, Operation, Policy
from ...errors import UpstreamFailed
from ...policies import Cache, Retry
from ...policies.retry import are_failures
from ...stream import Stream
from ...wire.headers import MARK
from .answer import Head, HttpAnswer, Whole, head_of
from .exchange import CutShort, Exchange, NotKept
from .patience import answered, ran_out_of_time, read_timeout_s
from .plumbing import RawHeaders, Request
from .questions import Question, Questions
from .upstream import Upstream

log = logging.getLogger("headway.adapters.http")

_MARK: Final = MARK.encode()
_SHOULD_RETRY: Final = b"x-should-retry"
_NOT_KEPT: Final = (
    b'{"error": {"type": "not_kept", "message": "nothing is kept for this request, '
    b'and it said cache-control: only-if-cached"}}'
)


class Outcome(msgspec.Struct, frozen=True):
    """What the client gets: a head, and a body that is whole, a stream, or cut short."""

    status: int
    headers: RawHeaders
    extensions: Mapping[str, object]
    body: bytes | Stream[Any] | CutShort
    is_encoded: bool = False


class Door:
    """Puts requests through policies; knows nothing of the module that asks."""

    def __init__(self, policies: Iterable[Policy], upstream: Upstream, *, max_bytes: int) -> None:
        self.upstream = upstream
        self._questions, self._max_bytes = Questions(policies), max_bytes
        self._gave_up = self._warned = False

    async def ask(self, request: Request, body: bytes | None) -> Outcome:
        """The answer to *request*, whose *body* is None if only the server can read it.

        Errors of the transport and of policies pass unchanged.
        """
        question = self._questions.of(request, body)
        if question.earlier_attempts and self._gave_up:
            self._warn_of_two_layers()
        exchange = self._exchange(question, request, body)
        call = Call(question.operation, (exchange,), {})
        try:
            answer = await self._answer(call, question, read_timeout_s(request.extensions))
        except NotKept:
            return _not_kept()
        except UpstreamFailed as failure:
            if not isinstance(failure.response, Whole):  # from a fallback of the user's own
                raise
            return _handed_back(failure.response, call, question, failure)
        except Exception as error:
            self._gave_up = self._gave_up or _is_retried(question.operation, error)
            cut = exchange.cut_short
            if cut is not None and cut.error is error:
                return _outcome(cut.head, cut, call, question)
            raise
        whole_or_stream = answer.body if isinstance(answer, Whole) else answer
        return _outcome(head_of(answer), whole_or_stream, call, question)

    def _exchange(self, question: Question, request: Request, body: bytes | None) -> Exchange:
        return Exchange(
            _unmarked(request, body) if question.is_marked else request,
            self.upstream.send,
            facts=question.facts,
            key=question.key,
            name=question.operation.name,
            is_alone=question.why_bypassed is not None,
            max_bytes=self._max_bytes,
        )

    async def _answer(self, call: Call, question: Question, read_s: float | None) -> HttpAnswer:
        wishes = question.wishes
        if wishes.fresh:
            await _forget(call)
        if wishes.only_if_kept:
            return await self._kept_answer(call, question)
        while True:
            try:
                answer: HttpAnswer = await answered(call, read_s)
            except NotKept:  # joined one who would ask nobody
                continue
            except Exception as error:
                if call.source != "joined" or not ran_out_of_time(error):
                    raise
                continue  # the time of whoever it joined was over, not its own
            if _is_young_enough(call, wishes.max_age_s):
                return answer
            await _let_go(answer)
            await _forget(call)
            call.source, call.age_s = "ran", None

    async def _kept_answer(self, call: Call, question: Question) -> HttpAnswer:
        operation = self._questions.only_kept(question)
        kept = Call(operation, call.args, {})
        answer: HttpAnswer = await operation.enter(kept)
        call.source, call.age_s = kept.source, kept.age_s
        if not _is_young_enough(kept, question.wishes.max_age_s):
            await _let_go(answer)
            raise NotKept(operation.name)
        return answer

    def _warn_of_two_layers(self) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "a client repeats requests that Retry has given up: give it max_retries=0, "
                "so that one layer retries and not two"
            )

    async def aclose(self) -> None:
        """Close the connections; what is kept stays."""
        await self.upstream.aclose()


def _unmarked(request: Any, body: bytes | None) -> Any:
    """The request without what it says to the door; the client keeps its own as it is."""
    headers = [pair for pair in request.headers.raw if pair[0].lower() != _MARK]
    content = {"stream": request.stream} if body is None else {"content": body}
    return type(request)(
        request.method, request.url, headers=headers, extensions=request.extensions, **content
    )


def _is_young_enough(call: Call, max_age_s: float | None) -> bool:
    return max_age_s is None or call.age_s is None or call.age_s <= max_age_s


async def _forget(call: Call) -> None:
    for policy in call.operation.policies:
        if isinstance(policy, Cache):
            await policy.forget(call)


async def _let_go(answer: HttpAnswer) -> None:
    if isinstance(answer, Stream):
        await answer.aclose()


def _is_retried(operation: Operation, error: Exception) -> bool:
    """Whether a policy has asked again because of *error*, so that nobody else should."""
    return any(isinstance(policy, Retry) and covers(policy, error) for policy in operation.policies)


def covers(retry: Retry, error: Exception) -> bool:
    """Whether *retry* asks again because of *error*."""
    on = retry.on
    return isinstance(error, on) if are_failures(on) else bool(on(error))  # type: ignore[arg-type,operator]


def _outcome(
    head: Head, body: bytes | Stream[Any] | CutShort, call: Call, question: Question
) -> Outcome:
    if call.source == "ran":
        headers = [pair for pair in head.raw_headers if pair[0].lower() != _MARK]
        mark = b"miss" if question.why_bypassed is None else b"bypass"
    else:
        headers, mark = list(head.kept_headers), call.source.encode()
    if call.age_s is not None:
        headers.append((b"age", b"%d" % max(0, call.age_s)))
    headers.append((_MARK, mark))
    return Outcome(head.status, headers, head.extensions, body, head.is_encoded)


def _handed_back(answer: Whole, call: Call, question: Question, failure: UpstreamFailed) -> Outcome:
    """The very response, marked as final if a policy has repeated the request already."""
    outcome = _outcome(answer.head, answer.body, call, question)
    if _is_retried(call.operation, failure):
        outcome.headers[:] = [p for p in outcome.headers if p[0].lower() != _SHOULD_RETRY]
        outcome.headers.append((_SHOULD_RETRY, b"false"))
    return outcome


def _not_kept() -> Outcome:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_NOT_KEPT)),
        (_SHOULD_RETRY, b"false"),
        (_MARK, b"miss"),
    ]
    return Outcome(504, headers, {}, _NOT_KEPT)
