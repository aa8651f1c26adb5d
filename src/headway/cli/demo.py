"""``headway demo``: the same research twice, the usual way and through Headway, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import settings

if TYPE_CHECKING:
    from ..apps.research import Conducted, Setting

SCALE = 20.0


def demo(
    symbol: Annotated[str, typer.Argument(help="A ticker, such as NVDA.")] = "NVDA",
    json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object on stdout.")
    ] = False,
    scale: Annotated[
        float, typer.Option(help="Divide the scripted durations by this.", min=1.0)
    ] = SCALE,
    reports: Annotated[Path, typer.Option(help="Where the report is written.")] = Path("reports"),
) -> None:
    """Research a company twice on scripted durations: in turn, then through Headway.

    Needs no key and no network. Data tools take 10 s each, analysts 60 to 90 s, sections 10 to
    15 s, divided by the scale.
    """
    import msgspec

    from ..apps.research import Setting
    from ..runs import compare
    from .run import run_or_exit

    setting = Setting(
        symbol=symbol, scale=scale, reports=reports, folder=Path(settings.load().folder)
    )
    plain, headway = run_or_exit(_both(setting), kept_in=str(reports))
    typer.echo("\n" + compare(plain.receipt, headway.receipt))
    typer.echo("look at it:  headway receipt    headway timeline")
    if json:
        found = {
            "symbol": setting.symbol,
            "scale": scale,
            "plain": plain.outcome,
            "headway": headway.outcome,
        }
        typer.echo(msgspec.json.encode(found))


async def _both(setting: Setting) -> tuple[Conducted, Conducted]:
    from ..apps.research import conduct, normal_symbol

    normal_symbol(setting.symbol)  # an unknown one is refused before anything is said
    typer.echo(f"1 of 2: the usual way, everything in turn (durations 1:{setting.scale:g})")
    plain = await conduct(setting, through_headway=False)
    typer.echo("\n2 of 2: through Headway")
    return plain, await conduct(setting)
