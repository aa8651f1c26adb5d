"""One program that asks a provider through a cache on disk: what it saw, as one line of JSON."""

import asyncio
import json
import sys

import httpx2

from headway import Cache
from headway.adapters.http import through
from headway.stores.disk import DiskStore

BODY = {
    "model": "gpt-5.6",
    "messages": [{"role": "user", "content": "What is a moat?"}],
    "temperature": 0,
}


async def main(url: str, folder: str) -> None:
    store = DiskStore(folder)
    marks, bodies = [], []
    async with through(httpx2, Cache("1h", store=store)) as http:
        for streams in (False, True):
            response = await http.post(
                f"{url}/chat/completions",
                json={**BODY, "stream": streams},
                headers={"authorization": "Bearer key-of-a"},
            )
            marks.append(response.headers["x-headway-cache"])
            bodies.append(response.content.hex())
    await store.aclose()
    print(json.dumps({"marks": marks, "bodies": bodies}))  # noqa: T201


asyncio.run(main(*sys.argv[1:]))
