"""Tunnels for tests: a gateway in front of a provider with WebSockets, and a client that asks as Codex does.

Belongs here: the world of a test, and the messages of one response. Never: what should happen.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aibridge_adapters.config import ProviderSettings
from support.running import Running, running_gateway
from support.sockets import Peer, Script, SocketProvider, socket_client, socket_provider

KEY = "sk-central-key-of-the-upstream"
PATH = "/openai/v1/responses"


def create(prompt: str, **more: Any) -> str:
    """A request, with spaces and an order of its own, so that a copy that was written anew can be told."""
    message = [{"role": "user", "content": [{"type": "input_text", "text": prompt}]}]
    return json.dumps({"type": "response.create", "model": "m-1", "input": message, **more}, indent=1)


def events(number: int) -> list[str]:
    """The messages of one response."""
    response = f'{{"id": "resp_{number}", "model": "m-1-2026"'
    usage = '"usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}'
    item = (
        f'{{"type": "function_call", "id": "fc_{number}", "call_id": "call_{number}", "name": "shell",'
        ' "arguments": "{\\"cmd\\": \\"ls\\"}"}'
    )
    return [
        f'{{"type": "response.created", "response": {response}}}}}',
        '{"type": "response.output_text.delta",\r\n "delta": "h\u00e9llo\\n \U0001f600"}',
        f'{{"type": "response.output_item.done", "output_index": 0, "item": {item}}}',
        f'{{"type":  "response.completed", "response": {response}, "output": [{item}], {usage}}}}}',
    ]


async def answering(peer: Peer) -> None:
    """A provider that answers whatever comes, one after the other."""
    number = 0
    while True:
        await peer.hear()
        number += 1
        for event in events(number):
            await peer.say(event)


@asynccontextmanager
async def world(folder: Path, script: Script = answering, **more: Any) -> AsyncIterator[tuple[Running, SocketProvider]]:
    """A gateway in front of a provider with WebSockets; `provider` are settings of that provider."""
    keys = more.pop("keys", (KEY,))
    given = {name: more.pop(name) for name in ("refuse", "answer_headers") if name in more}
    async with socket_provider(script, **given) as provider:
        openai = ProviderSettings(
            type="openai",
            name="openai",
            base_url=f"{provider.url}/v1/",
            keys=keys,
            websockets=more.pop("websockets", True),
            **more.pop("provider", {}),
        )
        async with running_gateway(folder, "http://127.0.0.1:9", providers=(openai,), **more) as up:
            yield up, provider


def headers(up: Running, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """As Codex sends them."""
    return [
        (b"authorization", f"Bearer {up.token}".encode()),
        (b"user-agent", b"codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.169.0)"),
        (b"originator", b"codex_exec"),
        (b"session-id", b"01a200e6-8cca-7d13-8124-5be1d5b3ae4e"),
        (b"openai-beta", b"responses_websockets=2026-02-06"),
        *more,
    ]


@asynccontextmanager
async def tunnel(up: Running, *more: tuple[bytes, bytes], deflate: bool = False) -> AsyncIterator[Peer]:
    """An open one."""
    async with socket_client(up.url, PATH, headers(up, *more), deflate=deflate) as client:
        yield client


async def hear_response(client: Peer) -> list[str]:
    """All messages of one response."""
    return [await client.hear() for _ in range(4)]
