"""One research from start to end: recorded, published, timed, and stopped in good order."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from headway import Receipt, StepFailed, clock, earlier, listen, record

from .by_graph import research_graph
from .company_data import company_profile
from .data_tools import TOOLS, DataTools
from .desk import Desk
from .in_turn import research_in_turn
from .live_line import LiveLine
from .lookup import normal_symbol
from .pace import NOMINAL_S, Pace
from .prose import Section
from .report_file import ReportFile
from .sections import SECTION_TITLES
from .team import Team


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a research reads and writes, and how fast its parts are."""

    symbol: str
    scale: float | None = None
    reports: Path = Path("reports")
    folder: Path = Path(".headway")
    out: TextIO = sys.stdout
    err: TextIO = sys.stderr
    live: bool = True


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a research did, in seconds and counts.

    What was ``asked`` and ``run`` is counted by the tools.
    """

    wall_s: float
    first_section_s: float | None
    critical_path_s: float | None
    """Nominal: from the scripted durations, unscaled; None without a script."""
    tool_calls_asked: int
    tool_calls_run: int
    duplicates_run: int
    cache_hits: int
    cache_misses: int
    sections: list[str]
    left_out: dict[str, str]
    report: str
    record: str | None


class Conducted(msgspec.Struct, frozen=True):
    """A finished research: its outcome, its receipt, and why it is incomplete, if it is."""

    outcome: Outcome
    receipt: Receipt
    failure: StepFailed | None = None


async def conduct(setting: Setting, *, through_headway: bool = True) -> Conducted:
    """The research of one company, published section by section, with its receipt.

    Args:
        through_headway: by the graph, with shared tools; else as such applications are usually
            written: every call in turn, nothing shared, the report at the end.

    Raises:
        UnknownTicker: before anything is begun.
    """
    work = _Work(setting, through_headway)
    if setting.live:
        seen = earlier(setting.folder, work.run_name)
        line = LiveLine(setting.err, work.symbol, seen.wall_s, seen.runs)
    else:
        line = None
    failure: StepFailed | None = None
    with record(work.run_name, folder=setting.folder) as run, ExitStack() as stack:
        if line is not None:
            stack.enter_context(listen(line))
            stack.enter_context(line)
        began = clock.monotonic()
        try:
            work.desk.open()
            await (work.by_graph(line) if through_headway else work.in_turn(line))
        except StepFailed as failed:
            failure = failed
        wall_s = clock.monotonic() - began
    outcome = work.outcome(began, wall_s, run.path)
    receipt = run.receipt(first_output_s=outcome.first_section_s)
    return Conducted(outcome, receipt, failure)


class _Work:
    """The parts that one research is made of."""

    def __init__(self, setting: Setting, through_headway: bool) -> None:
        self.symbol = normal_symbol(setting.symbol)
        self.pace = Pace(setting.scale)
        self.tools = DataTools(self.pace, share_for="1h" if through_headway else None)
        self.graph = research_graph(Team(self.tools, self.pace), self.pace)
        self.through_headway = through_headway
        day = datetime.fromtimestamp(clock.now(), UTC).date().isoformat()
        company = company_profile(self.symbol).short_name
        self.desk = Desk(
            ReportFile(setting.reports, self.symbol, day, company),
            setting.out,
            rich=setting.out.isatty(),
        )
        script = "" if setting.scale is None else f", 1:{setting.scale:g}"
        self.run_name = f"research {'through headway' if through_headway else 'in turn'}{script}"

    async def in_turn(self, line: LiveLine | None) -> None:
        for section in await research_in_turn(self.symbol, self.tools, self.pace):
            self._publish(section, line)

    async def by_graph(self, line: LiveLine | None) -> None:
        try:
            async with self.graph.stream(symbol=self.symbol) as finished:
                async for _, value in finished:
                    if isinstance(value, Section):
                        self._publish(value, line)
        except StepFailed as failed:
            for step, cause in {**failed.skipped, **_causes(failed)}.items():
                if step in SECTION_TITLES:
                    self.desk.leave_out(step, cause)
            raise

    def _publish(self, section: Section, line: LiveLine | None) -> None:
        if line is None:
            self.desk.publish(section)
        else:
            line.aside(lambda: self.desk.publish(section))

    def outcome(self, began: float, wall_s: float, record_path: Path | None) -> Outcome:
        first = self.desk.first_section_at
        kept = self.tools.statistics()
        return Outcome(
            wall_s=wall_s,
            first_section_s=None if first is None else first - began,
            critical_path_s=self._nominal_critical_path_s(),
            tool_calls_asked=self.tools.asked.total(),
            tool_calls_run=self.tools.ran.total(),
            duplicates_run=self.tools.duplicates_run,
            cache_hits=sum(cache.hits + cache.joined for cache in kept),
            cache_misses=sum(cache.misses for cache in kept),
            sections=list(self.desk.published),
            left_out=dict(self.desk.report.left_out),
            report=str(self.desk.report.path),
            record=None if record_path is None else str(record_path),
        )

    def _nominal_critical_path_s(self) -> float | None:
        """The longest chain of scripted durations; done in turn, the chain of all of them."""
        if self.pace.scale is None:
            return None
        if self.through_headway:
            return research_graph(Team(self.tools, Pace(1)), Pace(1)).plan().critical_path().seconds
        data = [NOMINAL_S[part] for (part, _), runs in self.tools.ran.items() for _ in range(runs)]
        others = [seconds for part, seconds in NOMINAL_S.items() if part not in TOOLS]
        return sum(data) + sum(others)


def _causes(failed: StepFailed) -> dict[str, str]:
    return {step: f"{type(error).__name__}: {error}" for step, error in failed.failures.items()}
