"""AsyncAnthropic through Headway: three agents ask the same at once, one request is sent.

The client has no parameter for temperature any more, so the cache is told to keep every answer.
Runs against the stand-in provider; leave ``base_url`` out and set a real key to ask a real model.
"""

import asyncio

import httpx2
from anthropic import AsyncAnthropic

from headway import Cache, Limit, through
from headway.testing import Provider

QUESTION = [{"role": "user", "content": "What is a moat?"}]


async def main() -> None:
    policies = (Cache("1d", every=True), Limit(per_minute=500))
    async with (
        Provider("A moat keeps rivals out.") as model,
        through(httpx2, *policies) as http,
    ):
        llm = AsyncAnthropic(base_url=model.anthropic_url, api_key="any text", http_client=http)

        async def read() -> str:
            async with llm.messages.stream(
                model="claude-sonnet-5", messages=QUESTION, max_tokens=100
            ) as stream:
                return "".join([text async for text in stream.text_stream])

        texts = await asyncio.gather(*[read() for _ in range(3)])
        print(texts[0])
        print(f"asked {len(texts)} times, sent {len(model.log)} time")


asyncio.run(main())
