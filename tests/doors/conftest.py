"""A model that does as told, and companies to ask about."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from headway.testing import Provider
from tests.doors.frameworks import client_of
from tests.doors.world import Companies, Obedient


@pytest.fixture
def companies() -> Companies:
    return Companies()


@pytest.fixture
def model() -> Obedient:
    return Obedient()


@pytest.fixture
async def client(model: Obedient) -> AsyncIterator[AsyncOpenAI]:
    async with Provider(answers=model) as provider, client_of(provider) as client:
        yield client
