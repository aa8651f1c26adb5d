"""One file, one policy: what may stand around a call."""

from .batch import Batch
from .cache import Cache, CacheStatistics
from .decorator import Answer, AsyncOperation, SyncOperation, batched, build, operation
from .fallback import Fallback
from .limit import Limit
from .retry import Retry
from .share import Share
from .timeout import Timeout
from .watch import Watch, note

__all__ = [
    "Answer",
    "AsyncOperation",
    "Batch",
    "Cache",
    "CacheStatistics",
    "Fallback",
    "Limit",
    "Retry",
    "Share",
    "SyncOperation",
    "Timeout",
    "Watch",
    "batched",
    "build",
    "note",
    "operation",
]
