"""Answers that stay in this process: by choice, or because no other process knows the question."""

from __future__ import annotations

import logging

from ..call import Call, Operation
from ..errors import BadSetup
from ..keys.identity import OWN_KEY
from ..scope import current
from ..stores import Store

log = logging.getLogger("headway.policies")


class Privacy:
    """Says of each call of one cache whether its answer may leave the process's memory."""

    def __init__(self, store: Store, *, always: bool) -> None:
        self._is_shared, self._always = store.is_shared, always
        self._has_warned = False

    def covers(self, call: Call) -> bool:
        """Whether the answer to *call* is for this process's memory alone."""
        if self._always or current.get().private:
            return True
        return self._is_shared and call.operation.has_self_in_key and self._is_nameless(call)

    def _is_nameless(self, call: Call) -> bool:
        """Whether the object of a method is known by its identity, which nobody else shares."""
        if not call.args or hasattr(type(call.args[0]), OWN_KEY):
            return False
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "%s: a %s is known by its identity, which means nothing in another process; its "
                "answers are kept in memory only. Give the class %s(), or leave the object out: "
                'key=without("self")',
                call.operation.name,
                type(call.args[0]).__qualname__,
                OWN_KEY,
            )
        return True


def refuse_local(operation: Operation, store: Store) -> None:
    """Raise ``BadSetup`` for a function without a name of its own on a store that is shared."""
    if store.is_shared and operation.is_local:
        raise BadSetup(
            f"{operation.name} is made inside a function (or is a lambda), so on a shared store "
            f"({store.name}) its answers could be taken for those of another; give it a name: "
            f'@operation(..., name="...")'
        )
