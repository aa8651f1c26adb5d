"""Tools that a model asks: every call is answered, with figures and the ids of their sources."""

import json
from typing import Any

import anyio.lowlevel
import pytest

from headway.apps.research.data_tools import DataTools
from headway.apps.research.model.talk import ToolCall
from headway.apps.research.model.toolbox import SPECS, Toolbox
from headway.apps.research.pace import Pace


def box(share_for: str | None = "1h") -> tuple[Toolbox, DataTools]:
    tools = DataTools(Pace(), share_for=share_for)
    return Toolbox(tools, "NVDA"), tools


async def asked(name: str, arguments: object) -> Any:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    (result,) = await box()[0].answer((ToolCall("1", name, written),), 9)
    assert ": " not in result.split('"', 1)[0]  # compact
    return json.loads(result)


async def test_a_figure_comes_with_its_period_and_the_id_of_its_source() -> None:
    found = await asked("financials", {"symbol": " nvda ", "last": 2})
    assert found["figures"]["revenue"] == ["$215.9 billion", "2026-01-25", "0001045810-26-000021"]
    assert found["figures"]["revenue_1y_ago"][0] == "$130.5 billion"
    assert found["figures"]["revenue_growth"][2] == "0001045810-26-000021 + 0001045810-25-000023"
    assert "Form 10-K" in found["sources"]["0001045810-26-000021"]
    assert "revenue_2y_ago" not in found["figures"]


async def test_other_companies_have_names_of_their_own() -> None:
    found = await asked("compare", {"symbols": ["NVDA", "MRVL"], "metrics": ["revenue"]})
    assert list(found["figures"]) == ["revenue", "mrvl_revenue"]
    assert "ko_employees" in (await asked("profile", {"symbol": "KO"}))["figures"]


async def test_filings_keep_their_names_whatever_form_is_asked_for() -> None:
    whole = (await asked("filings", {"symbol": "NVDA", "last": 20}))["filings"]
    some = (await asked("filings", {"symbol": "NVDA", "form": "10-q", "last": 2}))["filings"]
    assert len(some) == 2
    assert some.items() <= whole.items()


async def test_quarters_the_rule_and_the_synthetic_path() -> None:
    quarters = await asked("financials", {"symbol": "NVDA", "period": "quarterly", "last": 2})
    assert {"quarter_revenue", "quarter_revenue_1q_ago"} <= quarters["figures"].keys()
    assert "note" in await asked("financials", {"symbol": "KO", "period": "quarterly"})
    view = await asked("model_view", {"symbol": "NVDA"})
    assert view["view"] == "strong"
    assert "criteria_passed" in view["figures"]
    path = await asked("price_path", {"symbol": "NVDA"})
    assert path["synthetic"] is True
    assert "not a market price" in path["note"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("financials", '{"symbol": "NVDA"', "no JSON object"),
        ("financials", "[]", "Expected `object`"),
        ("financials", "", "missing required field `symbol`"),
        ("financials", {"symbol": 7}, "$.symbol"),
        ("financials", {"symbol": "NVDA", "last": 99}, "<= 8"),
        ("financials", {"symbol": "NVDA", "years": 2}, "unknown field `years`"),
        ("financials", {"symbol": "NVDIA"}, "did you mean NVDA"),
        ("financials", '{"symbol": "\ud800"}', "no JSON object"),
        ("compare", {"symbols": []}, "length >= 1"),
        ("compare", {"symbols": ["NVDA"], "metrics": ["revnue"]}, "did you mean revenue"),
        ("price_path", {"symbol": "NVDA", "days": 1}, ">= 2"),
        ("weather\x1b[2J", {}, "there are profile, financials"),
    ],
)
async def test_what_cannot_be_answered_is_told_to_the_model(
    name: str, arguments: object, says: str
) -> None:
    found = await asked(name, arguments)
    assert list(found) == ["error"]
    assert says in found["error"]
    assert "\x1b" not in found["error"]


async def test_calls_of_one_turn_run_side_by_side_and_answer_in_order() -> None:
    toolbox, tools = box()
    tools._pace, under_way, most = Pace(1), 0, 0

    class Counting(Pace):
        async def spend(self, part: str) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await anyio.lowlevel.checkpoint()
            under_way -= 1

    tools._pace = Counting()
    calls = tuple(
        ToolCall(name, name, '{"symbol": "NVDA"}') for name in ("profile", "financials", "filings")
    )
    found = [json.loads(result) for result in await toolbox.answer(calls, 9)]
    assert most == 3
    assert ["name" in found[0], "period" in found[1], "coverage" in found[2]] == [True] * 3


async def test_equal_questions_are_asked_once_and_answered_byte_by_byte_alike() -> None:
    toolbox, tools = box()
    calls = tuple(ToolCall(str(n), "profile", '{"symbol": "NVDA"}') for n in range(3))
    assert len(set(await toolbox.answer(calls, 9))) == 1
    assert (tools.asked.total(), tools.ran.total()) == (3, 1)


async def test_calls_beyond_the_bound_are_told_so() -> None:
    toolbox, tools = box()
    calls = tuple(ToolCall(str(n), "profile", '{"symbol": "NVDA"}') for n in range(3))
    found = [json.loads(result) for result in await toolbox.answer(calls, 2)]
    assert ["error" in each for each in found] == [False, False, True]
    assert tools.asked.total() == 2


async def test_the_toolbox_remembers_what_it_has_answered() -> None:
    toolbox, _ = box()
    await toolbox.answer((ToolCall("1", "profile", '{"symbol": "KO"}'),), 9)
    assert "ko_employees" in toolbox.data.figures


def test_schemas_are_flat_and_closed() -> None:
    for spec in SPECS:
        text = json.dumps(spec.schema)
        assert spec.schema["additionalProperties"] is False
        assert spec.schema["required"]
        assert "$ref" not in text
        assert "anyOf" not in text
