"""Any client of httpx2 through Headway: a failure that passes is asked again, and then kept."""

import asyncio

import httpx2

from headway import Cache, Retry, UpstreamFailed, through
from headway.testing import Provider

QUESTION = {
    "model": "gpt-5.6",
    "messages": [{"role": "user", "content": "What is a moat?"}],
    "temperature": 0,
}


async def main() -> None:
    policies = (Cache("1d"), Retry(3, on=UpstreamFailed, first_wait="1ms"))
    async with Provider("A moat keeps rivals out.") as model, through(httpx2, *policies) as http:
        model.fail_next(status=503)
        for _ in range(3):
            answer = await http.post(
                f"{model.openai_url}/chat/completions",
                json=QUESTION,
                headers={"authorization": "Bearer any text"},
            )
            said = answer.json()["choices"][0]["message"]["content"]
            print(answer.status_code, answer.headers["x-headway-cache"], said)
        print(f"asked 3 times, sent {len(model.log)} times: a 503, and the answer")


asyncio.run(main())
