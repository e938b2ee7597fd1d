"""Clients that ask without end, a provider that answers them, and what the trail says of it. Never: a rule."""

import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import anyio
import httpx
from attrs import define, field

from aibridge_core.records import Interception, PromptUsage, Status, TokenUsage
from integration.recording.conversation import END, MESSAGES, START
from support.raw_upstream import Answering, Received, raw_upstream

COMPLETE = START + END


@define
class Clients:
    """Each asks one question after the other, never the same one twice, and remembers what became of it."""

    url: str
    token: str
    answered: list[str] = field(factory=list)
    """Prompts whose answers came completely."""
    refused: list[float] = field(factory=list)
    """How long, in seconds, each 503 took."""
    broken: list[str] = field(factory=list)
    """Prompts whose answers broke off, or never came."""
    stopped: bool = False

    async def ask(self, name: str) -> None:
        """Ask until `stopped`, or until nobody listens any more."""
        headers = {"x-api-key": self.token, "content-type": "application/json"}
        async with httpx.AsyncClient(timeout=20, headers=headers) as client:
            number = 0
            while not self.stopped:
                number += 1
                try:
                    await self._ask(client, f"{name}/{number}")
                except httpx.ConnectError:
                    return

    async def until(self, count: int) -> None:
        """Return when `count` more answers have come; fails the test after 30 seconds."""
        enough = len(self.answered) + count
        with anyio.fail_after(30):
            while len(self.answered) < enough:
                await anyio.sleep(0.005)

    async def until_refused(self) -> None:
        """Return when one more request is refused; fails the test after ten seconds."""
        before = len(self.refused)
        with anyio.fail_after(10):
            while len(self.refused) == before:
                await anyio.sleep(0.005)

    async def _ask(self, client: httpx.AsyncClient, prompt: str) -> None:
        body = {"model": "m-1", "stream": True, "messages": [{"role": "user", "content": prompt}]}
        began = monotonic()
        try:
            answer = await client.post(self.url + MESSAGES, content=json.dumps(body))
        except httpx.ConnectError:
            raise
        except httpx.TransportError:
            self.broken.append(prompt)
            return
        if answer.status_code == 503:
            self.refused.append(monotonic() - began)
            await anyio.sleep(0.01)  # a client that is told to try again doesn't do so at once
        elif answer.content == COMPLETE:
            self.answered.append(prompt)
        else:
            self.broken.append(prompt)


@asynccontextmanager
async def asking(url: str, token: str, *, count: int = 6) -> AsyncIterator[Clients]:
    """Clients at work; at the end they finish what they have begun."""
    clients = Clients(url, token)
    async with anyio.create_task_group() as tasks:
        for name in range(count):
            tasks.start_soon(clients.ask, str(name))
        yield clients
        clients.stopped = True


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[str, list[str]]]:
    """A provider that answers after a moment: its address, and the prompts it was asked."""
    asked: list[str] = []

    async def script(request: Received, answer: Answering) -> None:
        asked.append(json.loads(request.body)["messages"][0]["content"])
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await anyio.sleep(0.002)
        await answer.chunk(END)
        await answer.raw(b"0\r\n\r\n")

    async with raw_upstream(script) as running:
        yield running.url, asked


def prompt_of(interception: Interception) -> str:
    """The prompt; empty if there is none, or more than one."""
    prompts = [each.fact.prompt for each in interception.records if isinstance(each.fact, PromptUsage)]
    return prompts[0] if len(prompts) == 1 else ""


def complete(trail: Sequence[Interception]) -> Collection[str]:
    """Prompts of the completed ones, each of which has its prompt and its tokens exactly once."""
    found = [each for each in trail if each.status is Status.COMPLETED]
    for each in found:
        assert prompt_of(each)
        assert sum(isinstance(record.fact, TokenUsage) for record in each.records) == 1
    prompts = {prompt_of(each) for each in found}
    assert len(prompts) == len(found)
    return prompts
