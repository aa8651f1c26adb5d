"""What the admin side shows: is it alive, is it ready, its figures, its state. All of it reads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..monitor import CONTENT_TYPE, prometheus_text
from ..settings import without_password
from .plan import Plan
from .reports import Phase, Reload, Reports, why_not_ready

JSON = "application/json"


class Overview(Protocol):
    """What is shown."""

    @property
    def phase(self) -> Phase:
        """Whether it starts, serves, or ends."""

    @property
    def plan(self) -> Plan:
        """By which it serves."""

    @property
    def last_reload(self) -> Reload | None:
        """None if there was none."""

    @property
    def address(self) -> str:
        """Where it listens."""

    async def reports(self) -> Reports:
        """How its workers fare."""


def pages(overview: Overview) -> list[Route]:
    """The routes of all pages."""

    async def health(request: Request) -> Response:
        return _json({"status": "alive", "phase": overview.phase, "reload": overview.last_reload})

    async def ready(request: Request) -> Response:
        why = why_not_ready(overview.phase, await overview.reports())
        return _json({"ready": why is None, "why": why}, 200 if why is None else 503)

    async def metrics(request: Request) -> Response:
        snapshot = (await overview.reports()).snapshot()
        return Response(prometheus_text(snapshot), media_type=CONTENT_TYPE, headers=NOT_KEPT)

    async def metrics_json(request: Request) -> Response:
        return _json((await overview.reports()).snapshot())

    async def state(request: Request) -> Response:
        return _json(_state(overview, await overview.reports()))

    shown: dict[str, Page] = {
        "/health": health,
        "/ready": ready,
        "/metrics": metrics,
        "/metrics.json": metrics_json,
        "/state": state,
    }
    return [Route(path, page, methods=["GET"]) for path, page in shown.items()]


Page = Callable[[Request], Coroutine[object, object, Response]]
NOT_KEPT = {"cache-control": "no-store"}


def _json(content: object, status: int = 200) -> Response:
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type=JSON, headers=NOT_KEPT)


def _state(overview: Overview, reports: Reports) -> dict[str, object]:
    return {
        "phase": overview.phase,
        "listen": overview.address,
        "reload": overview.last_reload,
        "upstreams": upstreams_up(reports),
        "silent_workers": reports.silent,
        "workers": [
            {name: getattr(report, name) for name in ("worker", "pid", "resident_bytes", "cpu_s")}
            | report.state
            for report in reports.heard
        ],
        "plan": without_secrets(overview.plan),
    }


def upstreams_up(reports: Reports) -> dict[str, dict[str, int]]:
    """For each upstream, how many workers ask it, and how many pass it over."""
    counts: dict[str, dict[str, int]] = {}
    for report in reports.heard:
        upstreams = report.state.get("upstreams")
        for name, upstream in upstreams.items() if isinstance(upstreams, dict) else ():
            count = counts.setdefault(name, {"asked_by": 0, "passed_over_by": 0})
            count["asked_by" if upstream["up"] else "passed_over_by"] += 1
    return counts


def without_secrets(plan: Plan) -> object:
    """The plan as it may be shown: no credential, no password in an address, no digest of a key."""
    masked = msgspec.structs.replace(
        plan,
        upstreams=tuple(
            msgspec.structs.replace(
                each, url=without_password(each.url), key=None if each.key is None else "***"
            )
            for each in plan.upstreams
        ),
        keys=tuple(msgspec.structs.replace(each, sha256="***") for each in plan.keys),
        store=without_password(plan.store),
    )
    return msgspec.to_builtins(masked)
