"""Rules about seldom members are asked only where there is one, and nothing is missed by it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wire.facts import Wire
from headway.wire.repeatable import _RULES, why_not_repeatable

WIRES: list[Wire] = ["openai.chat", "openai.responses", "anthropic.messages", "openai.embeddings"]


class _Asked(dict[str, object]):
    """An empty body that notes which members it is asked for."""

    def __init__(self) -> None:
        self.names = {"x"}

    def get(self, name: str, other: object = None) -> object:
        self.names.add(name)
        return other


def names_in_rules() -> list[str]:
    asked = _Asked()
    for rules in _RULES.values():
        for rule in rules:
            rule(asked)
    return sorted(asked.names)


NAMES = names_in_rules()
VALUES: list[object] = [
    *(None, True, False, 0, 1, 2, "", "x", ":online", {}, {"type": "disabled"}, {"prewarm": 1}),
    *(["text"], ["audio"], [{"type": "function"}], [{"type": "x"}], [{"type": "item_reference"}]),
]
SAMPLING: list[dict[str, object]] = [{}, {"temperature": 0}, {"temperature": 1}]


def first_reason(wire: Wire, body: dict[str, object]) -> str | None:
    return next((why for rule in _RULES[wire] if (why := rule(body)) is not None), None)


@pytest.mark.parametrize("wire", WIRES)
def test_no_member_is_missed(wire: Wire) -> None:
    for name, value, sampling in product(NAMES, VALUES, SAMPLING):
        body = {name: value, **sampling}
        assert why_not_repeatable(wire, body) == first_reason(wire, body), body


@given(
    st.sampled_from(WIRES),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4),
    st.sampled_from(SAMPLING),
)
def test_every_rule_counts(
    wire: Wire, body: dict[str, object], sampling: dict[str, object]
) -> None:
    asked = {**body, **sampling}
    assert why_not_repeatable(wire, asked) == first_reason(wire, asked)


def test_the_rules_are_about_all_these() -> None:
    assert {"n", "store", "tools", "thread", "thinking", "input", "seed", "model"} <= {*NAMES}
