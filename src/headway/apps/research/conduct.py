"""One research from start to end: recorded, published, timed, and stopped in good order."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec

from headway import StepFailed, Store, clock, earlier, listen, record

from .by_graph import research_graph
from .company_data import company_profile
from .data_tools import TOOLS, DataTools
from .desk import Desk
from .in_turn import research_in_turn
from .live_line import LiveLine
from .lookup import normal_symbol
from .model.address import ModelAddress, WrongModel
from .model.caps import Caps, Spending
from .model.estimate import expected
from .outcome import Conducted, Outcome, left_out
from .pace import NOMINAL_S, Pace
from .prose import Section
from .report_file import ReportFile
from .screen import Screen
from .team import Coordinator, Team

if TYPE_CHECKING:
    import httpx2


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a research reads and writes, how fast its parts are, and who writes."""

    symbol: str
    scale: float | None = None
    reports: Path = Path("reports")
    folder: Path = Path(".headway")
    out: TextIO = sys.stdout
    err: TextIO = sys.stderr
    slow: tuple[float, float] = (1.0, 5.0)
    """A tool that ran for more seconds than this is told of: a notice, a warning."""
    live: bool = True
    synthetic_price: bool = False
    model: ModelAddress | None = None
    """None for the embedded writer."""
    caps: Caps = Caps()
    http: httpx2.AsyncClient | None = None
    """The client that asks the model; None opens one of its own, through Headway."""
    store: Store | None = None
    """Where answers of data tools and model are kept, and stays open; None: in memory."""


async def conduct(setting: Setting, *, through_headway: bool = True) -> Conducted:
    """The research of one company, published section by section, with its receipt.

    Args:
        through_headway: by the graph, with shared tools; else as such applications are usually
            written: every call in turn, nothing shared, the report at the end.

    Raises:
        UnknownTicker, WrongModel: before anything is begun.
    """
    work = _Work(setting, through_headway)
    failure: StepFailed | None = None
    async with AsyncExitStack() as opened:
        http = await _client(setting, opened)
        recording = record(
            work.run_name,
            folder=setting.folder,
            live=work.tell if setting.live else False,
            slow=setting.slow,
        )
        with recording as run, ExitStack() as stack:
            work.watch(run.id, stack)
            began = clock.monotonic()
            try:
                work.desk.open()
                await (work.by_graph(http) if through_headway else work.in_turn())
            except StepFailed as failed:
                failure = failed
            wall_s = clock.monotonic() - began
        outcome = work.outcome(began, wall_s, run.path)
        receipt = run.receipt(first_output_s=outcome.first_words_s)
        return Conducted(outcome, receipt, failure)


async def _client(setting: Setting, opened: AsyncExitStack) -> httpx2.AsyncClient | None:
    """The client for the model, if there is one that can be asked within its caps."""
    if setting.model is None:
        return None
    from .model import door

    if setting.caps.cost_usd is not None and not door.has_price(setting.model):
        raise WrongModel(
            f"no price is known for {setting.model}, so --max-cost cannot be kept: set one in "
            "headway.toml, or use --max-tokens"
        )
    return await opened.enter_async_context(door.opened(setting.http, setting.store))


