"""Sentences of the risk analyst: by topic, then by reading, alternatives of equal meaning."""

from __future__ import annotations

SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "leverage": {
        "low": (
            "The balance sheet carries little debt: {total_debt} against equity of "
            "{total_equity}, or {debt_to_equity} equity.",
            "With debt of {total_debt}, only {debt_to_equity} equity, the balance sheet is no "
            "source of worry.",
        ),
        "moderate": ("Debt of {total_debt} comes to {debt_to_equity} equity, a moderate load.",),
        "high": (
            "Debt of {total_debt} weighs {debt_to_equity} the equity of {total_equity}, which "
            "leaves less room for a bad year.",
        ),
        "extreme": (
            "Debt of {total_debt} stands on equity of only {total_equity}, {debt_to_equity} as "
            "much; the cushion for lenders is thin, whatever thinned it.",
        ),
        "underwater": (
            "Liabilities exceed assets: equity is {total_equity}, with debt of {total_debt} on "
            "top of the balance sheet, so a ratio of debt to equity has no meaning.",
        ),
        "unknown": ("Debt to equity is {debt_to_equity} for the latest year.",),
    },
    "cover": {
        "ample": ("Operating income covers interest {interest_cover} over.",),
        "sound": ("Operating income is {interest_cover} the interest, a sound margin.",),
        "thin": (
            "Operating income is only {interest_cover} the interest, which would not survive a "
            "deep fall in earnings.",
        ),
        "loss": (
            "With an operating loss of {operating_income:size}, nothing in operations covers "
            "the interest.",
        ),
        "unknown": ("The cover of interest is {interest_cover}.",),
    },
    "repayment": {
        "quick": ("One year of free cash flow ({free_cash_flow}) exceeds the whole debt.",),
        "bearable": (
            "At the latest free cash flow, paying off the debt would take {repayment_years}.",
        ),
        "slow": (
            "At the latest free cash flow, paying off the debt would take {repayment_years}, a "
            "long time.",
        ),
        "impossible": (
            "Free cash flow of {free_cash_flow} pays nothing off; the debt of {total_debt} can "
            "only be carried or refinanced.",
        ),
    },
    "liquidity": {
        "comfortable": (
            "Current assets are {current_ratio} current liabilities and cash stands at "
            "{cash_and_equivalents}, so the near term looks safe.",
        ),
        "adequate": (
            "Current assets are {current_ratio} current liabilities, enough but without much "
            "to spare; cash stands at {cash_and_equivalents}.",
        ),
        "tight": (
            "Current assets are only {current_ratio} current liabilities of "
            "{current_liabilities}, so the company lives on steady inflow; cash stands at "
            "{cash_and_equivalents}.",
        ),
        "unknown": ("The current ratio is {current_ratio} for the latest year.",),
    },
    "concentration": {
        "heavy": (
            "Revenue leans on one {by}: {largest}, with {largest_share} in the year to "
            "{largest_share:month}.",
        ),
        "notable": (
            "The largest {by}, {largest}, brought {largest_share} of revenue in the year to "
            "{largest_share:month}, ahead of {second} with {second_share}.",
        ),
        "spread": (
            "Revenue is spread: the largest {by}, {largest}, brought {largest_share} in the "
            "year to {largest_share:month}.",
        ),
    },
    "regions": {
        "china": (
            "By region, {china_share} came from China in the year to {china_share:month}, "
            "which ties the result to trade policy.",
        ),
        "home": (
            "By region, {home_share} came from the United States in the year to "
            "{home_share:month}, so the home economy decides.",
        ),
        "mixed": (
            "By region, the largest part, {largest_region}, came from {label} in the year to "
            "{largest_region:month}.",
        ),
    },
    "steadiness": {
        "never_fell": (
            "Over the {years_counted} years in the data, revenue never fell and no year ended "
            "in a loss.",
        ),
        "fell": (
            "Over the {years_counted} years in the data, revenue fell {years_fallen:often}, at "
            "worst by {worst_fall:size} in the year to {worst_fall:month}; no year ended in a "
            "loss.",
        ),
        "losses": (
            "Of the {years_counted} years in the data, {loss_years} ended in a loss, so the "
            "earnings are not to be taken for granted.",
        ),
    },
    "inventory": {
        "ahead": (
            "Inventory grew {inventory_growth} to {inventory}, faster than revenue "
            "({revenue_growth}); that is either preparation or unsold stock.",
        ),
    },
    "stock_pay": {
        "notable": (
            "Pay in shares came to {stock_based_compensation}, {stock_pay_share} of revenue.",
        ),
        "large": (
            "Pay in shares came to {stock_based_compensation}, {stock_pay_share} of revenue: a "
            "cost that shareholders bear by dilution.",
        ),
    },
    "officers": {
        "many": (
            "The filings report changes among directors or officers {officer_changes:often} "
            "within a year, last on {filing:filed}.",
        ),
    },
    "corrections": {
        "incident": ("A material cybersecurity incident was reported on {filing:filed}.",),
        "amended": ("An annual report had to be amended on {filing:filed}.",),
    },
    "gaps": {
        "few": ("Not reported as lines of their own: {missing}.",),
        "many": (
            "The data on the latest year is thin: {missing} are not reported in it, so this "
            "section can say less than it should.",
        ),
    },
}

