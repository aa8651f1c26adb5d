"""``headway research SYMBOL``: a report on one company, section by section."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import clock, settings
from ..errors import BadSetup

if TYPE_CHECKING:
    from ..apps.research import Caps, Conducted, Setting

EXIT = {"complete": 0, "incomplete": 1, "refused": 2, "capped": 3}


def research(
    symbol: Annotated[str, typer.Argument(help="A ticker, such as NVDA.")],
    json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object on stdout.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="Who writes: openai:NAME, openai:NAME@URL, anthropic:NAME, anthropic:NAME@URL "
            "or embedded (by rule: no key, no network). Keys come from OPENAI_API_KEY and "
            "ANTHROPIC_API_KEY."
        ),
    ] = "embedded",
    max_cost: Annotated[
        float | None, typer.Option(help="Ask the model no more beyond this, in US dollars.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Ask the model no more beyond so many tokens, in and out.")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option(help='Ask the model no more after this, such as "90s" or "5m".')
    ] = None,
    synthetic_price: Annotated[
        bool,
        typer.Option(
            "--synthetic-price",
            help="Add a paragraph on a made-up price path, marked as synthetic.",
        ),
    ] = False,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Spend the scripted durations of slow tools and models, divided by this; "
            "default: no waiting."
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            help="Where answers of data tools and model are kept: memory, disk, disk:PATH, "
            "redis://HOST:PORT/DB ...; default: the setting `store`."
        ),
    ] = "",
    slow: Annotated[
        str,
        typer.Option(
            help="Tell on stderr of data tools that take long: a notice above the first duration, "
            "a warning above the second."
        ),
    ] = "1s,5s",
    reports: Annotated[Path, typer.Option(help="Where the report is written.")] = Path("reports"),
) -> None:
    """Research a company on its real SEC figures, through Headway, and show the receipt.

    Ends with 0 if the report is complete, 1 if sections failed, 2 for a wrong use or a model that
    cannot be asked, 3 if a cap left sections out, 130 after Ctrl-C.
    """
    from ..apps.research import Setting, WrongModel, model_address
    from .run import refuse, run_or_exit

    try:
        where = _where(store)
        setting = Setting(
            symbol=symbol,
            scale=scale,
            reports=reports,
            folder=Path(settings.load().folder),
            synthetic_price=synthetic_price,
            model=model_address(model, os.environ),
            caps=_caps(max_cost, max_tokens, max_time),
            slow=_slow(slow),
        )
        _refuse_scripted_model(setting)
    except (WrongModel, BadSetup) as wrong:
        refuse(str(wrong))
    _show(run_or_exit(_conducted(setting, where), kept_in=str(reports)), json)


def _where(said: str) -> str:
    if said:
        settings.refuse_wrong_store(said, "--store")
    return said or settings.load().store


async def _conducted(setting: Setting, where: str) -> Conducted:
    """The research, its answers kept in memory for itself alone, or in the store that is named."""
    import msgspec

    from ..apps.research import conduct

    if where == "memory":
        return await conduct(setting)
    from .cache_shelf import tiered

    async with tiered(where) as store:
        return await conduct(msgspec.structs.replace(setting, store=store))


def _caps(max_cost: float | None, max_tokens: int | None, max_time: str | None) -> Caps:
    from ..apps.research import Caps

    for name, value in (("--max-cost", max_cost), ("--max-tokens", max_tokens)):
        if value is not None and not 0 < value < float("inf"):
            raise BadSetup(f"{name} {value}: use more than 0, or leave it out for no cap")
    return Caps(cost_usd=max_cost, tokens=max_tokens, time_s=_time_s(max_time))


def _slow(said: str) -> tuple[float, float]:
    from ..runs import slow_seconds

    notice, _, warning = said.partition(",")
    try:
        return slow_seconds((notice, warning or notice))
    except BadSetup:
        raise BadSetup(
            f"--slow {said}: say when to give notice and when to warn, the shorter first, "
            "such as 1s,5s"
        ) from None


def _time_s(max_time: str | None) -> float | None:
    if max_time is None:
        return None
    try:
        return clock.seconds(f"{max_time}s" if max_time.replace(".", "", 1).isdigit() else max_time)
    except ValueError as wrong:
        raise BadSetup(f"--max-time: {wrong}") from None


def _refuse_scripted_model(setting: Setting) -> None:
    if setting.model is not None and setting.scale is not None:
        raise BadSetup("--scale is for the embedded writer: a model takes the time that it takes")
    if setting.model is not None and setting.synthetic_price:
        raise BadSetup("--synthetic-price is for the embedded writer: a model asks the tool itself")


def _show(done: Conducted, json: bool) -> None:
    import msgspec

    from ..runs import render

    if json:
        typer.echo(msgspec.json.encode({"outcome": done.outcome, "receipt": done.receipt}))
    else:
        typer.echo(f"\nreport: {done.outcome.report}\n")
        typer.echo(render(done.receipt))
    if done.outcome.spent is not None:
        typer.echo(f"{done.outcome.model}: {done.outcome.spent.told()}", err=True)
    if done.outcome.unverified:
        typer.echo(f"headway: {_unverified(done.outcome.unverified)}", err=True)
    if done.failure is not None:
        said = "" if done.ending == "refused" else f"{done.ending}: "
        typer.echo(f"headway: {said}{done.why()}", err=True)
    if EXIT[done.ending]:
        raise typer.Exit(EXIT[done.ending])


def _unverified(count: int) -> str:
    figures = "1 figure is" if count == 1 else f"{count} figures are"
    return f"{figures} not in the data, marked as unverified in the report"
