"""The HTTP door: clients of httpx2 or httpx, and the SDKs built on them, through policies.

async with through(httpx2, Cache("1d"), Retry(4, on=UpstreamFailed)) as http:
    llm = AsyncOpenAI(http_client=http)
"""

from .elsewhere import elsewhere
from .exchange import Exchange
from .kept import register_answers
from .through import through
from .wrap import wrap

__all__ = ["Exchange", "elsewhere", "through", "wrap"]

register_answers()
