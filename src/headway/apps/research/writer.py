"""The embedded writer: turns findings into sentences by fixed choice, with no model.

Which of several equal sentences is taken depends on company and topic alone, so the same findings
always give the same text, and two companies do not read alike word for word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from . import words_filings, words_fundamentals, words_risk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .findings import Finding, Findings
    from .prose import Clause, Injected, Prose

_WORDS = {
    "fundamentals": words_fundamentals,
    "filings": words_filings,
    "risk": words_risk,
}


def tell(prose: Prose, findings: Findings, *topics: str) -> None:
    """Say what the findings hold on these topics, in this order; no finding, no sentence."""
    for topic in topics:
        finding = findings.about(topic)
        if finding is None:
            continue
        choices = _WORDS[findings.analyst].SENTENCES[topic][finding.reading]
        place = crc32(f"{findings.symbol}/{topic}".encode()) % len(choices)
        prose.say(choices[place], injected(findings, finding))


def clauses(findings: Findings, chosen: Iterable[Finding]) -> list[Clause]:
    """Each finding as part of a sentence, such as `revenue growth of {revenue_growth}`."""
    table = _WORDS[findings.analyst].CLAUSES
    return [(table[f.topic][f.reading], injected(findings, f)) for f in chosen]


def watch(findings: Findings, finding: Finding) -> Clause:
    """What a reader should follow because of a concern."""
    return _WORDS[findings.analyst].WATCH[finding.topic], injected(findings, finding)


def injected(findings: Findings, finding: Finding) -> dict[str, Injected]:
    """Everything a template of this finding may inject."""
    values: dict[str, Injected] = {"company": findings.company, **finding.words}
    values.update((figure.name, figure) for figure in finding.figures)
    if finding.filings:
        values["filing"], values["last"] = finding.filings[0], finding.filings[-1]
    return values
