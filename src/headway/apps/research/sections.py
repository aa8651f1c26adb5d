"""The five sections of a report, each a pure function of the findings it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .findings import heaviest
from .prose import Prose, Section
from .writer import clauses, injected, tell, watch

if TYPE_CHECKING:
    from .findings import Finding, Findings, Tone
    from .model_view import Criterion, ModelView
    from .price_path import PricePath
    from .prose import Clause, Injected

SECTION_TITLES = {
    "summary": "Executive summary",
    "fundamentals": "Fundamentals",
    "news": "News from filings",
    "risk": "Risk",
    "synthesis": "Synthesis",
}
"""The sections in reading order."""

_MOST_NAMED = 3

# how the business moves and how it is financed, told together
_STANCES = {
    ("growing", "solid"): "Growth and a sound balance sheet go together here, so the question is "
    "less whether {company} can carry on than what pace it can hold",
    ("growing", "stretched"): "{company} grows on borrowed strength: the business expands, but "
    "the balance sheet leaves little room if it stops",
    ("steady", "solid"): "{company} is neither in a hurry nor in danger: modest growth on a "
    "balance sheet that can wait",
    ("steady", "stretched"): "Modest growth has to carry a heavy balance sheet, so what matters "
    "at {company} is how reliably earnings arrive",
    ("squeezed", "solid"): "Sales hold, profit does not: {company} earns markedly less on what it "
    "sells, and the balance sheet buys the time to change that",
    ("squeezed", "stretched"): "Sales hold, profit does not: {company} earns markedly less on what "
    "it sells, and a heavy balance sheet shortens the time there is to change that",
    ("shrinking", "solid"): "Sales are shrinking, but {company} has the balance sheet to take its "
    "time with an answer",
    ("shrinking", "stretched"): "Shrinking sales meet a strained balance sheet: at {company} both "
    "have to be mended at once, and each makes the other harder",
}
_MOMENTUM = {
    "surging": "growing",
    "strong": "growing",
    "steady": "steady",
    "flat": "steady",
    "shrinking": "shrinking",
}
_BALANCE = {
    "low": "solid",
    "moderate": "solid",
    "high": "stretched",
    "extreme": "stretched",
    "underwater": "stretched",
}


def write_fundamentals(fundamentals: Findings) -> Section:
    """Growth, margins, profit and cash, from the fundamentals analyst."""
    prose = Prose()
    tell(prose, fundamentals, "scale", "growth", "trend", "quarter")
    prose.paragraph()
    tell(prose, fundamentals, "gross_margin", "operating_margin", "research")
    prose.paragraph()
    tell(prose, fundamentals, "profit", "below_the_line", "returns")
    prose.paragraph()
    tell(prose, fundamentals, "cash", "conversion", "payout")
    return prose.section("fundamentals", SECTION_TITLES["fundamentals"])


def write_news(filings: Findings) -> Section:
    """What the company filed, from the filings analyst; never an invented headline."""
    prose = Prose()
    tell(prose, filings, "coverage", "annual_report")
    prose.paragraph()
    tell(prose, filings, "activity")
    topics = filings.about("topics")
    if topics is not None:
        named: list[Clause] = [(f"{f.name} ({{count}})", {"count": f}) for f in topics.figures]
        prose.say_joined("Their subjects, with the number of reports: ", named)
    prose.paragraph()
    tell(prose, filings, "officers", "financing", "deals", "corrections")
    recent = filings.about("recent")
    if recent is not None:
        prose.paragraph()
        prose.say("The newest filings:", {})
        for filing in recent.filings:
            prose.line("{filing:filed}, Form {filing:form}: {filing:about}", {"filing": filing})
    return prose.section("news", SECTION_TITLES["news"])


def write_risk(risk: Findings, price: PricePath | None = None) -> Section:
    """Debt, liquidity, concentration and gaps, from the risk analyst.

    With a synthetic price path one more paragraph speaks of it, and the section is marked.
    """
    prose = Prose()
    tell(prose, risk, "leverage", "cover", "repayment", "liquidity")
    prose.paragraph()
    tell(prose, risk, "concentration", "regions", "steadiness", "inventory", "stock_pay")
    prose.paragraph()
    tell(prose, risk, "officers", "corrections", "gaps")
    if price is not None:
        prose.paragraph()
        prose.say(
            "Synthetic, for demonstration only: a price path made by a seeded generator, not by "
            "a market, has a yearly volatility of {volatility}; it says nothing of {company}.",
            {"volatility": price.volatility(), "company": risk.company},
        )
    return prose.section("risk", SECTION_TITLES["risk"], synthetic=price is not None)


def write_summary(fundamentals: Findings, filings: Findings, risk: Findings) -> Section:
    """The report in a minute: result, strengths, concerns, and the rule's view."""
    prose = Prose()
    prose.say(_HEADLINES[_result(fundamentals)], _headline_figures(fundamentals))
    prose.paragraph()
    strengths = _named((fundamentals, filings, risk), "strength")
    concerns = _named((fundamentals, filings, risk), "concern")
    if strengths:
        prose.say_joined("What speaks for it: ", strengths)
    else:
        prose.say("Nothing in the figures stands out in its favour.", {})
    if concerns:
        prose.say_joined("What speaks against it: ", concerns)
    else:
        prose.say("Nothing in the figures stands out against it.", {})
    prose.paragraph()
    if fundamentals.view is not None:
        _tell_view(prose, fundamentals.view)
    coverage = filings.about("coverage")
    if coverage is not None and coverage.filings:
        prose.say(
            "The newest filing in the data is the Form {filing:form} of {filing:filed}.",
            injected(filings, coverage),
        )
    return prose.section("summary", SECTION_TITLES["summary"])


