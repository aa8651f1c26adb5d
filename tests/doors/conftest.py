"""A model that does as told, and companies to ask about."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from headway.testing import Provider
from tests.doors.world import Companies, Obedient


@pytest.fixture
def companies() -> Companies:
    return Companies()


@pytest.fixture
def model() -> Obedient:
    return Obedient()


@pytest.fixture
async def client(model: Obedient) -> AsyncIterator[AsyncOpenAI]:
    async with (
        Provider(answers=model) as provider,
        AsyncOpenAI(base_url=provider.openai_url, api_key="k") as client,
    ):
        yield client
