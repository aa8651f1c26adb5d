"""What the proxy asks of the server on its own account: the list of tools, and news of changes.

Its ids cannot be the client's: they hold a random number. Their answers never reach the client.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from itertools import count

from msgspec import UNSET

from ..tools import UNKNOWN
from ..wire.json_rpc import Message, request
from .answers import CAPABILITIES, CLIENT, PROTOCOL, SUBSCRIPTION
from .calls import DROP, Awaited, Fate, Send
from .catalogue import Catalogue

PATIENCE_S = 10.0
"""How long the list of tools may take before the tools count as unknown."""
MOST_PAGES = 100
_MOST_EDITIONS = 3
_NEWS = {"toolsListChanged": True, "resourcesListChanged": True}

Meta = Mapping[str, object]


class OwnRequests:
    """Asks for itself what it has to know."""

    def __init__(self, to_server: Send, awaited: Awaited, catalogue: Catalogue) -> None:
        self._to_server, self._awaited, self._catalogue = to_server, awaited, catalogue
        self._prefix, self._numbers = f"headway-{secrets.token_hex(8)}-", count(1)
        self._listens_as = ""
        self._is_refused = False

    async def learn_tools(self, meta: Meta) -> None:
        """Read the whole list of tools into the catalogue; what fails leaves them unknown.

        Args:
            meta: the ``_meta`` of the call that made this necessary.
        """
        for _ in range(_MOST_EDITIONS):
            edition = self._catalogue.edition
            await self._learn_pages(edition, meta)
            if edition == self._catalogue.edition:
                break
        if not self._catalogue.is_complete:
            self._catalogue.give_up()

    async def _learn_pages(self, edition: int, meta: Meta) -> None:
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            asked = {} if cursor is None else {"cursor": cursor}
            page = await self._ask("tools/list", {**asked, **_envelope(meta)})
            if page is None or page.result is UNSET:
                return
            cursor = self._catalogue.learn(page.result, cursor, edition)
            if cursor is None:
                return

    async def _ask(self, method: str, params: object) -> Message | None:
        id = self._new_id()
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def came(seen: Message) -> Fate:
            if not future.done():
                future.set_result(seen)
            return DROP

        self._awaited[id] = came  # stays there when time is up: a late answer is ours still
        self._to_server(request(id, method, params))
        try:
            return await asyncio.wait_for(future, PATIENCE_S)
        except TimeoutError:
            return None

    def listen(self, meta: Meta) -> None:
        """Ask the server to tell of changes, where it does so only when asked: since 2026-07-28."""
        if PROTOCOL not in meta or self._listens_as or self._is_refused:
            return
        self._listens_as = self._new_id()
        self._awaited[self._listens_as] = self._listening_ended
        asked = {"notifications": _NEWS, **_envelope(meta)}
        self._to_server(request(self._listens_as, "subscriptions/listen", asked))

    def _listening_ended(self, seen: Message) -> Fate:
        self._listens_as, self._is_refused = "", seen.result is UNSET
        return Fate(passes=False, changes=None if self._is_refused else UNKNOWN)

    def is_for_us(self, line: bytes) -> bool:
        """Whether the notification on *line* comes because we listen."""
        id = self._listens_as
        return bool(id) and id.encode() in line and SUBSCRIPTION.encode() in line

    def _new_id(self) -> str:
        return f"{self._prefix}{next(self._numbers)}"


def _envelope(meta: Meta) -> dict[str, object]:
    """What each request has to say of its client since 2026-07-28."""
    about = {name: meta[name] for name in (PROTOCOL, CAPABILITIES, CLIENT) if name in meta}
    return {"_meta": about} if PROTOCOL in about else {}
