"""What the stand-in was asked and how each exchange ended, for counting apart from the counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from threading import Condition
from typing import Literal

import msgspec

from .answer import Reported
from .fault import Fault
from .http_request import Request
from .reply import named_id

Ended = Literal["open", "complete", "cancelled", "fault", "stopped"]
CREDENTIALS = ("authorization", "x-api-key", "api-key", "proxy-authorization", "cookie")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what became of it.

    ``ending``: ``open`` (still answering), ``complete``, ``cancelled`` (the client hung up),
    ``fault`` (a fault spoilt the answer), ``stopped`` (the provider was). It is settled before
    the last byte leaves, so whoever has read an answer finds it here.
    ``usage``: the tokens counted; of an answer that ended early, the output made until then.
    ``was_told``: whether the client was sent that usage.
    Times are seconds since the epoch on ``headway.clock``.
    """

    number: int
    at: float
    wire: str
    method: str
    path: str
    headers: dict[str, str]
    """Without the credentials; of a header sent twice, the last."""
    credential: str | None
    """A digest of the key the client sent."""
    body: object
    """The parsed JSON; None if there was none."""
    body_digest: str
    body_size: int
    request_id: str
    model: str | None = None
    streamed: bool = False
    status: int | None = None
    usage: Reported | None = None
    was_told: bool = False
    ending: Ended = "open"
    fault: Fault | None = None
    problem: str | None = None
    """Why the provider itself could not answer: the script ran out, or its function raised."""
    first_at: float | None = None
    """When the model's first word was there."""
    ended_at: float | None = None
    sent_bytes: int = 0

    @property
    def completed(self) -> bool:
        """The client was sent a whole answer (which may be an error)."""
        return self.ending == "complete"

    @property
    def cancelled_by_client(self) -> bool:
        """The client hung up before the end."""
        return self.ending == "cancelled"


class Totals(msgspec.Struct, frozen=True):
    """Sums over a log."""

    requests: int
    complete: int
    by_status: dict[int, int]
    by_wire: dict[str, int]
    usage: Reported
    """Over all answers, those that ended early included."""


class Log:
    """The records in order of arrival; safe to read from any thread while requests go on."""

    def __init__(self) -> None:
        self._records: dict[int, Asked] = {}
        self._changed = Condition()
        self._number = 0

    def open(self, request: Request, wire: str, at: float) -> Asked:
        """Write down that a request has arrived."""
        key = credential_of(request)
        with self._changed:
            self._number += 1
            asked = Asked(
                number=self._number,
                at=at,
                wire=wire,
                method=request.method,
                path=request.path,
                headers={name: text for name, text in request.headers if name not in CREDENTIALS},
                credential=digest_of(key) if key else None,
                body=_parsed(request.body),
                body_digest=hashlib.sha256(request.body).hexdigest(),
                body_size=len(request.body),
                request_id=named_id(str(self._number), "req_"),
            )
            self._records[asked.number] = asked
            self._changed.notify_all()
        return asked

    def update(self, number: int, **changes: object) -> None:
        """Replace members of a record, if it has not been cleared away."""
        with self._changed:
            asked = self._records.get(number)
            if asked is not None:
                self._records[number] = msgspec.structs.replace(asked, **changes)
                self._changed.notify_all()

    def wait_until(self, condition: Callable[[list[Asked]], bool], timeout_s: float) -> None:
        """Return once *condition* holds of the records.

        Raises:
            TimeoutError: it does not within *timeout_s* of real time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.records()), timeout_s):
                endings = [asked.ending for asked in self.records()]
                raise TimeoutError(f"the log is not so after {timeout_s} s; endings: {endings}")

    def records(self) -> list[Asked]:
        """All records so far."""
        with self._changed:
            return list(self._records.values())

    def clear(self) -> None:
        """Forget the records."""
        with self._changed:
            self._records.clear()


def credential_of(request: Request) -> str | None:
    """The key the client sent, without the word before it."""
    key = request.header("x-api-key") or request.header("api-key")
    if key:
        return key
    scheme, _, bearer = (request.header("authorization") or "").partition(" ")
    return bearer.strip() or None if scheme.lower() == "bearer" else None


def digest_of(credential: str) -> str:
    """Tells credentials apart without showing them."""
    return hashlib.sha256(credential.encode()).hexdigest()[:16]


def _parsed(body: bytes) -> object:
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def totals_of(records: Iterable[Asked]) -> Totals:
    """The sums, by status and by wire."""
    asked = list(records)
    by_status: dict[int, int] = {}
    by_wire: dict[str, int] = {}
    for one in asked:
        by_wire[one.wire] = by_wire.get(one.wire, 0) + 1
        if one.status is not None:
            by_status[one.status] = by_status.get(one.status, 0) + 1
    used = [one.usage for one in asked if one.usage is not None]
    sums = {
        name: sum(getattr(usage, name) for usage in used) for name in Reported.__struct_fields__
    }
    complete = sum(one.ending == "complete" for one in asked)
    return Totals(len(asked), complete, by_status, by_wire, Reported(**sums))
