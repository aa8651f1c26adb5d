"""What each number is called and means, and how it is read from the rows of a monitor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .call_tally import CallTally, Timing
from .counters import OTHER, Count, Counters, Label, Labels, LabelSets, label
from .model_tally import ModelTally, TokenTally
from .snapshot import Family, Sample, TimingFamily, TimingSample

RAN = "ran"
SPARED = frozenset({"hit", "joined", "stale"})
OWN_GAUGES = frozenset(
    {"headway_calls_in_flight", "headway_store_down"}
    | {"headway_since_timestamp_seconds", "headway_workers"}
)
_FIRST_ERROR = 400
_MOST_KINDS = 50


class Counted(NamedTuple):
    """The rows of a monitor."""

    calls: LabelSets[CallTally]
    timings: LabelSets[Timing]
    models: LabelSets[ModelTally]
    agents: LabelSets[TokenTally]
    actions: Counters
    store_failures: Counters
    store_states: Counters
    stores_down: LabelSets[Count]


_Sampled = tuple[dict[str, str], int | float | None]


def _family(name: str, help_: str, samples: Iterable[_Sampled]) -> Family:
    """The samples that are known."""
    known = ((labels, value) for labels, value in samples if value is not None)
    return Family(
        name, help_, tuple(Sample(dict(sorted(labels.items())), value) for labels, value in known)
    )


def shown(value: Label) -> str:
    """A label's value as it is written; empty if there is none."""
    return "" if value is None else str(value)


def _labels(names: Iterable[str], values: Labels) -> dict[str, str]:
    return dict(zip(names, map(shown, values)))


def counter_families(counted: Counted) -> Iterator[Family]:
    """All counters; where labels repeat, their values are to be added."""
    calls = counted.calls
    yield _family(
        "headway_calls_total",
        "Calls that ended, by how they were answered; error is empty if there was none.",
        ((_labels(calls.names, key), row.count) for key, row in calls.rows.items()),
    )
    yield from _of_models(counted.models)
    yield from _of_agents(counted.agents)
    yield _plain(
        "headway_policy_actions_total",
        "What policies did: retried, fell back, waited, timed out, bypassed, and so on.",
        counted.actions,
    )
    yield _plain(
        "headway_store_failures_total",
        "Reads and writes that a store could not do; callers got fresh answers.",
        counted.store_failures,
    )
    yield _plain(
        "headway_store_states_total",
        "Changes of the second tier of a store: down, up, in doubt, repaired.",
        counted.store_states,
    )
    yield from _of_itself(counted)


def _plain(name: str, help_: str, counters: Counters) -> Family:
    rows = counters.rows.items()
    return _family(name, help_, ((_labels(counters.names, key), row.value) for key, row in rows))


def _of_models(models: LabelSets[ModelTally]) -> Iterator[Family]:
    rows = models.rows.items()
    every = [(_labels(models.names, key), row) for key, row in rows]
    ran = [(_model(key), row) for key, row in rows if key[2] == RAN]
    spared = [(_model(key), row) for key, row in rows if key[2] in SPARED]
    strange = [(_model(key), row) for key, row in rows if key[2] not in {RAN, *SPARED}]
    yield _family(
        "headway_model_answers_total",
        "Answers of models, from a cache too; status is empty if none came.",
        ((labels, row.answers) for labels, row in every),
    )
    yield _family(
        "headway_model_failures_total",
        "Answers of models that ran and ended in an error or incomplete.",
        ((_model(key), _failed(key, row)) for key, row in rows if key[2] == RAN),
    )
    yield _family(
        "headway_tokens_total",
        "Tokens used. Cached and cache_written are part of in, reasoning of out.",
        (sample for labels, row in ran for sample in _tokens(labels, row)),
    )
    yield _family(
        "headway_tokens_saved_total",
        "Tokens of answers that did not need to run.",
        (sample for labels, row in spared for sample in _tokens(labels, row)),
    )
    yield _family(
        "headway_usage_unknown_total",
        "Answers that ran and did not say how many tokens they used.",
        ((labels, row.usage_unknown or None) for labels, row in ran),
    )
    yield _family(
        "headway_provider_cache_total",
        "Answers that ran, by whether the provider read input from its prompt cache.",
        (sample for labels, row in ran for sample in _provider_cache(labels, row)),
    )
    yield _family(
        "headway_spent_usd_total",
        "Estimated US dollars for answers that ran, by list prices.",
        ((labels, _known_usd(row)) for labels, row in ran),
    )
    yield _family(
        "headway_saved_usd_total",
        "Estimated US dollars that answers would have cost which did not need to run.",
        ((labels, _known_usd(row)) for labels, row in spared),
    )
    unknown = [({**labels, "sum": "saved"}, row.usd_unknown or None) for labels, row in spared]
    unknown += [({**labels, "sum": "spent"}, row.usd_unknown or None) for labels, row in ran]
    unknown += [({**labels, "sum": "spent"}, row.answers) for labels, row in strange]
    yield _family(
        "headway_cost_unknown_total",
        "Answers missing from a sum of dollars, for their price or usage is unknown.",
        unknown,
    )


