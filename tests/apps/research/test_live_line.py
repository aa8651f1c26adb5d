"""The line under a running research: who works, what models used, and words left alone."""

import io

from headway import CallEnded, CallStarted
from headway.apps.research.live_line import AMID_WORDS_S, LiveLine
from headway.clock import use
from headway.testing import FakeClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def started(call: str, operation: str, kind: str, agent: str) -> CallStarted:
    return CallStarted(at=0.0, run="r", call=call, operation=operation, kind=kind, agent=agent)


def test_a_model_call_is_shown_with_its_agent_and_what_was_used() -> None:
    line = LiveLine(io.StringIO(), "NVDA", 40.0, 3, lambda: "2 model calls, 1,000 tokens, $0.01")
    line(started("1", "openai.chat gpt-4.1-mini", "model", "risk"))
    line(started("2", "compare", "tool", "filings"))
    shown = line.text()
    assert "filings: compare | risk: model" in shown
    assert "2 model calls, 1,000 tokens, $0.01" in shown
    assert "3 earlier runs" in shown
    line(
        CallEnded(
            at=0.0,
            run="r",
            call="1",
            operation="openai.chat gpt-4.1-mini",
            kind="model",
            source="ran",
            seconds=1.0,
        )
    )
    assert "risk" not in line.text()


def test_words_in_the_middle_of_a_line_are_not_wiped_away() -> None:
    screen = Terminal()
    line = LiveLine(screen, "NVDA", None, 0)
    line._draw()
    line.aside(lambda: print("Debt is", end="", file=screen), amid_words=lambda: True)
    line.aside(lambda: print(" low", end="", file=screen), amid_words=lambda: True)
    assert screen.getvalue().endswith("\r\x1b[2KDebt is low")


async def test_when_words_stop_for_long_the_line_comes_below_them() -> None:
    screen = Terminal()
    with use(clock := FakeClock()):
        line = LiveLine(screen, "NVDA", None, 0)
        line.aside(lambda: print("Debt is", end="", file=screen), amid_words=lambda: True)
        await clock.advance(AMID_WORDS_S - 1)
        line._draw_if_silent(0.2)
        assert screen.getvalue() == "Debt is"
        await clock.advance(1)
        line._draw_if_silent(0.2)
        assert screen.getvalue().startswith("Debt is\n\r\x1b[2KNVDA")
        line.aside(lambda: print(" low", end="", file=screen), amid_words=lambda: True)
        assert screen.getvalue().endswith("\r\x1b[2K low")
