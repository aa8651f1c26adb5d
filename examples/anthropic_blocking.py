"""Anthropic, the blocking client, through Headway in one line.

Runs against the stand-in provider; leave ``base_url`` out and set a real key to ask a real model.
"""

from anthropic import Anthropic

import headway
from headway import Cache
from headway.testing import Provider

QUESTION = [{"role": "user", "content": "What is a moat?"}]


def main() -> None:
    with Provider("A moat keeps rivals out.") as model:
        client = Anthropic(base_url=model.anthropic_url, api_key="any text")
        with headway.wrap(client, Cache("1d", every=True)) as llm:
            for _ in range(3):
                raw = llm.messages.with_raw_response.create(
                    model="claude-sonnet-5", messages=QUESTION, max_tokens=100
                )
                print(raw.headers["x-headway-cache"], raw.parse().content[0].text)
        print(f"asked 3 times, sent {len(model.log)} time")


main()
