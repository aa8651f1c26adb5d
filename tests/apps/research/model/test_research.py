"""A research with a model, whole: counted by the provider, not by what is tested."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from headway import clock
from headway.apps.research import Caps, WrongModel
from headway.apps.research.model.analyst import BOUNDS
from headway.apps.research.model.prompts import SECTIONS
from headway.apps.research.model.weave import CUT_OFF
from headway.testing import Answer, Fault, Pace, Question, ToolUse

from .conftest import NOTES, SECTION, TOOLS, Bench, Said, speaks

CALLS = 3 * 2 + 5
When = Callable[[str], Callable[[Question], bool]]


def bodies(bench: Bench) -> list[Any]:
    return [asked.body for asked in bench.provider.log]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_the_receipt_says_what_the_provider_counted(bench: Bench, provider: str) -> None:
    done = await bench.research(provider)
    assert done.ending == "complete"
    assert done.receipt.models is not None
    counted, total = bench.provider.totals(), done.receipt.models.total
    assert (total.calls, total.ran, total.hit) == (counted.requests, counted.complete, 0)
    assert total.calls == CALLS
    assert total.tokens_in == counted.usage.tokens_in
    assert total.tokens_cached == counted.usage.tokens_cached
    assert total.tokens_out == counted.usage.tokens_out
    assert counted.usage.tokens_cached > 0
    spent = done.outcome.spent
    assert spent is not None
    assert (spent.calls, spent.tokens_in, spent.tokens_cached, spent.tokens_out) == (
        counted.requests,
        counted.usage.tokens_in,
        counted.usage.tokens_cached,
        counted.usage.tokens_out,
    )


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_second_research_is_answered_from_the_cache(bench: Bench, provider: str) -> None:
    await bench.research(provider)
    first, shown = bench.report(), bench.screen
    again = await bench.research(provider)
    assert len(bench.provider.log) == CALLS
    assert again.receipt.models is not None
    assert again.receipt.models.total.hit == CALLS
    assert again.outcome.spent is not None
    assert again.outcome.spent.from_cache == CALLS
    assert again.outcome.spent.cost_usd == 0
    assert bench.report() == first
    assert sorted(bench.screen.splitlines()) == sorted(shown.splitlines())


async def test_figures_are_put_in_and_named_with_their_filings(bench: Bench) -> None:
    done = await bench.research()
    text = bench.report()
    assert text.count("NVIDIA took in $215.9 billion, up 65.5 % [1][2].") == 5
    assert "{" not in text
    assert "Form 10-K for the period ended 25 January 2026" in text
    assert done.outcome.unverified == 0
    assert done.outcome.first_words_s is not None
    assert done.receipt.time_to_first_output == done.outcome.first_words_s


async def test_a_planted_figure_is_marked_on_screen_and_in_the_report(bench: Bench) -> None:
    def plants(question: Question) -> Said:
        said = speaks(question)
        planted = " It will earn $999 billion." if "section on risk" in question.last_user else ""
        return f"{said}{planted}" if isinstance(said, str) else said

    bench.provider.answers = plants
    done = await bench.research()
    assert done.ending == "complete"
    assert done.outcome.unverified == 1
    mark = "It will earn ⟨unverified: $999 billion⟩."
    assert mark in " ".join(bench.screen.split())
    assert bench.report().count(mark) == 1
    assert "1 figure is not in the data" in bench.report()


async def test_words_are_shown_while_the_model_still_writes(bench: Bench) -> None:
    class Screen(io.StringIO):
        endings: ClassVar[list[str]] = []

        def write(self, text: str) -> int:
            streams = [asked.ending for asked in bench.provider.log if asked.streamed]
            self.endings += streams if "took in" in text or "A rival" in text else []
            return super().write(text)

    bench.provider.pace = Pace(tokens_per_s=400)
    done = await bench.research(out=Screen())
    assert "open" in Screen.endings
    assert done.outcome.first_words_s is not None
    assert done.outcome.first_section_s is not None
    assert done.outcome.first_words_s < done.outcome.first_section_s


async def test_parallel_tool_calls_are_answered_in_order_and_shared(bench: Bench) -> None:
    done = await bench.research()
    notes = [body for body in bodies(bench) if len(body["messages"]) > 2]
    assert len(notes) == 3
    for body in notes:
        _, _, asked, *results = body["messages"]
        names = [call["function"]["name"] for call in asked["tool_calls"]]
        assert names == [tool.name for tool in TOOLS]
        ids = [call["id"] for call in asked["tool_calls"]]
        assert [result["tool_call_id"] for result in results] == ids
        assert "mrvl_net_margin" in results[1]["content"]
        assert json.loads(results[0]["content"])["figures"]["revenue"][0] == "$215.9 billion"
    assert (done.outcome.tool_calls_asked, done.outcome.tool_calls_run) == (3 + 3 * 2, 4)


async def test_calls_of_one_role_begin_alike_and_hold_no_clock_and_no_id(bench: Bench) -> None:
    await bench.research()
    writers = [body["messages"] for body in bodies(bench) if body.get("stream")]
    analysts = [body["messages"] for body in bodies(bench) if not body.get("stream")]
    for group in (writers, analysts):
        assert len({messages[0]["content"] for messages in group}) == 1
        data = {messages[1]["content"].split("\n\n")[0] for messages in group}
        assert len(data) == 1
    assert len(writers[0][1]["content"].split("\n\n")[0]) > 4_000
    digests = {asked.body_digest for asked in bench.provider.log}
    bench.provider.clear()
    bench.http.headers["cache-control"] = "no-store"
    await bench.research()
    assert {asked.body_digest for asked in bench.provider.log} == digests


async def test_wrong_tool_calls_are_told_to_the_model(bench: Bench) -> None:
    wrong = (
        ToolUse("financials", "{not json"),
        ToolUse("weather", {}),
        ToolUse("profile", {"symbol": "NVDIA"}),
    )

    def errs(question: Question) -> Said:
        said = speaks(question)
        return Answer(tool_calls=wrong) if isinstance(said, Answer) else said

    bench.provider.answers = errs
    done = await bench.research()
    assert done.ending == "complete"
    told = next(body["messages"] for body in bodies(bench) if len(body["messages"]) > 2)
    results = [json.loads(message["content"])["error"] for message in told[3:]]
    assert "no JSON object" in results[0]
    assert "no tool 'weather'" in results[1]
    assert "did you mean NVDA" in results[2]
    sent = told[2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"malformed": "{not json"}


async def test_a_model_that_never_stops_asking_is_stopped(bench: Bench) -> None:
    bench.provider.answers = lambda question: (
        Answer(tool_calls=TOOLS) if question.tools else SECTION
    )
    done = await bench.research()
    assert len(bench.provider.log) == 3 * BOUNDS.turns
    choices = [body.get("tool_choice") for body in bodies(bench)]
    assert choices.count("none") == 3
    assert done.ending == "incomplete"
    assert done.outcome.sections == []
    assert "wrote no notes" in done.outcome.left_out["risk"]


async def test_tool_calls_are_bounded_over_all_turns(bench: Bench) -> None:
    many = Answer(tool_calls=[ToolUse("profile", {"symbol": "NVDA"})] * (BOUNDS.tool_calls + 1))

    def greedy(question: Question) -> Said:
        said = speaks(question)
        return many if isinstance(said, Answer) else said

    bench.provider.answers = greedy
    done = await bench.research()
    assert done.ending == "complete"
    assert done.outcome.tool_calls_asked == 3 + 3 * BOUNDS.tool_calls
    assert [body.get("tool_choice") for body in bodies(bench)].count("none") == 3


@pytest.mark.parametrize(
    ("status", "provider", "says"),
    [
        (401, "openai", "refuses the key in OPENAI_API_KEY (401)"),
        (403, "anthropic", "refuses the key in ANTHROPIC_API_KEY (403)"),
        (404, "openai", f"has no model '{'gpt-4o-mini'}'"),
    ],
)
async def test_a_refusal_ends_the_research_at_once(
    bench: Bench, status: int, provider: str, says: str
) -> None:
    bench.provider.fail_next(status=status, message="not for you", times=99)
    done = await bench.research(provider)
    assert done.ending == "refused"
    assert says in done.why()
    assert "not for you" in done.why()
    assert len(bench.provider.log) <= 3
    assert "sk-test" not in done.why() + bench.report() + bench.screen + bench.beside


async def test_a_busy_endpoint_is_asked_again_by_one_layer(bench: Bench) -> None:
    bench.provider.fail_next(status=429, retry_after=0, times=2)
    done = await bench.research()
    assert done.ending == "complete"
    assert len(bench.provider.log) == CALLS + 2
    assert done.receipt.policies.retries == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(status=500, message="out of order"), "answered 500: out of order"),
        (Fault(status=502, html=True), "answered 502"),
        (Fault(ending="reset"), "no answer from"),
    ],
)
async def test_a_section_that_fails_for_good_is_left_out_and_the_others_finish(
    bench: Bench, only_for: When, fault: Fault, says: str
) -> None:
    bench.provider.fail_next(fault, times=3, when=only_for(SECTIONS["risk"]))
    done = await bench.research()
    assert len(bench.provider.log) == CALLS + 2
    assert done.ending == "incomplete"
    assert sorted(done.outcome.sections) == ["fundamentals", "news", "summary", "synthesis"]
    assert says in done.outcome.left_out["risk"]
    assert says in done.why()
    assert "left out because" in bench.report()
    assert "Risk: left out because" in bench.screen
    assert "<" not in done.outcome.left_out["risk"]


async def test_an_answer_that_breaks_off_is_no_section(bench: Bench, only_for: When) -> None:
    bench.provider.fail_next(
        cut_after=900, ending="close", times=3, when=only_for(SECTIONS["news"])
    )
    done = await bench.research()
    assert done.outcome.left_out.keys() == {"news"}
    assert len(done.outcome.sections) == 4
    assert "## News from filings\n\n_(left out because" in bench.report()


async def test_an_error_inside_a_stream_is_told(bench: Bench, only_for: When) -> None:
    bench.provider.fail_next(error_event="overloaded_error", when=only_for(SECTIONS["news"]))
    done = await bench.research("anthropic")
    assert done.outcome.left_out.keys() == {"news"}
    assert "the endpoint reports" in done.outcome.left_out["news"]


async def test_an_analyst_that_fails_takes_only_its_own_sections_along(bench: Bench) -> None:
    def silent_on_risk(question: Question) -> Said:
        is_risk = question.tools and "what could go wrong" in question.last_user
        return Answer(text="") if is_risk else speaks(question)

    bench.provider.answers = silent_on_risk
    done = await bench.research()
    assert sorted(done.outcome.sections) == ["fundamentals", "news"]
    assert done.outcome.left_out["summary"].startswith("the risk analyst failed: the model wrote")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(text=" \n "), "the model wrote nothing"),
        (Answer(text="Half", finish_reason="content_filter"), "content filter"),
        (Answer(raw=b'{"nonsense": 1}'), "broke off"),
    ],
)
async def test_answers_that_are_no_section(
    bench: Bench, only_for: When, answer: Answer, says: str
) -> None:
    is_risk = only_for(SECTIONS["risk"])
    bench.provider.answers = lambda question: answer if is_risk(question) else speaks(question)
    done = await bench.research()
    assert says in done.outcome.left_out["risk"]
    assert len(done.outcome.sections) == 4


async def test_a_section_that_became_too_long_says_so(bench: Bench, only_for: When) -> None:
    is_risk = only_for(SECTIONS["risk"])
    cut = Answer(text="It goes on and", finish_reason="length")
    bench.provider.answers = lambda question: cut if is_risk(question) else speaks(question)
    await bench.research()
    assert f"It goes on and {CUT_OFF}" in bench.report()


async def test_a_model_that_takes_no_temperature_is_asked_without(bench: Bench) -> None:
    refusal = Fault(status=400, message="Unsupported value: 'temperature' must be left out")
    bench.provider.fail_next(refusal, times=3, when=lambda asked: "temperature" in asked.body)
    done = await bench.research()
    assert done.ending == "complete"
    assert len(bench.provider.log) == CALLS + 3
    assert ["temperature" in body for body in bodies(bench)].count(True) == 3


async def test_a_cap_on_tokens_keeps_what_is_finished_and_names_the_gap(bench: Bench) -> None:
    done = await bench.research(caps=Caps(tokens=7_000))
    assert done.ending == "capped"
    assert 0 < len(bench.provider.log) < CALLS
    assert done.outcome.cap == "the cap of 7,000 tokens is reached"
    for because in done.outcome.left_out.values():
        assert because == done.outcome.cap
    assert set(done.outcome.sections) | set(done.outcome.left_out) == set(SECTIONS)
    assert "left out because the cap of 7,000 tokens is reached" in bench.report()
    assert done.outcome.cap in done.why()


async def test_what_is_finished_when_a_cap_is_reached_stays(bench: Bench) -> None:
    def slow_on_risk(question: Question) -> Said:
        is_slow = question.tool_results and "what could go wrong" in question.last_user
        return Answer(text=NOTES, fault=Fault(wait_s=0.3)) if is_slow else speaks(question)

    bench.provider.answers = slow_on_risk
    done = await bench.research(caps=Caps(tokens=18_000))
    assert done.ending == "capped"
    assert sorted(done.outcome.sections) == ["fundamentals", "news"]
    assert list(done.outcome.left_out) == ["summary", "risk", "synthesis"]
    assert bench.report().count("left out because the cap of 18,000 tokens is reached") == 3
    assert "Sources:" in bench.report()


async def test_a_cap_on_cost(bench: Bench) -> None:
    done = await bench.research(caps=Caps(cost_usd=0.0001))
    assert done.ending == "capped"
    assert done.outcome.spent is not None
    assert done.outcome.spent.cost_usd is not None
    assert done.outcome.spent.cost_usd >= 0.0001
    assert len(bench.provider.log) <= 3


async def test_a_cap_on_time_that_is_over_asks_nothing(bench: Bench) -> None:
    done = await bench.research(caps=Caps(time_s=0))
    assert done.ending == "capped"
    assert bench.provider.log == []


async def test_a_cap_on_time_ends_the_wait_for_a_model_that_says_come_back(bench: Bench) -> None:
    bench.provider.fail_next(status=429, retry_after=25, times=50)
    began = clock.monotonic()
    done = await bench.research(caps=Caps(time_s=0.3))
    assert done.ending == "capped"
    assert "the cap of 0.3 s is reached" in done.why()
    assert clock.monotonic() - began < 10


async def test_a_cost_that_cannot_be_known_is_refused_before_anything_is_begun(
    bench: Bench,
) -> None:
    with pytest.raises(WrongModel, match="--max-tokens"):
        await bench.research(caps=Caps(cost_usd=1), model="home-made")
    assert bench.provider.log == []
    assert list(bench.folder.iterdir()) == []


async def test_the_cost_is_told_before_and_learned_from_earlier_runs(bench: Bench) -> None:
    await bench.research()
    assert "openai:gpt-4o-mini: no estimate yet" in bench.beside
    await bench.research(caps=Caps(cost_usd=1))
    assert "tokens, $0.00" in bench.beside
    assert "by 1 earlier run; no more calls beyond $1.00" in bench.beside


async def test_the_record_holds_no_word_of_prompts_and_answers(bench: Bench) -> None:
    await bench.research()
    text = bench.record()
    for secret in ("sk-test", NOTES, "took in", "mrvl_net_margin", "analyst in a team"):
        assert secret not in text
