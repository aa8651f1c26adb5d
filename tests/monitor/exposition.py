"""A strict reader of the text exposition format 0.0.4: what Prometheus would refuse, it refuses."""

import re
from typing import NamedTuple

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_LINE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? ([^ ]+)")
_HEAD = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.+)")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

Labels = frozenset[tuple[str, str]]


class Exposed(NamedTuple):
    """What a text says: the type of each family, and each sample's value by name and labels."""

    types: dict[str, str]
    helps: dict[str, str]
    values: dict[tuple[str, Labels], float]


def parse(text: str) -> Exposed:
    """Read *text*.

    Raises:
        ValueError: it is no exposition: a wrong line, a family in two places, a sample twice.
    """
    if text and not text.endswith("\n"):
        raise ValueError("the last line does not end")
    exposed, family = Exposed({}, {}, {}), ""
    for line in text.split("\n")[:-1]:
        if line.startswith("#"):
            family = _head(line, exposed)
        else:
            _sample(line, family, exposed)
    _refuse_bad_histograms(exposed)
    return exposed


def _head(line: str, exposed: Exposed) -> str:
    found = _HEAD.fullmatch(line)
    if found is None:
        raise ValueError(f"no head: {line}")
    word, family, rest = found.groups()
    known = exposed.helps if word == "HELP" else exposed.types
    if family in known:
        raise ValueError(f"{word} twice: {family}")
    if word == "TYPE" and rest not in _SUFFIXES:
        raise ValueError(f"no type: {line}")
    if any(name == family for name, _ in exposed.values):
        raise ValueError(f"the head of {family} comes after its samples")
    known[family] = rest
    return family


def _sample(line: str, family: str, exposed: Exposed) -> None:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"no sample: {line}")
    name, labels, value = found.groups()
    allowed = [family + suffix for suffix in _SUFFIXES[exposed.types[family]]]
    if name not in allowed:
        raise ValueError(f"{name} stands under {family}")
    key = (name, _labels(labels or ""))
    if key in exposed.values:
        raise ValueError(f"twice: {line}")
    exposed.values[key] = float(value)


def _labels(text: str) -> Labels:
    pairs, place = [], 0
    while place < len(text):
        found = _LABEL.match(text, place)
        if found is None:
            raise ValueError(f"no labels: {text[place:]}")
        pairs.append((found[1], re.sub(r"\\(.)", _unescaped, found[2])))
        place = found.end()
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError(f"a label twice: {text}")
    return frozenset(pairs)


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _refuse_bad_histograms(exposed: Exposed) -> None:
    series: dict[tuple[str, Labels], dict[float, float]] = {}
    for (name, labels), value in exposed.values.items():
        if name.endswith("_bucket"):
            (bound,) = (shown for label, shown in labels if label == "le")
            rest = frozenset(pair for pair in labels if pair[0] != "le")
            series.setdefault((name.removesuffix("_bucket"), rest), {})[float(bound)] = value
    for (name, labels), buckets in series.items():
        counts = [buckets[bound] for bound in sorted(buckets)]
        if (
            counts != sorted(counts)
            or buckets[float("inf")] != exposed.values[f"{name}_count", labels]
        ):
            raise ValueError(f"{name}: buckets {counts} do not add up")