class _Work:
    """The parts that one research is made of."""

    def __init__(self, setting: Setting, through_headway: bool) -> None:
        self.setting, self.through_headway = setting, through_headway
        self.symbol = normal_symbol(setting.symbol)
        self.pace = Pace(setting.scale)
        self.tools = DataTools(
            self.pace, share_for="1h" if through_headway else None, store=setting.store
        )
        day = datetime.fromtimestamp(clock.now(), UTC).date().isoformat()
        company = company_profile(self.symbol).short_name
        self.desk = Desk(
            ReportFile(setting.reports, self.symbol, day, company),
            Screen(setting.out, rich=setting.out.isatty()),
        )
        self.run_name = _run_name(setting, through_headway)
        self.earlier_s: dict[str, float] = {}
        """How long each step took in earlier runs, where anything is known."""
        self.line: LiveLine | None = None
        self.spending: Spending | None = None

    def watch(self, run: str, stack: ExitStack) -> None:
        """Count what a model uses, and show a line of what goes on, until *stack* is left."""
        if self.setting.model is not None:
            from headway import cost_of

            self.spending = Spending(self.setting.caps, cost_of, run)
            stack.enter_context(listen(self.spending))
        if not self.setting.live:
            return
        told = None if self.spending is None else self.spending.told
        wall_s, runs = self._estimate(run)
        self.line = LiveLine(self.setting.err, self.symbol, wall_s, runs, told)
        stack.enter_context(listen(self.line))
        stack.enter_context(self.line)

    def tell(self, line: str) -> None:
        """Write *line* without disturbing the one that is drawn over and over."""
        if self.line is None:
            print(line, file=self.setting.err)
        else:
            self.line.tell(line)

    def _estimate(self, run: str) -> tuple[float | None, int]:
        """How long earlier runs took, and over how many; what a model will cost is told."""
        seen = earlier(self.setting.folder, self.run_name, leaving_out=run)
        self.earlier_s = seen.seconds
        if self.setting.model is not None:
            used = (seen.tokens_in, seen.tokens_out)
            line = expected(
                str(self.setting.model),
                self.setting.caps,
                runs=seen.runs,
                wall_s=seen.wall_s,
                tokens=None if used[0] is None or used[1] is None else used[0] + used[1],
                cost_usd=seen.cost_usd,
            )
            print(line, file=self.setting.err)
        return seen.wall_s, seen.runs

    async def in_turn(self) -> None:
        for section in await research_in_turn(self.symbol, self._embedded_team()):
            self._publish(section)

    async def by_graph(self, http: httpx2.AsyncClient | None) -> None:
        graph = research_graph(self._team(http), self.pace)
        graph.expect(self.earlier_s)
        try:
            async with graph.stream(symbol=self.symbol) as finished:
                async for _, value in finished:
                    if isinstance(value, Section):
                        self._publish(value)
        except StepFailed as failed:
            for key, because in left_out(failed).items():
                self._leave_out(key, because)
            raise

    def _team(self, http: httpx2.AsyncClient | None) -> Coordinator:
        model, spending = self.setting.model, self.spending
        if model is None or http is None or spending is None:
            return self._embedded_team()
        from .model.client import ModelClient
        from .model.team import ModelTeam

        client = ModelClient(model, http, spending.refuse_if_reached, spending.time_left_s)
        return ModelTeam(self.tools, client, self)

    def _embedded_team(self) -> Team:
        return Team(self.tools, self.pace, synthetic_price=self.setting.synthetic_price)

    def words(self, key: str, text: str) -> None:
        """More of a section has come."""
        self._aside(lambda: self.desk.words(key, text))

    def broken_off(self, key: str) -> None:
        """No more of a section will come."""
        self._aside(lambda: self.desk.broken_off(key))

    def _publish(self, section: Section) -> None:
        self._aside(lambda: self.desk.publish(section))

    def _leave_out(self, key: str, because: str) -> None:
        self._aside(lambda: self.desk.leave_out(key, because))

    def _aside(self, write: Callable[[], None]) -> None:
        if self.line is None:
            write()
        else:
            self.line.aside(write, amid_words=lambda: self.desk.screen.is_mid_line)

    def outcome(self, began: float, wall_s: float, record_path: Path | None) -> Outcome:
        kept, spending, report = self.tools.statistics(), self.spending, self.desk.report
        section_at = self.desk.first_section_at
        words_at = self.desk.first_words_at or section_at
        return Outcome(
            wall_s=wall_s,
            first_words_s=None if words_at is None else words_at - began,
            first_section_s=None if section_at is None else section_at - began,
            critical_path_s=self._nominal_critical_path_s(),
            tool_calls_asked=self.tools.asked.total(),
            tool_calls_run=self.tools.ran.total(),
            duplicates_run=self.tools.duplicates_run,
            cache_hits=sum(cache.hits + cache.joined for cache in kept),
            cache_misses=sum(cache.misses for cache in kept),
            sections=list(self.desk.published),
            left_out=dict(report.left_out),
            unverified=sum(len(section.unverified) for section in report.sections.values()),
            model=None if self.setting.model is None else str(self.setting.model),
            spent=None if spending is None else spending.spent,
            cap=None if spending is None else spending.reached,
            report=str(report.path),
            record=None if record_path is None else str(record_path),
        )

    def _nominal_critical_path_s(self) -> float | None:
        """The longest chain of scripted durations; done in turn, the chain of all of them."""
        if self.pace.scale is None:
            return None
        if self.through_headway:
            return research_graph(self._embedded_team(), Pace(1)).plan().critical_path().seconds
        data = [NOMINAL_S[part] for (part, _), runs in self.tools.ran.items() for _ in range(runs)]
        others = [seconds for part, seconds in NOMINAL_S.items() if part not in TOOLS]
        return sum(data) + sum(others)


def _run_name(setting: Setting, through_headway: bool) -> str:
    if setting.model is not None:
        return f"research with {setting.model}"
    script = "" if setting.scale is None else f", 1:{setting.scale:g}"
    return f"research {'through headway' if through_headway else 'in turn'}{script}"