def _failed(key: Labels, row: ModelTally) -> int:
    status = key[3]
    return row.answers if isinstance(status, int) and status >= _FIRST_ERROR else row.incomplete


def _model(key: Labels) -> dict[str, str]:
    return _labels(("provider", "model"), key)


def _tokens(labels: dict[str, str], row: TokenTally) -> Iterator[_Sampled]:
    """What is 0 may be unknown: it is left out."""
    for direction, tokens in (
        ("in", row.tokens_in),
        ("cached", row.tokens_cached),
        ("cache_written", row.tokens_cache_written),
        ("out", row.tokens_out),
        ("reasoning", row.tokens_reasoning),
    ):
        if tokens:
            yield {**labels, "direction": direction}, tokens


def _provider_cache(labels: dict[str, str], row: ModelTally) -> Iterator[_Sampled]:
    missed = row.answers - row.cache_hits - row.cached_unknown
    for result, count in (
        ("hit", row.cache_hits),
        ("miss", missed),
        ("unknown", row.cached_unknown),
    ):
        if count:
            yield {**labels, "result": result}, count


def _known_usd(row: TokenTally) -> float | None:
    return row.usd if row.answers > row.usd_unknown else None


def _of_agents(agents: LabelSets[TokenTally]) -> Iterator[Family]:
    rows = [(_labels(agents.names, key), row) for key, row in agents.rows.items()]
    yield _family(
        "headway_agent_answers_total",
        "Answers of models that ran, by the agent that asked.",
        ((labels, row.answers) for labels, row in rows),
    )
    yield _family(
        "headway_agent_tokens_total",
        "Tokens used, by the agent that asked. Cached and cache_written are part of in.",
        (sample for labels, row in rows for sample in _tokens(labels, row)),
    )
    yield _family(
        "headway_agent_spent_usd_total",
        "Estimated US dollars for answers that ran, by the agent that asked.",
        ((labels, _known_usd(row)) for labels, row in rows),
    )


def _of_itself(counted: Counted) -> Iterator[Family]:
    folded = {
        "calls": counted.calls.folded,
        "timings": _timings_in_other(counted.timings),
        "models": counted.models.folded,
        "agents": counted.agents.folded,
        "actions": counted.actions.folded,
        "stores": counted.store_failures.folded + counted.store_states.folded,
    }
    yield _family(
        "headway_monitor_folded_total",
        'Events counted under "other" because there were too many names.',
        (({"counted": name}, count) for name, count in folded.items()),
    )
    refused = sum(_refused(row) for row in counted.timings.rows.values())
    yield _family(
        "headway_monitor_refused_total",
        "Times that were no measurement and are in no histogram.",
        [({}, refused)],
    )


def _timings_in_other(timings: LabelSets[Timing]) -> int:
    rows = timings.rows.items()
    return sum(sum(row.seconds.counts) for key, row in rows if key[0] == OTHER)


def _refused(row: Timing) -> int:
    return row.seconds.refused + (row.first_chunk.refused if row.first_chunk else 0)


def own_gauges(kinds_under_way: Iterable[str], down: LabelSets[Count]) -> Iterator[Family]:
    """What the monitor itself knows of the moment."""
    kinds: Counter[str] = Counter()
    for kind, count in Counter(kinds_under_way).most_common():
        kinds[shown(label(kind)) if len(kinds) < _MOST_KINDS else OTHER] += count
    yield _family(
        "headway_calls_in_flight",
        "Calls that began and have not ended.",
        (({"kind": kind}, count) for kind, count in kinds.items()),
    )
    yield _family(
        "headway_store_down",
        "1 for each worker that has given up the second tier of a store for now.",
        ((_labels(down.names, key), row.value) for key, row in down.rows.items()),
    )


def timings_of(timings: LabelSets[Timing]) -> Iterator[TimingFamily]:
    """The histograms; where labels repeat, they are to be added."""
    rows = [(_labels(timings.names, key), row) for key, row in timings.rows.items()]
    yield TimingFamily(
        "headway_call_seconds",
        "How long calls took, by how they were answered.",
        tuple(TimingSample(labels, row.seconds.distribution()) for labels, row in rows),
    )
    yield TimingFamily(
        "headway_first_chunk_seconds",
        "How long streams took to begin.",
        tuple(
            TimingSample(labels, row.first_chunk.distribution())
            for labels, row in rows
            if row.first_chunk is not None
        ),
    )
