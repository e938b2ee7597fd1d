"""A scripted provider on a free port, and the official SDKs pointed at it."""

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest

from aibridge_adapters.scripted_provider import RunningProvider, scripted_provider


@pytest.fixture
async def provider() -> AsyncIterator[RunningProvider]:
    """With the default script."""
    async with scripted_provider() as running:
        yield running


@pytest.fixture
async def claude(provider: RunningProvider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's SDK; it doesn't retry."""
    async with anthropic.AsyncAnthropic(base_url=provider.base_url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def gpt(provider: RunningProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's SDK; it doesn't retry."""
    async with openai.AsyncOpenAI(base_url=provider.openai_base_url, api_key="any", max_retries=0) as client:
        yield client
