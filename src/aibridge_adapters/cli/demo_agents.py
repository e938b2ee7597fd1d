"""Three small AI clients that behave on the wire as Claude Code, Codex and OpenCode do: headers, bodies, tool loops.

Belongs here: what such a client sends and how it reads an answer. Never: what is asked (demo_turns) or printing.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import msgspec
from attrs import Factory, define, frozen

from aibridge_adapters.clock import new_id
from aibridge_core.sse import SseScanner

Json = dict[str, Any]

_COMMAND = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}


@define(kw_only=True)
class Heard:
    """What a client took from an answer."""

    status: int
    events: int = 0
    text: str = ""
    thought: bool = False
    calls: list[str] = Factory(list)
    """Names of the tools that are called."""
    error: str = ""
    hung_up: bool = False


@frozen(kw_only=True)
class Line:
    """The way to the gateway."""

    http: httpx.AsyncClient
    path: str
    headers: Mapping[str, str]

    async def events(self, body: Json, heard: Heard, hang_up_after: int) -> AsyncGenerator[Json, None]:
        """The events of a streamed answer as they come; an error's message goes to `heard`."""
        scanner = SseScanner()
        async with self.http.stream("POST", self.path, headers=self.headers, json=body) as answer:
            heard.status = answer.status_code
            if answer.status_code != 200:
                heard.error = msgspec.json.decode(await answer.aread())["error"]["message"]
                return
            async for piece in answer.aiter_bytes():
                for event in scanner.feed(piece):
                    if event.data and event.data != b"[DONE]":
                        heard.events += 1
                        yield msgspec.json.decode(event.data)
                    if heard.events == hang_up_after:
                        heard.hung_up = True
                        return


class ClaudeCode:
    """Messages, with thinking, a session in header and body, and its system prompt in the cache."""

    name = "Claude Code"

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._session = new_id()
        self._messages: list[Json] = []
        headers = {
            "authorization": f"Bearer {token}",
            "user-agent": "claude-cli/2.1.330 (external, cli)",
            "x-app": "cli",
            "x-claude-code-session-id": self._session,
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
        }
        self._line = Line(http=http, path="/anthropic/v1/messages?beta=true", headers=headers)

    async def ask(self, prompt: str, *, hang_up_after: int = 0) -> Heard:
        """Say something."""
        return await self._send([{"type": "text", "text": prompt}], hang_up_after)

    async def give_results(self, text: str) -> Heard:
        """Answer every open tool call with this text."""
        calls = [block for block in self._messages[-1]["content"] if block["type"] == "tool_use"]
        return await self._send([{"type": "tool_result", "tool_use_id": call["id"], "content": text} for call in calls])

    async def _send(self, content: Sequence[Json], hang_up_after: int = 0) -> Heard:
        self._messages.append({"role": "user", "content": content})
        heard, blocks = Heard(status=0), list[Json]()
        async with aclosing(self._line.events(self._body(), heard, hang_up_after)) as events:
            async for event in events:
                _take_block(event, blocks)
        self._messages.append({"role": "assistant", "content": blocks})
        heard.text = "".join(block["text"] for block in blocks if block["type"] == "text")
        heard.thought = any(block["type"] == "thinking" for block in blocks)
        heard.calls = [block["name"] for block in blocks if block["type"] == "tool_use"]
        return heard

    def _body(self) -> Json:
        user_id = msgspec.json.encode({"device_id": "demo", "account_uuid": "", "session_id": self._session}).decode()
        prompt = "You are a coding agent. Use the tools you are offered."
        return {
            "model": "claude-sonnet-4-5",
            "max_tokens": 32000,
            "system": [{"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}],
            "messages": self._messages,
            "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": _COMMAND}],
            "thinking": {"type": "adaptive"},
            "metadata": {"user_id": user_id},
            "stream": True,
        }


def _take_block(event: Json, blocks: list[Json]) -> None:
    """Let a Messages event grow the content blocks; they go back to the provider in the next request."""
    if event["type"] == "content_block_start":
        blocks.append(dict(event["content_block"]))
    elif event["type"] == "content_block_delta":
        block, delta = blocks[event["index"]], event["delta"]
        for field in ("text", "thinking", "signature"):
            if field in delta:
                block[field] += delta[field]
        if "partial_json" in delta:
            block["source"] = block.get("source", "") + delta["partial_json"]
    elif event["type"] == "content_block_stop" and "source" in blocks[-1]:
        blocks[-1]["input"] = msgspec.json.decode(blocks[-1].pop("source"))


class Codex:
    """Responses, nothing stored at the provider, reasoning sent back encrypted."""

    name = "Codex"

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._session = new_id()
        self._input: list[Json] = []
        headers = {
            "authorization": f"Bearer {token}",
            "user-agent": "codex_cli_rs/0.169.0 (Debian 12.0.0; x86_64) xterm",
            "originator": "codex_cli_rs",
            "session-id": self._session,
            "accept": "text/event-stream",
        }
        self._line = Line(http=http, path="/openai/v1/responses", headers=headers)

    async def ask(self, prompt: str, *, hang_up_after: int = 0) -> Heard:
        """Say something."""
        said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
        return await self._send([said], hang_up_after)

    async def give_results(self, text: str) -> Heard:
        """Answer every open tool call with this text."""
        answered = {item["call_id"] for item in self._input if item["type"] == "function_call_output"}
        calls = [item["call_id"] for item in self._input if item["type"] == "function_call"]
        outputs = [{"type": "function_call_output", "call_id": call, "output": text} for call in calls]
        return await self._send([output for output in outputs if output["call_id"] not in answered])

    async def _send(self, items: Sequence[Json], hang_up_after: int = 0) -> Heard:
        self._input += items
        heard, output = Heard(status=0), list[Json]()
        async with aclosing(self._line.events(self._body(), heard, hang_up_after)) as events:
            async for event in events:
                if event["type"] == "response.output_item.done":
                    output.append(event["item"])
        self._input += output
        heard.text = "".join(part["text"] for item in output for part in item.get("content", ()))
        heard.thought = any(item["type"] == "reasoning" for item in output)
        heard.calls = [item["name"] for item in output if item["type"] == "function_call"]
        return heard

    def _body(self) -> Json:
        tool = {"type": "function", "name": "exec_command", "description": "Runs a command.", "parameters": _COMMAND}
        return {
            "model": "gpt-5-codex",
            "instructions": "You are a coding agent. Use the tools you are offered.",
            "input": self._input,
            "tools": [tool],
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": self._session,
            "store": False,
            "stream": True,
        }


class OpenCode:
    """Chat Completions. It doesn't ask for usage: the gateway does, and hides the extra chunk from it."""

    name = "OpenCode"

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._messages: list[Json] = []
        headers = {
            "authorization": f"Bearer {token}",
            "user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14",
            "x-session-id": f"ses_{new_id()}",
        }
        self._line = Line(http=http, path="/openai/v1/chat/completions", headers=headers)

    async def ask(self, prompt: str, *, hang_up_after: int = 0) -> Heard:
        """Say something."""
        self._messages.append({"role": "user", "content": prompt})
        heard = Heard(status=0)
        body = {"model": "gpt-5-mini", "messages": self._messages, "stream": True}
        async with aclosing(self._line.events(body, heard, hang_up_after)) as events:
            async for chunk in events:
                heard.text += "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
        self._messages.append({"role": "assistant", "content": heard.text})
        return heard
