"""What ``through`` and ``wrap`` give, as a type checker sees it."""

import asyncio
from typing import assert_type

import httpx
import httpx2
import openai

import headway
from headway import Cache, Retry, UpstreamFailed

assert_type(headway.through(httpx2, Cache("1d")), httpx2.AsyncClient)
assert_type(headway.through(httpx2, Cache("1d"), sync=True), httpx2.Client)
assert_type(headway.through(httpx, Cache("1d"), timeout=3), httpx.AsyncClient)
assert_type(headway.through(httpx, Cache("1d"), sync=True, verify=False), httpx.Client)
headway.through(httpx2, base=httpx2.AsyncHTTPTransport())
headway.through(httpx2, base=httpx2.HTTPTransport(), sync=True)
headway.through(httpx2, base=httpx2.HTTPTransport())  # error: call-overload
headway.through(httpx2, "1d")  # error: call-overload
headway.through(asyncio)  # error: arg-type

client = openai.AsyncOpenAI()
assert_type(headway.wrap(client), openai.AsyncOpenAI)
assert_type(headway.wrap(openai.OpenAI(), Retry(2, on=UpstreamFailed)), openai.OpenAI)