CLAUSES: dict[str, dict[str, str]] = {
    "leverage": {
        "low": "debt of only {debt_to_equity} equity",
        "high": "debt of {debt_to_equity} equity",
        "extreme": "debt of {debt_to_equity} equity",
        "underwater": "equity of {total_equity}",
        "unknown": "the load of debt",
    },
    "cover": {
        "ample": "interest covered {interest_cover} over",
        "thin": "interest covered only {interest_cover}",
        "loss": "no operating income to pay interest from",
        "unknown": "the cover of interest",
    },
    "repayment": {
        "quick": "debt below one year of free cash flow",
        "slow": "debt worth {repayment_years} of free cash flow",
        "impossible": "debt of {total_debt} without free cash flow to reduce it",
    },
    "liquidity": {
        "comfortable": "current assets of {current_ratio} current liabilities",
        "tight": "current assets of only {current_ratio} current liabilities",
        "unknown": "the liquidity",
    },
    "concentration": {
        "heavy": "{largest_share} of revenue from {largest}",
        "spread": "revenue spread over many sources",
    },
    "regions": {"china": "{china_share} of revenue from China"},
    "steadiness": {
        "never_fell": "no year of falling revenue among {years_counted}",
        "losses": "{loss_years} of {years_counted} years with a loss",
    },
    "inventory": {"ahead": "inventory growing faster than sales"},
    "stock_pay": {"large": "pay in shares of {stock_pay_share} of revenue"},
    "officers": {"many": "{officer_changes} reports of changes at the top within a year"},
    "corrections": {
        "incident": "a cybersecurity incident",
        "amended": "an amended annual report",
    },
    "gaps": {"many": "much of the latest balance sheet"},
}

WATCH: dict[str, str] = {
    "leverage": "how debt, now {total_debt}, develops against equity of {total_equity}",
    "cover": "whether operations earn their interest again",
    "repayment": "whether free cash flow, now {free_cash_flow}, begins to reduce the debt",
    "liquidity": "the ratio of current assets to current liabilities, now {current_ratio}",
    "concentration": "what happens to {largest}, with {largest_share} of revenue",
    "regions": "the part of China in revenue, {china_share} at the last count",
    "steadiness": "whether the next year ends in profit",
    "inventory": "whether the inventory of {inventory} is sold",
    "stock_pay": "whether pay in shares, now {stock_pay_share} of revenue, keeps pace with sales",
    "officers": "who follows in the posts that changed hands",
    "corrections": "what the report of {filing:filed} leads to",
}
