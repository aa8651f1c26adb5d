"""From a request to its reply: key, shape, model, fault, answer, in the order of the real thing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from . import models
from .answer import Answer
from .answers import Answers, Templated
from .fault import NO_FAULT, Fault
from .http_request import Request
from .log import credential_of
from .question import Question
from .refusal import Refused, error_body, html_page, retry_headers
from .reply import Reply, json_reply
from .schema_example import BadSchema
from .speaking import Model
from .validation import checked_body

ROUTES = {
    "/v1/chat/completions": "openai.chat",
    "/v1/responses": "openai.responses",
    "/v1/embeddings": "openai.embeddings",
    "/v1/messages": "anthropic.messages",
    "/v1/messages/count_tokens": "anthropic.count_tokens",
}
MODELS = "/v1/models"
FaultFor = Callable[[Question | None], Fault]
"""Gives the fault for a question (None where a model is asked nothing), and uses it up."""


def wire_of(path: str) -> str:
    """The wire a path speaks; ``other`` if none."""
    if path == MODELS or path.startswith(MODELS + "/"):
        return "models"
    return ROUTES.get(path, "other")


def provider_of(request: Request) -> str:
    """Whose shape the answer has."""
    wire = wire_of(request.path)
    if wire in {"models", "other"}:
        return "anthropic" if request.header("anthropic-version") else "openai"
    return wire.partition(".")[0]


class Outcome(msgspec.Struct):
    """A reply, with what the log wants to know about it."""

    reply: Reply
    fault: Fault = NO_FAULT
    model: str | None = None
    streamed: bool = False
    problem: str | None = None


class Replies:
    """Turns requests into replies; asked from the provider's own event loop only."""

    def __init__(
        self,
        model: Model,
        answers: Answers,
        known_models: Sequence[str] | None,
        keys: Collection[str] | None,
    ) -> None:
        self.answers, self._model = answers, model
        self._known_models, self._keys = known_models, keys

    def outcome(self, request: Request, request_id: str, fault_for: FaultFor) -> Outcome:
        """The reply to *request*, an error in the provider's shape included."""
        provider = provider_of(request)
        try:
            outcome = self._answered(request, provider, fault_for)
        except Refused as no:
            error = error_body(provider, no.status, request_id, str(no), no.param, no.code)
            return Outcome(json_reply(no.status, error))
        if outcome.fault.status is not None:
            outcome.reply = fault_reply(provider, outcome.fault, request_id)
            outcome.streamed = False
        return outcome

    def _answered(self, request: Request, provider: str, fault_for: FaultFor) -> Outcome:
        wire = wire_of(request.path)
        if wire == "other":
            raise Refused(404, f"Invalid URL ({request.method} {request.path})", code="unknown_url")
        credential = self._checked_key(request, provider)
        if wire == "models":
            _check_method(request, {"GET", "HEAD"})
            return Outcome(self._models_reply(request, provider), fault_for(None))
        _check_method(request, {"POST"})
        body = checked_body(wire, request.body)
        models.check(provider, body["model"], self._known_models)
        question = self._model.question(wire, body, request.body)
        outcome = Outcome(json_reply(200, {}), fault_for(question), question.model)
        if outcome.fault.status is None:
            self._ask(question, credential, outcome)
        return outcome

    def _checked_key(self, request: Request, provider: str) -> str:
        key = credential_of(request)
        if key and (self._keys is None or key in self._keys):
            if provider == "anthropic" and request.header("anthropic-version") is None:
                raise Refused(400, "anthropic-version: header is required")
            return key
        if provider == "anthropic":
            raise Refused(401, "invalid x-api-key" if key else "x-api-key header is required")
        if not key:
            raise Refused(401, "You didn't provide an API key.", code="invalid_api_key")
        shown = f"{key[:3]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        raise Refused(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")

    def _models_reply(self, request: Request, provider: str) -> Reply:
        name = request.path.removeprefix(MODELS).strip("/")
        if not name:
            known = models.USUAL if self._known_models is None else self._known_models
            return json_reply(200, models.listed(provider, known))
        models.check(provider, name, self._known_models)
        return json_reply(200, models.described(provider, name))

    def _ask(self, question: Question, credential: str, outcome: Outcome) -> None:
        """Put the answer, and the fault that comes with it, into *outcome*."""
        reply = self._model.computed(question, credential)
        if reply is not None:
            outcome.reply = reply
            return
        try:
            said = self.answers.answer(question)
        except BadSchema as problem:
            raise Refused(
                400, f"Invalid schema: {problem}", code="invalid_json_schema"
            ) from problem
        except Exception as problem:  # the caller's own function: its failure is told to the client
            outcome.problem = f"{type(problem).__name__}: {problem}"
            headers = {"x-should-retry": "false"}
            outcome.fault = Fault(status=500, message=outcome.problem, headers=headers)
            return
        if isinstance(said, Fault):
            outcome.fault, said = said, Templated().answer(question)
        answer = Answer(text=said) if isinstance(said, str) else said
        if answer.fault is not None and outcome.fault == NO_FAULT:
            outcome.fault = answer.fault
        outcome.reply = self._model.spoken(question, answer, credential)
        outcome.streamed = outcome.reply.pieces is not None


def _check_method(request: Request, methods: set[str]) -> None:
    if request.method not in methods:
        raise Refused(405, f"Not allowed to {request.method} on {request.path}.")


def fault_reply(provider: str, fault: Fault, request_id: str) -> Reply:
    """The error a fault asks for: the provider's own, or a proxy's page."""
    assert fault.status is not None
    if fault.html:
        headers = [("content-type", "text/html")]
        reply = Reply(fault.status, headers, body=html_page(fault.status))
    else:
        error = error_body(provider, fault.status, request_id, fault.message)
        reply = json_reply(fault.status, error)
    reply.headers += retry_headers(fault)
    return reply
