"""OpenAI, the blocking client, through Headway in one line.

Runs against the stand-in provider; leave ``base_url`` out and set a real key to ask a real model.
"""

from openai import OpenAI

import headway
from headway.testing import Provider

QUESTION = [{"role": "user", "content": "What is a moat?"}]


def main() -> None:
    with Provider("A moat keeps rivals out.") as model:
        client = OpenAI(base_url=model.openai_url, api_key="any text")
        with headway.wrap(client) as llm:
            for _ in range(3):
                raw = llm.chat.completions.with_raw_response.create(
                    model="gpt-5.6", messages=QUESTION, temperature=0
                )
                print(raw.headers["x-headway-cache"], raw.parse().choices[0].message.content)
        print(f"asked 3 times, sent {len(model.log)} time")


main()
