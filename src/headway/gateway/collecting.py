"""The garbage collector of a process that serves: what was made before is not looked at again."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 50_000


def collect_seldom() -> None:
    """Spare what stands at the start, and look for circles less often.

    Answers that are kept, and heads that are remembered, are many objects that live long; each full
    collection goes through all of them, and an exchange leaves no circle behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 50)
