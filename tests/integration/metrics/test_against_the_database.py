"""What metrics, log lines and spans say of a mixed load is what the database says of it."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families as parsed

from aibridge_adapters.scripted_provider import scripted_provider
from support import messages
from support.mcp_server import tool_server
from support.otlp_receiver import Collected, grpc_collector
from support.process import Served, served
from support.raw_upstream import Answering, Received, Script, raw_upstream
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
KEYS = ["sk-key-number-11", "sk-key-number-22"]
IS_JSON = ("content-type", "application/json")


def one_tired_key() -> Script:
    """A provider for which that key is used up with which the first request comes."""
    first: list[str | None] = []

    async def script(request: Received, answering: Answering) -> None:
        key = request.header("x-api-key")
        first.append(key)
        if key != first[0]:
            message = messages.message({"type": "text", "text": "hi"})
            await answering.whole(message, 200, IS_JSON)
            return
        error = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
        await answering.whole(error, 429, IS_JSON, ("retry-after", "900"))

    return script


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
        path, body = message("with another key")
        tasks.start_soon(send, client, path.replace("anthropic", "pool"), body)
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


@frozen(kw_only=True)
class Afterwards:
    """What is left of the load."""

    page: Page
    """Of metrics."""
    database: Path
    lines: Sequence[Mapping[str, Any]]
    """Of records, in the log."""
    spans: Sequence[Any]
    paying_key: str

    def records(self, record_type: str) -> Sequence[Mapping[str, Any]]:
        """Fields of the lines of one type."""
        return [fields for fields in self.lines if fields["record_type"] == record_type]

    def spans_of(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Attributes of the spans of this name."""
        return [attributes(span) for span in self.spans if span.name == f"Intercept.{name}"]


