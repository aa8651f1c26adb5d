"""Where the time of each agent went; it never sums up to more than there was."""

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.events import CallEnded
from headway.runs import Receipt
from headway.runs.agent_time import AgentTime
from tests.runs.by_hand import START, call, near, whole_run
from tests.runs.test_tool_use import heard


def agents_of(calls: Sequence[CallEnded], seconds: float) -> dict[str | None, AgentTime]:
    receipt = Receipt.from_events(whole_run(*heard(*calls), seconds=seconds))
    return {agent.agent: agent for agent in receipt.agents}


def test_model_tools_and_neither_make_up_the_lane() -> None:
    mine = agents_of(
        [
            call("chat", 1, 42, kind="model", agent="ada"),
            call("get", 44, 56, agent="ada"),
            call("get", 56, 57, agent="ada"),
        ],
        60,
    )["ada"]
    assert (mine.model_s, mine.tools_s, mine.neither_s) == (near(41), near(13), near(2))
    assert (mine.model_and_tools_s, mine.other_agents_s, mine.lane_s) == (0, 0, near(56))


def test_what_is_in_both_is_told_once_more() -> None:
    mine = agents_of(
        [call("chat", 0, 4, kind="model", agent="ada"), call("get", 3, 6, agent="ada")], 6
    )["ada"]
    assert (mine.model_s, mine.tools_s, mine.model_and_tools_s) == (near(4), near(3), near(1))
    assert mine.neither_s == near(0)


def test_a_tool_that_asks_the_agents_own_model_is_model_time_for_so_long() -> None:
    mine = agents_of(
        [
            call("summarise", 0, 5, agent="ada", call="t"),
            call("chat", 1, 4, kind="model", agent="ada", parent="t"),
        ],
        5,
    )["ada"]
    assert (mine.model_s, mine.tools_s) == (near(3), near(2))


def test_a_nested_agent_is_its_askers_tool_and_has_a_lane_of_its_own() -> None:
    agents = agents_of(
        [
            call("ask_bob", 0, 10, agent="ada", call="t"),
            call("chat", 1, 4, kind="model", agent="bob", parent="t"),
            call("get", 5, 7, agent="bob", parent="t"),
        ],
        12,
    )
    assert (agents["ada"].tools_s, agents["ada"].model_s) == (near(10), 0)
    bob = agents["ada/bob"]
    assert (bob.lane_s, bob.model_s, bob.tools_s) == (near(10), near(3), near(2))
    assert bob.neither_s == near(5)


def test_an_agent_asked_by_something_that_is_no_tool_is_another_agents_time() -> None:
    ada = agents_of(
        [
            call("team", 0, 10, kind="step", agent="ada", call="t"),
            call("get", 1, 4, agent="bob", parent="t"),
            call("get", 2, 6, agent="bob", parent="t"),
        ],
        10,
    )["ada"]
    assert (ada.other_agents_s, ada.neither_s, ada.tools_s) == (near(5), near(5), 0)


def test_an_agent_is_not_idle_while_nobody_asks_it() -> None:
    bob = agents_of(
        [
            call("ask_bob", 0, 2, agent="ada", call="1"),
            call("get", 0, 1, agent="bob", parent="1"),
            call("ask_bob", 50, 52, agent="ada", call="2"),
            call("get", 50, 51, agent="bob", parent="2"),
        ],
        60,
    )["ada/bob"]
    assert (bob.lane_s, bob.tools_s, bob.neither_s) == (near(4), near(2), near(2))


times = st.integers(0, 40).map(lambda tenths: tenths / 10)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[CallEnded], float]:
    """Any calls of any agents, inside one another in any way, cut off by the end of the run."""
    calls: list[CallEnded] = []
    for number in range(draw(st.integers(1, 12))):
        began, lasted = draw(times), draw(times)
        kind = draw(st.sampled_from(["model", "tool", "step"]))
        made = call(
            f"{kind} {draw(st.sampled_from('ab'))}",
            began,
            began + lasted,
            draw(st.sampled_from(["ran", "hit", "joined"])),
            kind=kind,
            call=str(number),
            key=draw(st.sampled_from([None, "k1", "k2"])),
        )
        parent = draw(st.sampled_from([None, *(str(n) for n in range(number))]))
        agent = draw(st.sampled_from([None, "ada", "bob"]))
        calls.append(msgspec.structs.replace(made, agent=agent, parent=parent))
    return calls, draw(st.integers(1, 8))


@settings(max_examples=400, deadline=None)
@given(runs())
def test_the_parts_never_exceed_the_lane_nor_the_lane_the_run(
    run: tuple[list[CallEnded], float],
) -> None:
    calls, wall_s = run
    tiny = 1e-5  # times since 1970 are exact to a quarter of a microsecond
    receipt = Receipt.from_events(whole_run(*heard(*calls), seconds=wall_s))
    assert receipt.agents
    for agent in receipt.agents:
        parts = agent.model_s + agent.tools_s - agent.model_and_tools_s
        whole = parts + agent.other_agents_s + agent.neither_s
        assert abs(whole - agent.lane_s) < tiny
        assert agent.lane_s <= wall_s + tiny
        assert min(msgspec.structs.astuple(agent)[1:]) >= 0
    if receipt.tools is None:
        assert all(each.kind != "tool" for each in calls)
        return
    for line in receipt.tools.lines:
        answered = line.ran + line.hit + line.joined + line.stale + line.unfinished + line.other
        assert answered == line.asked
    of_tools = [each for each in calls if each.kind == "tool"]
    assert sum(line.asked for line in receipt.tools.lines) == len(of_tools)
    tools = receipt.kind("tool")
    assert tools is not None
    assert sum(line.asked_again for line in receipt.tools.lines) == tools.duplicates_asked
    assert sum(line.ran_again for line in receipt.tools.lines) == tools.duplicates_run
    for each in receipt.tools.slowest:
        assert each.model_before_s + each.neither_before_s <= each.began_s + tiny
        assert 0 <= each.own_s <= each.seconds + tiny
        assert START + each.began_s + each.seconds <= START + wall_s + tiny
    for turn in receipt.tools.in_turn.turns:
        assert 0 < turn.saved_s_estimated <= turn.took_s + tiny
