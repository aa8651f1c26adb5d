"""The model provider of bench/gateway_soak.py, in a process of its own: right, late, or broken.

Each answer is a function of the question and of the key it was asked with, so that an answer that
belongs to another question or another tenant is noticed. What goes wrong stands in the question
too. There are two: a steady one and a shaky one. Says one line of JSON for each line it is told.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from contextvars import ContextVar
from typing import Any

from headway.testing import Answer, Fault, Pace, Provider, Question

BIG_PIECES = 120
RETRY_AFTER = 1
REFUSED = {"limited": 429, "down": 503}
_asking: ContextVar[str] = ContextVar("asking")


def text_for(tenant: str, question: str) -> str:
    """What the model says to *question* when *tenant* asks."""
    size = zlib.crc32(f"{tenant} {question}".encode()) % 40
    return f"{tenant}|{question}|" + " ".join(f"w{n}" for n in range(size))


def pieces_for(tenant: str, question: str) -> list[str]:
    """The long answer, as a stream brings it."""
    return [f"{text_for(tenant, question)} {n} " + "x" * 2500 + " " for n in range(BIG_PIECES)]


def steady(question: Question) -> Answer:
    asked = question.last_user
    kind = asked.split()[0]
    tenant = _asking.get()
    if kind == "big":
        return Answer(chunks=pieces_for(tenant, asked))
    return Answer(text=text_for(tenant, asked), fault=_fault(kind, question.repeated))


def _fault(kind: str, repeated: int) -> Fault | None:
    if kind == "flaky" and not repeated:
        return Fault(ending="reset")
    if kind == "cut":
        return Fault(cut_after=150, ending="reset")
    if kind == "unfinished":
        return Fault(cut_after=150, ending="end")
    return Fault(wait_s=0.4) if kind in ("slow", "left") else None


def shaky(question: Question) -> Answer | Fault:
    kind = question.last_user.split()[0]
    if kind in REFUSED:
        return Fault(status=REFUSED[kind], retry_after=RETRY_AFTER, message=question.last_user)
    if kind == "silent":
        return Fault(never_answers=True)
    if kind == "reset":
        return Fault(ending="reset")
    if kind == "spare":
        return Fault(status=503)
    return Answer(text=text_for(_asking.get(), question.last_user))


class StandIn(Provider):
    """A provider that knows who asks, and how many of its answers are under way."""

    under_way = 0
    asked = 0

    async def _answer(self, request: Any, connection: Any) -> None:
        bearer = request.header("authorization") or ""
        _asking.set(request.header("x-api-key") or bearer.removeprefix("Bearer "))
        self.under_way += 1
        self.asked += 1
        try:
            await super()._answer(request, connection)
        finally:
            self.under_way -= 1


async def serve() -> None:
    pace = Pace(ttft_s=0.005, tokens_per_s=100_000.0)
    async with StandIn(steady, pace=pace) as one, StandIn(shaky, pace=pace) as two:
        print(json.dumps({"steady": one.url, "shaky": two.url}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "forget":
                one.clear()
                two.clear()
            found = {
                "under_way": one.under_way + two.under_way,
                "connections": one.connections + two.connections,
                "asked": one.asked + two.asked,
            }
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
