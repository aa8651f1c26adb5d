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
    """Says of each call of one cache whether its answer may leave the process's memory.

    Raises:
        BadSetup: that is never so, and *store* has no memory in which they could stay.
    """

    def __init__(self, store: Store, *, always: bool) -> None:
        self._is_shared, self._always = store.is_shared, always
        self._has_memory: bool = getattr(store, "takes_private", True)
        if always and not self._has_memory:
            raise BadSetup(
                f"Cache(private=True, store={store!r}) could keep nothing: private answers stay in "
                "memory, and this store has none; put memory in front: "
                "TieredStore(MemoryStore(), store)"
            )
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
                "answers are %s. Give the class %s(), or leave the object out: "
                'key=without("self")',
                call.operation.name,
                type(call.args[0]).__qualname__,
                "kept in memory only" if self._has_memory else "not kept",
                OWN_KEY,
            )
        return True


def refuse_nameless(operation: Operation, store: Store) -> None:
    """Raise ``BadSetup`` for a function without a name of its own on a store that is shared."""
    if not store.is_shared or not (operation.is_local or operation.is_of_script):
        return
    if operation.is_local:
        why, other = "is made inside a function (or is a lambda)", "another"
    else:
        why, other = "stands in the script that was started", "another script's function"
    raise BadSetup(
        f"{operation.name} {why}, so on a shared store ({store.name}) its answers could be taken "
        f'for those of {other}; give it a name: @operation(..., name="...")'
    )
