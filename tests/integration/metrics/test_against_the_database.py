"""What metrics say of a mixed load is what the database says of it."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from aibridge_adapters.scripted_provider import scripted_provider
from support.mcp_server import tool_server
from support.process import Served, served
from support.running import ADMIN_TOKEN, UPSTREAM_KEY

TOOL = {"name": "Read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
TOOL_OF_OPENAI = {"type": "function", "name": "get", "parameters": {"type": "object", "properties": {}}}
AS_USER = {
    "authorization": f"Bearer {ADMIN_TOKEN}",
    "user-agent": "codex_cli_rs/0.50.0",
    "anthropic-version": "2023-06-01",
}
SAID = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes?"}]

Numbers = Mapping[tuple[str, ...], float]
Samples = Mapping[tuple[tuple[str, str], ...], float]
Page = Mapping[str, Samples]


def message(prompt: str, **more: Any) -> tuple[str, dict[str, Any]]:
    said = [*SAID, {"role": "user", "content": prompt}]
    return "/anthropic/v1/messages", {"model": "claude-x", "max_tokens": 99, "messages": said, **more}


def chat(prompt: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "/openai/v1/chat/completions", {
        "model": "gpt-x",
        "messages": [{"role": "user", "content": prompt}],
        **more,
    }


def responses(prompt: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "/openai/v1/responses", {"model": "gpt-y", "input": prompt, **more}


LOAD = [
    message("Hello, no tools"),
    message("Hello again, no tools", stream=True),
    message("Use a tool", tools=[TOOL]),
    message("Use a tool, streaming", tools=[TOOL], stream=True),
    message("think about it, no tools", stream=True),
    message("error 529"),
    message("error mid-stream, no tools", stream=True),
    message("cut, no tools", stream=True),
    message("cut, no tools"),
    message("call bmcp_tools_echo", stream=True),
    message("call bmcp_tools_echo"),
    chat("Hello, no tools"),
    chat("Hello, no tools", stream=True),
    chat("error 429"),
    responses("Hello, no tools"),
    responses("Hello, no tools", stream=True),
    responses("Use it", tools=[TOOL_OF_OPENAI]),
    responses("error 500"),
]


async def send(client: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> None:
    """Ask, and take whatever comes of it."""
    try:
        await client.post(path, json=body)
    except httpx.RemoteProtocolError:
        assert "cut" in str(body)


async def leave(client: httpx.AsyncClient) -> None:
    """Ask for a slow stream, and go away after its first piece."""
    path, body = message("slow, no tools", stream=True)
    async with client.stream("POST", path, json=body) as answer:
        await anext(answer.aiter_raw())


async def load(up: Served) -> None:
    async with (
        httpx.AsyncClient(base_url=up.url, headers=AS_USER, timeout=20) as client,
        anyio.create_task_group() as tasks,
    ):
        for path, body in LOAD:
            tasks.start_soon(send, client, path, body)
        tasks.start_soon(leave, client)
        tasks.start_soon(client.get, "/anthropic/v1/models")
        tasks.start_soon(client.post, "/anthropic/v1/nothing")
        tasks.start_soon(client.post, "/openai/v1/chat/completions")


async def scraped(up: Served) -> Page:
    """Every sample, by its name and then its labels."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{up.metrics}/metrics")).text
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in parsed(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def by(samples: Samples, *labels: str) -> Numbers:
    """Summed over all other labels."""
    sums: Counter[tuple[str, ...]] = Counter()
    for shown, value in samples.items():
        sums[tuple(dict(shown)[label] for label in labels)] += value  # type: ignore[assignment]
    return sums


async def settled(up: Served) -> Page:
    """The page, as soon as nothing is under way any more."""
    with anyio.fail_after(20):
        while True:
            page = await scraped(up)
            if not any(page["aibridge_interceptions_inflight"].values()):
                return page
            await anyio.sleep(0.02)


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path]:
    """The page and the database file of a real gateway after the load."""
    folder = tmp_path_factory.mktemp("gateway")
    return anyio.run(_after_load, folder), folder / "aibridge.db"


async def _after_load(folder: Path) -> Page:
    async with scripted_provider() as provider, tool_server() as tools:
        more = {
            "AIBRIDGE_PROVIDER_1_TYPE": "openai",
            "AIBRIDGE_PROVIDER_1_BASE_URL": provider.openai_base_url,
            "AIBRIDGE_PROVIDER_1_KEY": UPSTREAM_KEY,
            "AIBRIDGE_MCP_0_NAME": "tools",
            "AIBRIDGE_MCP_0_URL": tools.url,
            "AIBRIDGE_PROMETHEUS_ENABLE": "true",
            "AIBRIDGE_PROMETHEUS_ADDRESS": "127.0.0.1:0",
        }
        async with served(folder, provider.base_url, **more) as up:
            await load(up)
            return await settled(up)


