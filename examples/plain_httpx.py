"""A blocking client of httpx through Headway; the module is whichever you pass."""

import httpx

from headway import Cache, through
from headway.testing import Provider

TEXTS = {"model": "text-embedding-3-small", "input": ["a moat", "a castle"]}


def main() -> None:
    with Provider() as model, through(httpx, Cache("1d"), sync=True) as http:
        for _ in range(3):
            answer = http.post(
                f"{model.openai_url}/embeddings",
                json=TEXTS,
                headers={"authorization": "Bearer any text"},
            )
            vectors = [each["embedding"] for each in answer.json()["data"]]
            print(answer.headers["x-headway-cache"], len(vectors), "vectors")
        print(f"asked 3 times, sent {len(model.log)} time")


main()
