"""Why a program behind the gateway asked no model there: what is known, and what is likely."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ..runs import Receipt

LONGEST_SCRIPT: Final = 1024 * 1024
_SETS_IT_ITSELF: Final = re.compile(
    rb"\b(?:base_?url|api_?base|azure_endpoint)[\"']?\s*[=:]\s*[^=\s]", re.IGNORECASE
)
_SCRIPTS: Final = frozenset({".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb"})
_ELSEWHERE: Final = {
    "GEMINI_API_KEY": "Google's SDK",
    "GOOGLE_API_KEY": "Google's SDK",
    "GOOGLE_APPLICATION_CREDENTIALS": "Vertex AI",
    "AWS_BEARER_TOKEN_BEDROCK": "Bedrock",
    "CLAUDE_CODE_USE_BEDROCK": "Bedrock",
    "CLAUDE_CODE_USE_VERTEX": "Vertex AI",
    "MISTRAL_API_KEY": "Mistral's SDK",
    "COHERE_API_KEY": "Cohere's SDK",
    "GROQ_API_KEY": "Groq's SDK",
}
"""Signs of providers whose SDKs read none of the variables that are set."""
_UNREACHED: Final = frozenset({"upstream_unreachable", "connect_timeout"})
_INDENT: Final = " " * 14


class Ended(NamedTuple):
    """How a command ended, and the variables that led it to the gateway, fit to be shown."""

    command: Sequence[str]
    code: int
    variables: Mapping[str, str]


def why_no_call(receipt: Receipt, ended: Ended) -> str | None:
    """What to say of a program that asked no model through the gateway; None if it asked one."""
    if receipt.kind("model") is not None:
        return None
    others = receipt.kind("http")
    refused = receipt.policies.others.get("refused", 0)
    if others is None and not refused:
        said, reasons = "no call reached Headway", list(_likely(ended))
    else:
        number = others.asked if others is not None else refused
        some = f"{number} request{'s' if number > 1 else ''}"
        said = f"{some} reached Headway, and none was a call of a model that it knows"
        reasons = ["it asks by paths other than OpenAI's and Anthropic's; they were passed on"]
    lines = [f"headway run: {said}"]
    lines += _listed("likely", reasons)
    lines += _listed("set for it", [f"{name}={url}" for name, url in ended.variables.items()])
    return "\n".join(lines)


def why_unreached(receipt: Receipt) -> str | None:
    """What to say if a provider could not be reached, and a proxy may be why; else None."""
    if not _UNREACHED.intersection(receipt.errors):
        return None
    from ..gateway.tunnel import proxy_variable  # what the gateway needs may not be installed

    name = proxy_variable()
    if name is None:
        return None
    return (
        f"headway run: {name} is set: https:// providers are asked by way of that proxy, "
        "unless NO_PROXY excepts them"
    )


def _listed(label: str, parts: Sequence[str]) -> list[str]:
    heads = [f"  {label:<{len(_INDENT) - 2}}", *[_INDENT] * len(parts)]
    return [f"{head}{part}" for head, part in zip(heads, parts, strict=False)]


def _likely(ended: Ended) -> Iterator[str]:
    """Reasons, the surest first."""
    yield from _lines_that_set_it(ended.command)
    if ended.code:
        yield f"it ended with code {ended.code}, perhaps before its first call"
    for name, whose in _ELSEWHERE.items():
        if os.environ.get(name):
            yield f"{name} is set: {whose} may be at work, which reads none of these variables"
            break
    yield "it sets its base URL itself (in code, a file of settings, or a .env that wins)"
    yield "it clears its environment, or its calls are made by a server that ran before"


def _lines_that_set_it(command: Sequence[str]) -> Iterator[str]:
    """The first line of the program itself, if it is a script, that sets a base URL."""
    for word in command:
        if Path(word).suffix not in _SCRIPTS or not os.path.isfile(word):  # a pipe may block
            continue
        try:
            with open(word, "rb") as file:
                lines = file.read(LONGEST_SCRIPT).splitlines()
        except (OSError, ValueError):
            continue
        for number, line in enumerate(lines, 1):
            if _SETS_IT_ITSELF.search(line) and not line.lstrip().startswith((b"#", b"//")):
                yield f"{word}, line {number}, seems to set the base URL itself"
                return
