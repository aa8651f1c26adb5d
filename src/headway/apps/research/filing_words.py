"""What SEC forms and 8-K items mean, in a few words."""

from __future__ import annotations

FORM_WORDS = {
    "10-K": "annual report",
    "10-K/A": "amended annual report",
    "10-Q": "quarterly report",
    "8-K": "current report",
    "DEF 14A": "proxy statement for the shareholders' meeting",
    "ARS": "annual report to shareholders",
    "SD": "disclosure on conflict minerals",
    "S-8": "shares registered for employee plans",
    "S-3ASR": "shelf registration for future issues of securities",
    "424B2": "prospectus supplement for an issue of securities",
    "FWP": "terms of an issue of securities",
}

ITEM_WORDS = {
    "1.01": "a material agreement was entered",
    "1.02": "a material agreement ended",
    "1.05": "a material cybersecurity incident",
    "2.01": "a purchase or sale of assets was completed",
    "2.02": "results of operations",
    "2.03": "a new financial obligation",
    "3.02": "unregistered sale of shares",
    "3.03": "a change to the rights of security holders",
    "5.01": "a change of control of the registrant",
    "5.02": "a change among directors or officers",
    "5.03": "a change to articles, by-laws or fiscal year",
    "5.07": "results of a shareholder vote",
    "5.08": "nominations by shareholders",
    "7.01": "a disclosure under Regulation FD",
    "8.01": "other events the company chose to report",
}

# The item that only says exhibits are attached; it tells a reader nothing.
EXHIBITS = "9.01"


def describe_filing(form: str, items: tuple[str, ...]) -> str:
    """`results of operations; other events ...` for an 8-K, else what the form is for."""
    told = [ITEM_WORDS.get(item, f"item {item}") for item in items if item != EXHIBITS]
    return "; ".join(told) or FORM_WORDS.get(form, f"form {form}")


ITEM_TOPICS = {
    "1.01": "material agreements entered",
    "1.02": "material agreements ended",
    "1.05": "cybersecurity incidents",
    "2.01": "purchases or sales of assets",
    "2.02": "results of operations",
    "2.03": "new financial obligations",
    "3.02": "unregistered sales of shares",
    "5.02": "changes among directors or officers",
    "5.03": "changes to articles, by-laws or fiscal year",
    "5.07": "shareholder votes",
    "7.01": "disclosures under Regulation FD",
    "8.01": "other events",
}


def item_topic(item: str) -> str:
    """What 8-K reports with this item are about, in the plural."""
    return ITEM_TOPICS.get(item, ITEM_WORDS.get(item, f"item {item}"))
