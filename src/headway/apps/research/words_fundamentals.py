"""Sentences of the fundamentals analyst: by topic, by reading, alternatives of equal meaning."""

from __future__ import annotations

SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "scale": {
        "with_staff": (
            "{company} works in {industry}: revenue of {revenue} in the year to {revenue:month}, "
            "and {employees} employees at the count of {employees:month}.",
            "In the year to {revenue:month}, {company} ({industry}) took in {revenue}; it "
            "counted {employees} employees in {employees:month}.",
        ),
        "revenue_only": (
            "{company} works in {industry} and took in {revenue} in the year to {revenue:month}.",
        ),
    },
    "growth": {
        "surging": (
            "Growth of {revenue_growth} over the year dominates everything else in the accounts.",
            "Revenue rose by {revenue_growth} in a single year, and every other line has to be "
            "read against that.",
        ),
        "strong": (
            "Revenue rose {revenue_growth} over the year, clear growth rather than drift.",
            "With {revenue_growth} more revenue than the year before, the business is growing "
            "with some force.",
        ),
        "steady": (
            "Revenue rose {revenue_growth} over the year, steady rather than fast.",
            "Growth of {revenue_growth} is orderly, but no more than that.",
        ),
        "flat": (
            "Revenue all but stood still over the year, with a change of {revenue_growth}.",
            "A change of {revenue_growth} over the year amounts to standing still.",
        ),
        "shrinking": (
            "Revenue fell {revenue_growth:size} over the year, and the first question is why.",
            "The business shrank: revenue was {revenue_growth:size} below the year before.",
        ),
        "unknown": (
            "How fast it grew over the year cannot be said, because the year before is not in "
            "the data.",
        ),
    },
    "trend": {
        "faster": (
            "That is quicker than the mean of {mean_growth} a year over the {years} since "
            "{first_revenue:month}, so the pace has picked up.",
        ),
        "slower": (
            "That is slower than the mean of {mean_growth} a year over the {years} since "
            "{first_revenue:month}, so the pace has eased.",
        ),
        "worse": (
            "The mean over the {years} since {first_revenue:month} is {mean_growth} a year, so "
            "the latest year is worse than the run before it.",
        ),
        "even": (
            "That is in line with the mean of {mean_growth} a year over the {years} since "
            "{first_revenue:month}.",
        ),
        "gap": (
            "The next older year in the data ended in {first_revenue:month} with "
            "{first_revenue}; over the {years} between, revenue grew by a mean of "
            "{mean_growth} a year.",
        ),
    },
    "gross_margin": {
        "wider": (
            "The gross margin widened by {moved} to {gross_margin}, which is {level}.",
            "At {gross_margin} the gross margin is {level}, and {moved} wider than a year before.",
        ),
        "narrower": (
            "The gross margin narrowed by {moved:size} to {gross_margin}, which is still {level}.",
            "At {gross_margin} the gross margin is {level}, but {moved:size} narrower than a "
            "year before.",
        ),
        "stable": (
            "The gross margin held at {gross_margin}, which is {level}.",
            "At {gross_margin}, a {level} level, the gross margin barely moved.",
        ),
        "level": ("The gross margin was {gross_margin}, which is {level}.",),
        "negative": (
            "The gross margin was {gross_margin}: what was sold cost more than it brought in, "
            "before any overhead.",
        ),
        "unknown": ("A gross margin cannot be given: gross profit is {gross_margin}.",),
    },
    "operating_margin": {
        "wider": (
            "After overhead, the operating margin improved by {moved} to {operating_margin} "
            "({level}).",
            "The operating margin gained {moved} and reached {operating_margin}, a {level} level.",
        ),
        "narrower": (
            "After overhead, the operating margin slipped by {moved:size} to {operating_margin} "
            "({level}).",
            "The operating margin lost {moved:size} and stands at {operating_margin}, a {level} "
            "level.",
        ),
        "stable": ("The operating margin, at {operating_margin}, is {level} and hardly changed.",),
        "level": ("The operating margin was {operating_margin}, which is {level}.",),
        "negative": (
            "Operations lost money: the operating margin was {operating_margin}.",
            "At {operating_margin} the operating margin is below zero, so the loss begins in "
            "the business itself and not in its financing.",
        ),
        "unknown": (
            "Operating income, and with it the operating margin, is {operating_margin} as a "
            "line of its own.",
        ),
    },
    "profit": {
        "up": (
            "Net income rose {net_income_growth} to {net_income}, or {net_margin} of revenue.",
            "The bottom line grew {net_income_growth} to {net_income}, a net margin of "
            "{net_margin}.",
        ),
        "down": (
            "Net income fell {net_income_growth:size} to {net_income}, which leaves "
            "{net_margin} of revenue.",
            "The bottom line shrank by {net_income_growth:size} to {net_income}, a net margin "
            "of {net_margin}.",
        ),
        "flat": ("Net income hardly moved, at {net_income} or {net_margin} of revenue.",),
        "alone": ("Net income was {net_income}, or {net_margin} of revenue.",),
        "first_loss": (
            "The year ended in a net loss of {net_income:size}, after a profit of "
            "{net_income_before} the year before.",
        ),
        "deeper_loss": (
            "The net loss deepened to {net_income:size}, from {net_income_before:size} the year "
            "before.",
        ),
        "smaller_loss": (
            "The net loss shrank to {net_income:size}, from {net_income_before:size} the year "
            "before.",
        ),
        "back_to_profit": (
            "The company returned to profit: net income of {net_income} after a loss of "
            "{net_income_before:size}.",
        ),
        "not_comparable": (
            "Net income was {net_income}, or {net_margin} of revenue. It does not compare with "
            "the {net_income_before} of the year before, because in at least one of the two "
            "years net income holds more than pre-tax income less tax, such as discontinued "
            "operations.",
        ),
    },
    "below_the_line": {
        "gain": (
            "Some of that is not operations: pre-tax income of {pretax_income} exceeds "
            "operating income of {operating_income} by {other_income}, which need not recur.",
        ),
        "drag": (
            "Between operating income of {operating_income} and pre-tax income of "
            "{pretax_income} lies a cost of {other_income:size} outside operations.",
        ),
    },
    "returns": {
        "high": (
            "Capital is used well: the return on assets was {return_on_assets}, on equity "
            "{return_on_equity}.",
        ),
        "ordinary": (
            "The return was {return_on_assets} on assets and {return_on_equity} on equity.",
        ),
        "geared": (
            "A return on equity of {return_on_equity} flatters, because equity is small; on "
            "assets the return was {return_on_assets}.",
        ),
    },
    "cash": {
        "strong": (
            "Free cash flow was {free_cash_flow}, a strong {free_cash_flow_margin} of revenue.",
            "Free cash flow reached {free_cash_flow}, or {free_cash_flow_margin} of revenue, "
            "which is strong.",
        ),
        "sound": (
            "Free cash flow was {free_cash_flow}, a sound {free_cash_flow_margin} of revenue.",
        ),
        "thin": (
            "Free cash flow was {free_cash_flow}, a thin {free_cash_flow_margin} of revenue.",
        ),
        "negative": (
            "The business consumed cash: free cash flow was {free_cash_flow}, or "
            "{free_cash_flow_margin} of revenue.",
        ),
        "unknown": ("Free cash flow is {free_cash_flow}.",),
    },
    "conversion": {
        "full": ("At {cash_conversion} net income, it backs the reported profit.",),
        "fair": ("It comes to {cash_conversion} net income.",),
        "partial": (
            "It comes to only {cash_conversion} net income, so much of the profit has not "
            "arrived as cash.",
        ),
        "invested": (
            "It comes to only {cash_conversion} net income: capital expenditure took "
            "{capital_expenditure} of the {operating_cash_flow} that operations brought in.",
        ),
    },
    "payout": {
        "within": ("Shareholders received {returned} in {kinds}, within the free cash flow.",),
        "beyond": (
            "Shareholders received {returned} in {kinds}, more than the free cash flow of "
            "{free_cash_flow}; the rest came from cash at hand or from borrowing.",
        ),
    },
    "research": {
        "heavy": (
            "Research and development took {research_share} of revenue "
            "({research_and_development}), a heavy investment in what comes next.",
        ),
        "some": (
            "Research and development took {research_share} of revenue "
            "({research_and_development}).",
        ),
    },
    "quarter": {
        "faster": (
            "The quarter to {revenue:end} went faster still: revenue of {revenue} was "
            "{quarter_growth} above the same quarter a year earlier.",
        ),
        "slower": (
            "The quarter to {revenue:end} went slower than the year: revenue of {revenue} was "
            "{quarter_growth} above the same quarter a year earlier.",
        ),
        "even": (
            "The quarter to {revenue:end} kept the pace: revenue of {revenue} was "
            "{quarter_growth} above the same quarter a year earlier.",
        ),
        "shrinking": (
            "In the quarter to {revenue:end} revenue fell: {revenue} was {quarter_growth:size} "
            "below the same quarter a year earlier.",
        ),
        "unknown": ("The quarter to {revenue:end} brought revenue of {revenue}.",),
    },
}