JOINED = "JOIN interceptions i ON i.id = interception_id"
EQUAL = {
    ("interceptions_total", "provider", "model", "status", "initiator_id", "client"): """
        SELECT provider_name, model, status, initiator_id, client, count(*) FROM interceptions
        GROUP BY 1, 2, 3, 4, 5""",
    ("interception_failures_total", "provider", "model", "error_type"): """
        SELECT provider_name, model, error_type, count(*) FROM interceptions WHERE error_type != ''
        GROUP BY 1, 2, 3""",
    ("prompts_total", "provider", "model", "initiator_id", "client"): f"""
        SELECT provider_name, model, initiator_id, client, count(*) FROM user_prompts {JOINED} GROUP BY 1, 2, 3, 4""",
    ("non_injected_tool_selections_total", "provider", "model", "name"): f"""
        SELECT provider_name, model, tool, count(*) FROM tool_usages {JOINED} WHERE NOT injected GROUP BY 1, 2, 3""",
    ("injected_tool_invocations_total", "provider", "model", "server", "name"): f"""
        SELECT provider_name, model, server_url, tool, count(*) FROM tool_usages {JOINED} WHERE injected
        GROUP BY 1, 2, 3, 4""",
    ("interceptions_duration_seconds_count", "provider", "model"): """
        SELECT provider_name, model, count(*) FROM interceptions GROUP BY 1, 2""",
}
TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cache_write_input_tokens": "cache_write_input_tokens",
}


def read(database: sqlite3.Connection, query: str) -> Numbers:
    """Rows by all columns but the last, which is a number; rows of nothing are left out."""
    rows = database.execute(query).fetchall()
    return {tuple(str(value) for value in row[:-1]): row[-1] for row in rows if row[-1]}


def test_sums_are_equal(after: tuple[Page, Path]) -> None:
    """Outcomes, failures, prompts and tools: by each label that has a column."""
    page, file = after
    with closing(sqlite3.connect(file)) as database:
        for (name, *labels), query in EQUAL.items():
            recorded = read(database, query)
            assert recorded, name
            assert by(page[f"aibridge_{name}"], *labels) == recorded, name


@pytest.mark.parametrize("kind", TOKENS)
def test_tokens_are_equal(after: tuple[Page, Path], kind: str) -> None:
    """Each of the four kinds, by provider, model and user."""
    page, file = after
    column = TOKENS[kind]
    with closing(sqlite3.connect(file)) as database:
        recorded = read(
            database,
            f"SELECT provider_name, model, initiator_id, sum({column}) FROM token_usages {JOINED} GROUP BY 1, 2, 3",
        )
    counted = by(page["aibridge_tokens_total"], "type", "provider", "model", "initiator_id")
    assert recorded
    assert {labels[1:]: value for labels, value in counted.items() if labels[0] == kind} == recorded


def test_every_request_has_its_place(after: tuple[Page, Path]) -> None:
    """Outcomes of each kind, passthrough and refusals; what is no interception counts as traffic only."""
    page, _ = after
    assert by(page["aibridge_interceptions_total"], "status").keys() == {("completed",), ("failed",), ("cancelled",)}
    assert by(page["aibridge_gateway_overhead_seconds_count"], "route") == {
        ("/v1/messages",): 12,
        ("/v1/chat/completions",): 4,  # one of them had no body, and is no interception
        ("/v1/responses",): 4,
        ("/v1/models",): 1,
    }
    assert by(page["aibridge_passthrough_total"], "provider", "route", "method") == {
        ("anthropic", "/v1/models", "GET"): 1
    }
    assert by(page["aibridge_refused_requests_total"], "route", "status") == {
        ("unknown", "404"): 1,
        ("/v1/chat/completions", "400"): 1,
        ("/v1/messages", "502"): 1,  # a blocking answer that was cut
    }
    assert by(page["aibridge_upstream_requests_total"], "code")[("529",)] == 1


def test_nothing_is_left_over(after: tuple[Page, Path]) -> None:
    """What was under way is not any more; nothing was lost; tools took their time, bytes their way."""
    page, _ = after
    assert not any(page["aibridge_open_streams"].values())
    assert page["aibridge_recording_queue_writes"][()] == 0
    assert page["aibridge_recording_dropped_total"][()] == 0
    assert by(page["aibridge_mcp_tool_call_seconds_count"], "server", "outcome") == {("tools", "ok"): 2}
    assert all(size > 1000 for size in by(page["aibridge_response_bytes_total"], "provider").values())
    assert list(by(page["aibridge_user_info"], "username")) == [("admin",)]
