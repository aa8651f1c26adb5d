"""What a cache takes, and what the words around it give, as a type checker sees them."""

from typing import Any, assert_type

from headway import Cache, CacheStatistics, CallEnded, operation, scope
from headway.policies import LastAnswer, answer_version, last_answer
from headway.policies.market_hours import until
from headway.policies.warming import WarmResult, warm


def ttl(answer: dict[str, int]) -> str | None:
    return "1m" if answer else None


Cache(ttl)
Cache(until("16:00", zone="America/New_York", days="mon-fri"))
Cache("1m", jitter=0.1, stale_for="1h", soft_timeout="50ms", refresh_at=0.8)
Cache("1m", errors={LookupError: "30s", OSError: 1})
Cache("1m", private=True, lease=None)

until("16:00")  # error: call-arg
Cache(object())  # error: arg-type
Cache("1m", errors={"LookupError": 1})  # error: dict-item
Cache("1m", errors=[LookupError])  # error: arg-type
Cache("1m", private="yes")  # error: arg-type
Cache("1m", jitter="10%")  # error: arg-type
scope(private="yes")  # error: arg-type
answer_version(7)  # error: arg-type


@operation(Cache("1m"))
async def find(name: str) -> int:
    last = last_answer()
    assert_type(last, LastAnswer | None)
    if last is not None:
        assert_type(last.value, Any)
        assert_type(last.version, str)
        assert_type(last.age_s, float)
        last.version = "x"  # error: misc
    return 1


@operation(Cache("1m"))
def find_plainly(name: str) -> int:
    return 1


async def ask(statistics: CacheStatistics, event: CallEnded) -> None:
    result = await warm(find, [("a",), "b"], at_once=2)
    assert_type(result, WarmResult)
    assert_type(result.errors, dict[str, int])
    await warm(find_plainly, range(3))
    await warm(print, [1])  # error: arg-type
    assert_type(statistics.hits_by_tier, dict[str, int])
    assert_type(event.tier, str | None)