def write_synthesis(fundamentals: Findings, filings: Findings, risk: Findings) -> Section:
    """How growth, finance and filings go together, what to watch, and what is not known."""
    prose = Prose()
    prose.say(_stance(fundamentals, risk) + ".", {"company": fundamentals.company})
    best = _weightiest((fundamentals, filings, risk), "strength", 1)
    worst = _weightiest((fundamentals, filings, risk), "concern", _MOST_NAMED)
    for owner, finding in best:
        prose.say_joined("The strongest point is ", clauses(owner, [finding]))
    for owner, finding in worst[:1]:
        prose.say_joined("The point that weighs most against it is ", clauses(owner, [finding]))
    if worst:
        prose.paragraph()
        prose.say("What to watch from here:", {})
        for owner, finding in worst:
            prose.line(*watch(owner, finding))
    prose.paragraph()
    unknown = _weightiest((fundamentals, filings, risk), "unknown", _MOST_NAMED)
    if unknown:
        named = [clause for owner, finding in unknown for clause in clauses(owner, [finding])]
        prose.say_joined("Not known from this data: ", named)
    prose.say(
        "The figures are historic, the words follow from them by fixed rules, and neither prices "
        "nor forecasts entered: this is a demonstration, not investment advice.",
        {},
    )
    return prose.section("synthesis", SECTION_TITLES["synthesis"])


_HEADLINES = {
    "profit": "{company} earned {net_income} on revenue of {revenue} in the year to "
    "{revenue:month}, {net_margin} of what it took in.",
    "loss": "{company} lost {net_income:size} on revenue of {revenue} in the year to "
    "{revenue:month}.",
}


def _result(fundamentals: Findings) -> str:
    profit = fundamentals.about("profit")
    value = profit.figure("net_income").value if profit is not None else None
    return "loss" if value is not None and value < 0 else "profit"


def _headline_figures(fundamentals: Findings) -> dict[str, Injected]:
    figures: dict[str, Injected] = {}
    for topic in ("scale", "profit"):
        finding = fundamentals.about(topic)
        if finding is not None:
            figures.update(injected(fundamentals, finding))
    return figures


def _weightiest(
    analysts: tuple[Findings, ...], tone: Tone, most: int
) -> list[tuple[Findings, Finding]]:
    """The weightiest findings of a tone over all analysts, each topic once."""
    owners: dict[str, tuple[Findings, Finding]] = {}
    for findings in analysts:
        for finding in findings.findings:
            owners.setdefault(finding.topic, (findings, finding))
    chosen = heaviest((finding for _, finding in owners.values()), tone, most)
    return [owners[finding.topic] for finding in chosen]


def _named(analysts: tuple[Findings, ...], tone: Tone) -> list[Clause]:
    chosen = _weightiest(analysts, tone, _MOST_NAMED)
    return [clause for owner, finding in chosen for clause in clauses(owner, [finding])]


def _tell_view(prose: Prose, view: ModelView) -> None:
    counted: dict[str, Injected] = {"passed": view.passed, "assessed": view.assessed}
    if view.view == "too little data":
        prose.say(
            "Only {assessed} criteria of the headway rule could be applied ({passed} are met), "
            "too few for a view.",
            counted,
        )
        return
    prose.say(
        "By the headway rule, a fixed test of growth, margins and leverage, the year looks "
        "{view}: {passed} of {assessed} criteria that could be applied are met.",
        {**counted, "view": view.view},
    )
    missed = [_missed(criterion) for criterion in view.criteria if criterion.passed is False]
    if missed:
        prose.say_joined("Missed: ", missed)


def _missed(criterion: Criterion) -> Clause:
    return f"{criterion.words} ({{figure}})", {"figure": criterion.figure}


def _stance(fundamentals: Findings, risk: Findings) -> str:
    growth, leverage = fundamentals.about("growth"), risk.about("leverage")
    momentum = _MOMENTUM.get(growth.reading) if growth is not None else None
    balance = _BALANCE.get(leverage.reading) if leverage is not None else None
    if momentum is None or balance is None:
        return (
            "Too much is missing to say how growth and finance go together at {company}; what "
            "follows rests on the figures there are"
        )
    if momentum != "shrinking" and _is_squeezed(fundamentals):
        momentum = "squeezed"
    return _STANCES[momentum, balance]


def _is_squeezed(fundamentals: Findings) -> bool:
    """Whether the result fell by a quarter or more, or is a loss."""
    profit = fundamentals.about("profit")
    return profit is not None and profit.tone == "concern" and profit.weight >= 8
