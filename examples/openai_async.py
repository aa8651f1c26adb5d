"""AsyncOpenAI through Headway: the same question again costs nothing, plain or streamed.

Runs against the stand-in provider; leave ``base_url`` out and set a real key to ask a real model.
"""

import asyncio

import httpx2
from openai import AsyncOpenAI

from headway import Cache, Retry, UpstreamFailed, through
from headway.testing import Provider

QUESTION = [{"role": "user", "content": "What is a moat?"}]


async def main() -> None:
    async with (
        Provider("A moat keeps rivals out.") as model,
        through(httpx2, Cache("1d"), Retry(4, on=UpstreamFailed)) as http,
    ):
        llm = AsyncOpenAI(base_url=model.openai_url, api_key="any text", http_client=http)
        for _ in range(3):
            answer = await llm.chat.completions.create(
                model="gpt-5.6", messages=QUESTION, temperature=0
            )
        print(answer.choices[0].message.content)

        async def read() -> str:
            words = await llm.chat.completions.create(
                model="gpt-5.6", messages=QUESTION, temperature=0, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in words])

        same = await asyncio.gather(*[read() for _ in range(20)])
        assert set(same) == {answer.choices[0].message.content}
        print(f"asked 23 times, sent {len(model.log)} times")


asyncio.run(main())
