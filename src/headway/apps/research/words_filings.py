"""Sentences of the filings analyst: by topic, then by reading, alternatives of equal meaning."""

from __future__ import annotations

SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "coverage": {
        "index": (
            "The record holds {filings_in_all} filings of {company} with the SEC, from "
            "{last:filed} to {filing:filed}.",
        ),
        "single": (
            "For {company} the data holds one filing, the Form {filing:form} of {filing:filed}; "
            "nothing can be said on how often it reports or on what.",
        ),
        "none": ("The data holds no filing of {company}, so there is no news to report.",),
    },
    "annual_report": {
        "prompt": (
            "The annual report for the period to {filing:end} came {lag_days} days after the "
            "period closed, within the time a large filer is given.",
        ),
        "slow": (
            "The annual report for the period to {filing:end} took {lag_days} days, longer than "
            "a large filer is given as a rule.",
        ),
        "ahead": (
            "A newer annual report, for the period to {filing:end}, was filed on "
            "{filing:filed}; the figures in this report end with {revenue:month}, so the "
            "fundamentals are a year behind the filings.",
        ),
    },
    "activity": {
        "busier": (
            "The year to {filing:filed} was a busy one: {reports_now} current reports (Form "
            "8-K) against {reports_before} in the year before.",
        ),
        "quieter": (
            "The year to {filing:filed} was quieter: {reports_now} current reports (Form 8-K) "
            "against {reports_before} in the year before.",
        ),
        "even": (
            "In the year to {filing:filed} it made {reports_now} current reports (Form 8-K), "
            "much as in the year before ({reports_before}).",
        ),
    },
    "officers": {
        "many": (
            "Changes among directors or officers came up {officer_changes:often} within a year, "
            "most recently on {filing:filed}; who and why is worth a look.",
        ),
        "few": (
            "Changes among directors or officers were reported {officer_changes:often} "
            "within a year, last on {filing:filed}.",
        ),
    },
    "financing": {
        "issued": (
            "It went to the capital market: {issue_documents} documents on an issue of "
            "securities within a year, the last on {filing:filed}.",
        ),
        "obligation": ("A new financial obligation was reported on {filing:filed}.",),
        "shelf": (
            "A shelf registration of {filing:filed} lets it issue securities at short notice.",
        ),
    },
    "deals": {
        "some": (
            "Agreements or purchases large enough to report came up {deal_reports:often} "
            "within a year, last on {filing:filed} ({filing:about}).",
        ),
    },
    "corrections": {
        "incident": ("A material cybersecurity incident was reported on {filing:filed}.",),
        "amended": (
            "An annual report was amended on {filing:filed} (Form 10-K/A), which calls for a "
            "look at what was changed.",
        ),
    },
}

CLAUSES: dict[str, dict[str, str]] = {
    "coverage": {"single": "what was filed besides the annual report", "none": "all filings"},
    "annual_report": {
        "slow": "an annual report that took {lag_days} days",
        "ahead": "figures a year older than the newest annual report",
    },
    "officers": {"many": "{officer_changes} reports of changes at the top within a year"},
    "corrections": {
        "incident": "a cybersecurity incident",
        "amended": "an amended annual report",
    },
}

WATCH: dict[str, str] = {
    "annual_report": "the annual report for the period to {filing:end}",
    "officers": "who follows in the posts that changed hands",
    "corrections": "what the report of {filing:filed} leads to",
}