CLAUSES: dict[str, dict[str, str]] = {
    "growth": {
        "surging": "revenue growth of {revenue_growth}",
        "strong": "revenue growth of {revenue_growth}",
        "shrinking": "a fall of revenue by {revenue_growth:size}",
        "unknown": "the rate of growth",
    },
    "trend": {
        "faster": "growth above its mean of {mean_growth}",
        "worse": "a year below the mean of {mean_growth}",
        "slower": "growth below its mean of {mean_growth}",
        "gap": "the years before the latest one",
    },
    "gross_margin": {
        "wider": "a gross margin that widened to {gross_margin}",
        "stable": "a gross margin of {gross_margin}",
        "narrower": "a gross margin down by {moved:size}",
        "negative": "a gross margin of {gross_margin}",
        "unknown": "the gross margin",
    },
    "operating_margin": {
        "wider": "an operating margin that rose to {operating_margin}",
        "stable": "an operating margin of {operating_margin}",
        "narrower": "an operating margin down by {moved:size}",
        "negative": "an operating margin of {operating_margin}",
        "unknown": "the operating margin",
    },
    "profit": {
        "up": "net income up {net_income_growth}",
        "down": "net income down {net_income_growth:size}",
        "first_loss": "a net loss of {net_income:size}",
        "deeper_loss": "a deeper net loss of {net_income:size}",
        "smaller_loss": "a net loss of {net_income:size}",
        "back_to_profit": "a return to profit",
    },
    "below_the_line": {
        "gain": "{other_income} of income from outside operations",
        "drag": "{other_income:size} of cost outside operations",
    },
    "returns": {"high": "a return on assets of {return_on_assets}"},
    "cash": {
        "strong": "free cash flow of {free_cash_flow}",
        "thin": "free cash flow of only {free_cash_flow_margin} of revenue",
        "negative": "a cash drain of {free_cash_flow:size}",
        "unknown": "free cash flow",
    },
    "conversion": {
        "full": "profit that is backed by cash",
        "invested": "free cash flow held down by capital expenditure of {capital_expenditure}",
        "partial": "a profit of which little became free cash",
    },
    "payout": {"beyond": "payments to shareholders beyond the free cash flow"},
    "quarter": {
        "faster": "a newest quarter up {quarter_growth}",
        "shrinking": "a newest quarter down {quarter_growth:size}",
        "unknown": "the growth of the newest quarter",
    },
}

WATCH: dict[str, str] = {
    "growth": "whether revenue, now {revenue}, turns back to growth",
    "trend": "whether growth holds near the latest {revenue_growth}",
    "gross_margin": "whether the gross margin, now {gross_margin}, recovers",
    "operating_margin": "whether the operating margin, now {operating_margin}, recovers",
    "profit": "whether net income, now {net_income}, recovers",
    "below_the_line": "what operations earn without the items outside them",
    "cash": "free cash flow, now {free_cash_flow}",
    "conversion": "how much of the profit arrives as free cash, now {cash_conversion}",
    "payout": "whether payments to shareholders of {returned} can be kept up",
    "quarter": "whether the fall in the newest quarter is one of a kind",
}
