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
HOLD = "hold on"
"""How prompts begin whose answers the provider holds back."""


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
    held: int = 0
    """Answers that have begun and wait for the provider."""
    stopped: bool = False

    async def ask(self, name: str) -> None:
        """Ask until `stopped`, or until nobody listens any more."""
        async with self._client() as client:
            number = 0
            while not self.stopped:
                number += 1
                try:
                    await self._ask(client, f"{name}/{number}")
                except httpx.ConnectError:
                    return

    async def hold(self, name: str) -> None:
        """Ask what is answered only when the provider is told to go on."""
        prompt = f"{HOLD} {name}"
        async with self._client() as client:
            try:
                async with client.stream("POST", self.url + MESSAGES, content=_body(prompt)) as answer:
                    pieces = answer.aiter_raw()
                    content = await anext(pieces)
                    self.held += 1
                    content += b"".join([piece async for piece in pieces])
            except httpx.TransportError:
                self.broken.append(prompt)
            else:
                (self.answered if content == COMPLETE else self.broken).append(prompt)

    async def until(self, count: int) -> None:
        """Return when `count` more answers have come; fails the test after 40 seconds."""
        enough = len(self.answered) + count
        with anyio.fail_after(40):
            while len(self.answered) < enough:
                await anyio.sleep(0.005)

    async def until_refused(self) -> None:
        """Return when one more request is refused; fails the test after ten seconds."""
        before = len(self.refused)
        with anyio.fail_after(10):
            while len(self.refused) == before:
                await anyio.sleep(0.005)

    def _client(self) -> httpx.AsyncClient:
        headers = {"x-api-key": self.token, "content-type": "application/json"}
        return httpx.AsyncClient(timeout=20, headers=headers)

    async def _ask(self, client: httpx.AsyncClient, prompt: str) -> None:
        began = monotonic()
        try:
            answer = await client.post(self.url + MESSAGES, content=_body(prompt))
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


def _body(prompt: str) -> str:
    return json.dumps({"model": "m-1", "stream": True, "messages": [{"role": "user", "content": prompt}]})


@asynccontextmanager
async def asking(url: str, token: str, *, count: int = 6, held: int = 0, name: str = "") -> AsyncIterator[Clients]:
    """Clients at work, some of them held by the provider; at the end they finish what they have begun."""
    clients = Clients(url, token)
    async with anyio.create_task_group() as tasks:
        for number in range(held):
            tasks.start_soon(clients.hold, f"{name}{number}")
        with anyio.fail_after(20):
            while clients.held < held:
                await anyio.sleep(0.005)
        for number in range(count):
            tasks.start_soon(clients.ask, f"{name}{number}")
        yield clients
        clients.stopped = True


@define
class Provider:
    """Answers after a moment, or when it is told to."""

    url: str = ""
    asked: list[str] = field(factory=list)
    """Prompts."""
    go_on: anyio.Event = field(factory=anyio.Event)

    async def __call__(self, request: Received, answer: Answering) -> None:
        prompt = json.loads(request.body)["messages"][0]["content"]
        self.asked.append(prompt)
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await (self.go_on.wait() if prompt.startswith(HOLD) else anyio.sleep(0.002))
        await answer.chunk(END)
        await answer.raw(b"0\r\n\r\n")


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """One that runs."""
    found = Provider()
    async with raw_upstream(found) as running:
        found.url = running.url
        yield found


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
