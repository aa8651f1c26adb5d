"""The model behind the wires: what it was told before, its prompt caches, its answers in shape."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ... import clock
from . import anthropic_messages, openai_chat, openai_embeddings, openai_responses, tokens
from .answer import Answer, Reported, within_limits
from .automatic_cache import AutomaticCache, prefixes_of, scope_of
from .marked_cache import CacheUse, MarkedCache, blocks_of, wrong_marks
from .question import Question, read_chat, read_messages, read_responses
from .refusal import Refused
from .reply import Draft, Reply, json_reply, raw_reply, stream_reply

Json = dict[str, Any]


class Model:
    """Remembers prompts, conversations and how often each body was asked; ``clear`` forgets."""

    def __init__(self, dated: float | None) -> None:
        self._dated = dated
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._automatic, self._marked = AutomaticCache(), MarkedCache()
        self._times_asked: dict[bytes, int] = {}
        self._conversations: dict[str, list[Json]] = {}

    def now(self) -> float:
        """The time that answers are dated with."""
        return clock.now() if self._dated is None else self._dated

    def question(self, wire: str, body: Json, raw: bytes) -> Question:
        """The checked body, read as a question."""
        digest = hashlib.sha256(wire.encode() + raw).digest()
        repeated = self._times_asked.get(digest, 0)
        self._times_asked[digest] = repeated + 1
        if wire == "openai.chat":
            return read_chat(body, repeated)
        if wire == "openai.responses":
            return read_responses(body, self._conversation(body), repeated)
        if wire == "openai.embeddings":
            asked = [{"role": "user", "content": str(text)} for text in _texts(body["input"])]
            question = read_chat({"model": body["model"], "messages": asked}, repeated)
            return msgspec.structs.replace(question, wire=wire, body=body)
        return msgspec.structs.replace(read_messages(body, repeated), wire=wire)

    def _conversation(self, body: Json) -> list[Json]:
        """All items of a conversation on responses; what came before is remembered here."""
        earlier: list[Json] = []
        previous = body.get("previous_response_id")
        if previous is not None:
            if previous not in self._conversations:
                said = f"Previous response with id '{previous}' not found."
                code = "previous_response_not_found"
                raise Refused(400, said, param="previous_response_id", code=code)
            earlier = self._conversations[previous]
        given = body["input"]
        return earlier + ([{"role": "user", "content": given}] if isinstance(given, str) else given)

    def computed(self, question: Question, credential: str) -> Reply | None:
        """The reply where nothing is said (embeddings, counted tokens); None elsewhere."""
        body: Json = dict(question.body)
        if question.wire == "openai.embeddings":
            made = openai_embeddings.plain(body, openai_embeddings.inputs_of(body))
            reply = json_reply(200, made)
            reply.usage = Reported(tokens_in=made["usage"]["prompt_tokens"])
            reply.reports_usage = True
            return reply
        if question.wire == "anthropic.count_tokens":
            return json_reply(200, {"input_tokens": _total(blocks_of(body, credential))})
        return None

    def spoken(self, question: Question, answer: Answer, credential: str) -> Reply:
        """The reply that holds *answer*, in the shape of the question's wire."""
        if answer.raw is not None:
            return raw_reply(answer, question.streams)
        answer = within_limits(answer, most_tokens(question), stops_of(question))
        if question.wire == "anthropic.messages":
            return self._message(question, answer, credential)
        return self._completion(question, answer, credential)

    def _draft(self, question: Question, answer: Answer, usage: Reported) -> Draft:
        asked = hashlib.sha256(tokens.as_json([question.wire, question.body])).hexdigest()
        seed = f"{asked}/{question.repeated}"
        return Draft(question, answer, usage, seed, int(self.now()))

    def _completion(self, question: Question, answer: Answer, credential: str) -> Reply:
        body: Json = dict(question.body)
        is_chat = question.wire == "openai.chat"
        items = body["messages"] if is_chat else self._conversation(body)
        prompt = prompt_of(body, items)
        prefixes = prefixes_of(scope_of(body, credential), prompt)
        usage = answer.usage or Reported(
            tokens_in=tokens.count(prompt),
            tokens_cached=self._automatic.cached_tokens(prefixes),
            tokens_out=answer.tokens_out * (body.get("n") or 1 if is_chat else 1),
            tokens_reasoning=answer.tokens_reasoning,
        )
        draft = self._draft(question, answer, usage)
        if not is_chat and body.get("store") is not False:
            whole = items + openai_responses.output_of(draft)
            self._conversations[openai_responses.id_of(draft)] = whole
        shape = openai_chat if is_chat else openai_responses
        reply = (
            stream_reply(shape.stream(draft))
            if question.streams
            else json_reply(200, shape.plain(draft))
        )
        reply.begun = lambda: self._automatic.keep(prefixes)
        return _with_usage(reply, usage, answer)

    def _message(self, question: Question, answer: Answer, credential: str) -> Reply:
        blocks = blocks_of(dict(question.body), credential)
        wrong = wrong_marks(blocks)
        if wrong is not None:
            raise Refused(400, wrong)
        used = answer.usage
        if used is None:
            cache = self._marked.use(blocks, question.model)
            used = Reported(
                tokens_in=cache.total,
                tokens_cached=cache.read,
                tokens_cache_written=cache.written,
                tokens_out=answer.tokens_out,
                tokens_reasoning=answer.tokens_reasoning,
            )
        else:
            cache = CacheUse(used.tokens_in, used.tokens_cached, used.tokens_cache_written)
        draft = self._draft(question, answer, used)
        if question.streams:
            reply = stream_reply(anthropic_messages.stream(draft, cache))
        else:
            reply = json_reply(200, anthropic_messages.plain(draft, cache))
        reply.begun = lambda: self._marked.keep(cache)
        return _with_usage(reply, used, answer)


def _with_usage(reply: Reply, usage: Reported, answer: Answer) -> Reply:
    reply.usage, reply.reports_usage = usage, answer.reports_usage
    return reply


def prompt_of(body: Json, items: list[Json]) -> bytes:
    """The prompt whose tokens are counted on OpenAI's wires: tools, instructions, messages."""
    lines = [tokens.as_json(tool) for tool in body.get("tools") or ()]
    if body.get("instructions"):
        lines.append(tokens.as_json(body["instructions"]))
    return b"\n".join(lines + [tokens.as_json(item) for item in items])


def most_tokens(question: Question) -> int | None:
    """The tokens the request allows the answer."""
    names = ("max_completion_tokens", "max_output_tokens", "max_tokens")
    limits = [question.body.get(name) for name in names]
    return next((limit for limit in limits if isinstance(limit, int)), None)


def stops_of(question: Question) -> list[str]:
    """The stop sequences of the request."""
    stops = question.body.get("stop") or question.body.get("stop_sequences") or []
    return [stops] if isinstance(stops, str) else list(tokens.list_of(stops))


def _total(blocks: list[Any]) -> int:
    return sum(block.tokens for block in blocks)


def _texts(given: Any) -> list[Any]:
    return [given] if isinstance(given, str) else given
