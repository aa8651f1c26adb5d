"""One file, one policy: what may stand around a call.

``market_hours.until`` and ``warming.warm`` are taken from their files by those who need them.
"""

from .batch import Batch
from .cache import Cache
from .cache_statistics import CacheStatistics
from .decorator import Answer, AsyncOperation, SyncOperation, batched, build, operation
from .fallback import Fallback
from .last_answer import LastAnswer, answer_version, last_answer
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
    "LastAnswer",
    "Limit",
    "Retry",
    "Share",
    "SyncOperation",
    "Timeout",
    "Watch",
    "answer_version",
    "batched",
    "build",
    "last_answer",
    "note",
    "operation",
]
