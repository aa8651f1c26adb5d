"""What the stand-in model says, in the same words for every wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from . import tokens
from .fault import Fault


class Reported(msgspec.Struct, frozen=True):
    """The tokens of one exchange; ``tokens_in`` is all input, cached and cache-written included."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_cache_written: int = 0
    tokens_out: int = 0
    tokens_reasoning: int = 0


class ToolUse(msgspec.Struct, frozen=True):
    """One call of a tool; *arguments* as an object, or as text to send what is no JSON."""

    name: str
    arguments: Mapping[str, object] | str = {}
    id: str | None = None

    @property
    def arguments_json(self) -> str:
        """The arguments as they stand on the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return tokens.as_json(self.arguments).decode()


class Answer(msgspec.Struct, frozen=True):
    """One answer of the model; each wire puts it in its own shape.

    ``chunks``: the text in the very pieces a stream brings; otherwise it comes word by word.
    ``tool_calls``: several are parallel calls; a pair ``("price", {"symbol": "X"})`` will do.
    ``finish_reason``: in OpenAI's words (``"length"``, ``"content_filter"``); by content if None.
    ``stop_sequence``: the one that ended the answer; found by itself when the text holds one.
    ``raw``: the body to send byte for byte, with ``offsets`` the ends of its events, and then
    ``status``, ``headers`` and ``usage`` (which cannot be known otherwise) go with it.
    ``reports_usage``: False for a provider that keeps its usage to itself.
    """

    text: str | None = None
    chunks: Sequence[str] = ()
    tool_calls: Sequence[ToolUse | tuple[str, Mapping[str, object]]] = ()
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    stop_sequence: str | None = None
    raw: bytes | None = None
    offsets: Sequence[int] = ()
    status: int = 200
    headers: Mapping[str, str] = {}
    usage: Reported | None = None
    reports_usage: bool = True
    fault: Fault | None = None

    @property
    def whole_text(self) -> str | None:
        """The text, whichever way it was given; None if the model says nothing."""
        return "".join(self.chunks) if self.chunks else self.text

    @property
    def calls(self) -> list[ToolUse]:
        """The tool calls as records."""
        return [call if isinstance(call, ToolUse) else ToolUse(*call) for call in self.tool_calls]

    @property
    def finish(self) -> str:
        """Why the answer ends, in OpenAI's words."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    @property
    def text_pieces(self) -> list[str]:
        """The text as a stream brings it."""
        return list(self.chunks) or tokens.pieces(self.text or "")

    @property
    def tokens_reasoning(self) -> int:
        """Tokens of the reasoning."""
        return tokens.count(self.reasoning or "")

    @property
    def tokens_out(self) -> int:
        """All tokens of the answer, reasoning included; at least 1."""
        calls = sum(tokens.count(call.name + call.arguments_json) for call in self.calls)
        said = tokens.count(self.whole_text or "") + tokens.count(self.refusal or "")
        return max(1, said + calls + self.tokens_reasoning)


def within_limits(answer: Answer, most_tokens: int | None, stops: list[str]) -> Answer:
    """The answer as a model ends it: at a stop sequence, or when its tokens are used up."""
    text = answer.whole_text
    if text is None or answer.finish_reason is not None:
        return answer
    kept, stop = tokens.stopped(text, stops)
    kept, is_cut = tokens.shortened(kept, most_tokens)
    if not is_cut and stop is None:
        return answer
    return msgspec.structs.replace(
        answer,
        text=kept,
        chunks=(),
        finish_reason="length" if is_cut else "stop",
        stop_sequence=None if is_cut else stop,
    )
