"""Rules about seldom members are asked only where there is one, and nothing is missed by it."""

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
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from(["", "x", ":online", {}, {"type": "disabled"}, {"prewarm": 1}]),
    st.lists(st.sampled_from(["text", "audio", {"type": "function"}, {"type": "item_reference"}])),
)


@given(
    st.sampled_from(WIRES),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    st.sampled_from([{}, {"temperature": 0}, {"temperature": 1}]),
)
def test_every_rule_counts(
    wire: Wire, body: dict[str, object], sampling: dict[str, object]
) -> None:
    asked = {**body, **sampling}
    reasons = [why for rule in _RULES[wire] if (why := rule(asked)) is not None]
    assert why_not_repeatable(wire, asked) == (reasons[0] if reasons else None)


def test_the_rules_are_about_all_these() -> None:
    assert {"n", "store", "tools", "thread", "thinking", "input", "seed", "model"} <= {*NAMES}
