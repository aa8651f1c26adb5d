"""The shipped fixture, and clients that do not retry on their own."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from headway.testing import Provider
from headway.testing.pytest_plugin import model_provider

__all__ = ["model_provider"]


@pytest.fixture
def openai_client(model_provider: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=model_provider.openai_url, api_key="sk-test", max_retries=0
    ) as client:
        yield client


@pytest.fixture
def anthropic_client(model_provider: Provider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=model_provider.anthropic_url, api_key="sk-ant-test", max_retries=0
    ) as client:
        yield client
