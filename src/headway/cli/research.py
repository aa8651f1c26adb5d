"""``headway research SYMBOL``: a report on one company, section by section."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import settings


def research(
    symbol: Annotated[str, typer.Argument(help="A ticker, such as NVDA.")],
    json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object on stdout.")
    ] = False,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Spend the scripted durations of slow tools and models, divided by this; "
            "default: no waiting."
        ),
    ] = None,
    reports: Annotated[Path, typer.Option(help="Where the report is written.")] = Path("reports"),
) -> None:
    """Research a company on its real SEC figures, through Headway, and show the receipt."""
    import msgspec

    from ..apps.research import Setting, conduct
    from ..runs import render
    from .run import run_or_exit

    setting = Setting(
        symbol=symbol, scale=scale, reports=reports, folder=Path(settings.load().folder)
    )
    done = run_or_exit(conduct(setting), kept_in=str(reports))
    if json:
        typer.echo(msgspec.json.encode({"outcome": done.outcome, "receipt": done.receipt}))
    else:
        typer.echo(f"\nreport: {done.outcome.report}\n")
        typer.echo(render(done.receipt))
    if done.failure is not None:
        typer.echo(f"headway: incomplete: {done.failure}", err=True)
        raise typer.Exit(1)
