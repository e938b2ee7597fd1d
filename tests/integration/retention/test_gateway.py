"""Retention and content policy as a whole gateway has them."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.compose import gateway
from aibridge_adapters.config import Settings
from aibridge_adapters.storage import open_storage
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio

DAY = 86_400.0
ASKED = b'{"model": "m-1", "max_tokens": 9, "messages": [{"role": "user", "content": "a secret of mine"}]}'
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m-1","content":['
    b'{"type":"thinking","thinking":"a secret thought","signature":"s"},'
    b'{"type":"tool_use","id":"toolu_1","name":"Read","input":{"path":"secret.txt"}}],'
    b'"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":2}}'
)


async def answers(request: Received, answer: Answering) -> None:
    assert request.body == ASKED
    await answer.whole(MESSAGE, 200, ("content-type", "application/json"))


@pytest.mark.parametrize(("policy", "begins"), [("none", ""), ("hashed", "hmac-sha256:")])
async def test_words_are_relayed_and_not_recorded(tmp_path: Path, policy: str, begins: str) -> None:
    """Provider and client get every byte; the trail says what was called and spent, and why the words are missing."""
    changes = {"record_content": policy, "content_hash_key": "k" * 32}
    async with (
        raw_upstream(answers) as upstream,
        running_gateway(tmp_path, upstream.url, **changes) as up,
        up.client() as client,
    ):
        answer = await client.post("/anthropic/v1/messages", content=ASKED, headers=up.anthropic)
        assert answer.content == MESSAGE
        (kept,) = await up.ended()
    (prompt,), (call,) = kept["user_prompts"], kept["tool_usages"]
    assert (prompt["prompt"].partition(":")[0], prompt["metadata"]) == (begins.rstrip(":"), {"content": policy})
    assert (call["tool"], call["input"].partition(":")[0]) == ("Read", begins.rstrip(":"))
    assert [usage["output_tokens"] for usage in kept["token_usages"]] == [2]
    assert "secret" not in str(kept)


async def logged(caplog: pytest.LogCaptureFixture, settings: Settings, *, removes: bool = True) -> list[str]:
    """What a gateway says about retention while it starts."""
    caplog.set_level(logging.INFO, logger="aibridge")
    async with AsyncExitStack() as stack:
        storage = None
        if not removes:
            opened = open_storage("sqlite:///:memory:", clock=SystemClock(), owner="test")
            storage = evolve(await stack.enter_async_context(opened), retention=None)
        await stack.enter_async_context(gateway(settings, storage=storage))
        await anyio.wait_all_tasks_blocked()
    return [
        f"{record.levelname} {record.getMessage()} {getattr(record, 'interceptions', '')}".strip()
        for record in caplog.records
        if record.getMessage().startswith(("retention", "this storage"))
    ]


async def test_a_gateway_says_how_long_it_keeps(caplog: pytest.LogCaptureFixture) -> None:
    """At its start, before anything is removed."""
    assert await logged(caplog, Settings(database_url="sqlite:///:memory:")) == ["INFO retention 60d"]


async def test_a_gateway_that_keeps_everything_removes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing to say then."""
    assert await logged(caplog, Settings(database_url="sqlite:///:memory:", retention=0)) == []


async def test_a_storage_that_can_not_delete_is_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody relies on it otherwise."""
    (line,) = await logged(caplog, Settings(), removes=False)
    assert line.startswith("WARNING this storage can't delete")


async def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    """A library user learns it at the start, too."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db", retention=DAY, prompt_retention=2 * DAY)
    with pytest.raises(ValueError, match="contents can't be kept longer"):
        async with gateway(settings):
            pass