def attributes(span: Any) -> Mapping[str, Any]:
    """Values by names, as they were sent."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Afterwards:
    """Of a real gateway, which logs and traces all of it."""
    return anyio.run(_after_load, tmp_path_factory.mktemp("gateway"))


async def _after_load(folder: Path) -> Afterwards:
    async with scripted_provider() as provider, tool_server() as tools, raw_upstream(one_tired_key()) as pool:
        more = {
            "AIBRIDGE_PROVIDER_1_TYPE": "openai",
            "AIBRIDGE_PROVIDER_1_BASE_URL": provider.openai_base_url,
            "AIBRIDGE_PROVIDER_1_KEY": UPSTREAM_KEY,
            "AIBRIDGE_PROVIDER_2_TYPE": "anthropic",
            "AIBRIDGE_PROVIDER_2_NAME": "pool",
            "AIBRIDGE_PROVIDER_2_BASE_URL": pool.url,
            "AIBRIDGE_PROVIDER_2_KEYS": ",".join(KEYS),
            "AIBRIDGE_MCP_0_NAME": "tools",
            "AIBRIDGE_MCP_0_URL": tools.url,
            "AIBRIDGE_PROMETHEUS_ENABLE": "true",
            "AIBRIDGE_PROMETHEUS_ADDRESS": "127.0.0.1:0",
            "AIBRIDGE_STRUCTURED_LOGGING": "true",
            "AIBRIDGE_LOG_FILE": str(folder / "gateway.log"),
            "AIBRIDGE_TRACE_ENABLE": "true",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with grpc_collector() as collected:
            async with served(folder, provider.base_url, **more, AIBRIDGE_TRACE_ENDPOINT=collected.endpoint) as up:
                await load(up)
                await settled(up)
                page = await sent(up, collected)
    lines = [json.loads(line) for line in (folder / "gateway.log").read_bytes().splitlines()]
    records = [line["fields"] for line in lines if line["msg"] == "interception log"]
    return Afterwards(
        page=page,
        database=folder / "aibridge.db",
        lines=records,
        spans=collected.spans,
        paying_key=pool.requests[-1].header("x-api-key") or "",
    )


async def sent(up: Served, collected: Collected) -> Page:
    """The page, as soon as the collector has the last span of each request, and all lines are written."""
    with anyio.fail_after(20):
        while True:
            page = await scraped(up)
            requests = sum(by(page["aibridge_gateway_overhead_seconds_count"]).values()) + 1  # one had no route
            spans = by(page["aibridge_trace_spans_total"], "outcome")
            finished = sum(not span.parent_span_id for span in collected.spans)
            if finished >= requests and spans[("sent",)] == len(collected.spans):
                return page
            await anyio.sleep(0.02)


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


TABLES = {
    ("interception_start", "RecordInterception"): "interceptions",
    ("prompt_usage", "RecordPromptUsage"): "user_prompts",
    ("token_usage", "RecordTokenUsage"): "token_usages",
    ("tool_usage", "RecordToolUsage"): "tool_usages",
    ("model_thought", "RecordModelThought"): "model_thoughts",
    ("interception_end", "RecordInterceptionEnded"): "interceptions",
}
"""Type of the lines and name of the spans -> the table of the rows."""


def read(database: sqlite3.Connection, query: str) -> Numbers:
    """Rows by all columns but the last, which is a number; rows of nothing are left out."""
    rows = database.execute(query).fetchall()
    return {tuple(str(value) for value in row[:-1]): row[-1] for row in rows if row[-1]}


def test_sums_are_equal(after: Afterwards) -> None:
    """Outcomes, failures, prompts and tools: by each label that has a column."""
    page, file = after.page, after.database
    with closing(sqlite3.connect(file)) as database:
        for (name, *labels), query in EQUAL.items():
            recorded = read(database, query)
            assert recorded, name
            assert by(page[f"aibridge_{name}"], *labels) == recorded, name


@pytest.mark.parametrize("kind", TOKENS)
def test_tokens_are_equal(after: Afterwards, kind: str) -> None:
    """Each of the four kinds, by provider, model and user."""
    page, file = after.page, after.database
    column = TOKENS[kind]
    with closing(sqlite3.connect(file)) as database:
        recorded = read(
            database,
            f"SELECT provider_name, model, initiator_id, sum({column}) FROM token_usages {JOINED} GROUP BY 1, 2, 3",
        )
    counted = by(page["aibridge_tokens_total"], "type", "provider", "model", "initiator_id")
    assert recorded
    assert {labels[1:]: value for labels, value in counted.items() if labels[0] == kind} == recorded


def test_log_lines_say_the_same(after: Afterwards) -> None:
    """A line for each row, with the same values; outcomes and tokens add up to the same sums."""
    with closing(sqlite3.connect(after.database)) as database:
        for (record_type, _), table in TABLES.items():
            (rows,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert len(after.records(record_type)) == rows > 0, record_type
        outcomes = read(
            database, "SELECT provider_name, model, status, error_type, count(*) FROM interceptions GROUP BY 1, 2, 3, 4"
        )
        sums = database.execute(f"SELECT {', '.join(f'sum({column})' for column in TOKENS.values())} FROM token_usages")
        tokens = dict(zip(TOKENS.values(), sums.fetchone(), strict=True))
    ended = after.records("interception_end")
    said = Counter((line["provider_name"], line["model"], line["status"], line["error_type"]) for line in ended)
    assert said == outcomes
    assert {column: sum(line[column] for line in after.records("token_usage")) for column in tokens} == tokens


def test_spans_say_the_same(after: Afterwards) -> None:
    """One for each row and for each call of a provider, with the same outcomes and sums."""
    with closing(sqlite3.connect(after.database)) as database:
        for (_, name), table in TABLES.items():
            (rows,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert len(after.spans_of(name)) == rows > 0, name
        (output,) = database.execute("SELECT sum(output_tokens) FROM token_usages").fetchone()
        outcomes = database.execute("SELECT id, status FROM interceptions").fetchall()
    intercepts = [attributes(span) for span in after.spans if span.name == "Intercept"]
    said = [(each["interception_id"], each["aibridge.status"]) for each in intercepts if "interception_id" in each]
    assert sorted(said) == sorted(outcomes)
    calls = after.spans_of("ProcessRequest.Upstream")
    passed = [span for span in after.spans if span.name == "Passthrough"]
    assert len(calls) + len(passed) == sum(after.page["aibridge_upstream_requests_total"].values())
    assert sum(call.get("gen_ai.usage.output_tokens", 0) for call in calls) == output


def test_another_key(after: Afterwards) -> None:
    """A key that is used up costs a call, and no interception: the row names the key that paid."""
    page = after.page
    assert by(page["aibridge_key_pool_state_transitions_total"], "provider", "reason") == {("pool", "rate_limited"): 1}
    calls = by(page["aibridge_upstream_requests_total"], "provider", "code")
    assert (calls[("pool", "429")], calls[("pool", "200")]) == (1, 1)
    with closing(sqlite3.connect(after.database)) as database:
        query = "SELECT status, credential_hint FROM interceptions WHERE provider_name = 'pool'"
        assert database.execute(query).fetchall() == [("completed", f"sk...{after.paying_key[-2:]}")]


def test_every_request_has_its_place(after: Afterwards) -> None:
    """Outcomes of each kind, passthrough and refusals; what is no interception counts as traffic only."""
    page = after.page
    assert by(page["aibridge_interceptions_total"], "status").keys() == {("completed",), ("failed",), ("cancelled",)}
    assert by(page["aibridge_gateway_overhead_seconds_count"], "route") == {
        ("/v1/messages",): 13,
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


def test_nothing_is_left_over(after: Afterwards) -> None:
    """What was under way is not any more; nothing was lost; tools took their time, bytes their way."""
    page = after.page
    assert not any(page["aibridge_open_streams"].values())
    assert page["aibridge_recording_queue_writes"][()] == 0
    assert page["aibridge_recording_dropped_total"][()] == 0
    spans = by(page["aibridge_trace_spans_total"], "outcome")
    assert spans == {("sent",): len(after.spans), ("failed",): 0, ("dropped",): 0}
    lines = by(page["aibridge_log_lines_total"], "outcome")
    assert (lines[("written",)] > len(after.lines), lines[("dropped",)]) == (True, 0)
    assert by(page["aibridge_mcp_tool_call_seconds_count"], "server", "outcome") == {("tools", "ok"): 2}
    assert all(size > 100 for size in by(page["aibridge_response_bytes_total"], "provider").values())
    assert list(by(page["aibridge_user_info"], "username")) == [("admin",)]
