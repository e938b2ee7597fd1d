"""The dashboard on Prometheus, and the guide's queries: asked of a real Prometheus that scraped a real gateway."""

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from aibridge_adapters.cli.demo_turns import play
from aibridge_adapters.scripted_provider import scripted_provider
from support.grafana import FOLDER, Query, as_promql, dashboard, panel_queries, variable_queries
from support.markdown import Page
from support.process import Served, served
from support.running import ADMIN_TOKEN, UPSTREAM_KEY

pytestmark = pytest.mark.anyio

PROMETHEUS = shutil.which("prometheus")
GUIDE = Page(FOLDER.parents[2] / "docs" / "how-to" / "watch-usage.md")
OPERATION = dashboard("operation")
SECOND_KEY = "sk-second-key-of-the-upstream"

MAY_BE_EMPTY = {
    "aibridge_injected_tool_invocations_total": "the story has no MCP server",
    "aibridge_circuit_breaker": "shown once a breaker has changed its state",
    "aibridge_key_pool_state_transitions_total": "the story's provider refuses no key",
    "aibridge_key_pool_exhaustions_total": "likewise",
}
"""Metrics that may have no value after the demo's story, each with its reason."""

CONFIGURATION = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: aibridge
    static_configs: [{{targets: ["{target}"]}}]
"""


class Asking:
    """Asks a Prometheus by its HTTP API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def result(self, text: str) -> Sequence[Mapping[str, Any]]:
        """The answer to an instant query; fails the test if there is an error."""
        answer = await self._client.post("/api/v1/query", data={"query": text})
        assert answer.status_code == 200, (text, answer.text)
        found: Sequence[Mapping[str, Any]] = answer.json()["data"]["result"]
        return found

    async def scrapes(self, more: int) -> None:
        """Wait for so many further scrapes of a gateway that was there."""
        query = 'sum_over_time(up{job="aibridge"}[10m])'
        before: float | None = None
        with anyio.fail_after(30):
            while True:
                found = await self.result(query)
                seen = float(found[0]["value"][1]) if found else 0.0
                before = seen if before is None else before
                if seen >= before + more:
                    return
                await anyio.sleep(0.1)


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[Asking]:
    """A Prometheus that scrapes `target` twice a second."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIGURATION.format(target=target))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        str(PROMETHEUS),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    process = await anyio.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            await _ready(client)
            yield Asking(client)
    finally:
        process.kill()
        await process.aclose()


async def _ready(client: httpx.AsyncClient) -> None:
    with anyio.fail_after(30):
        while True:
            try:
                if (await client.get("/-/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await anyio.sleep(0.05)


async def _story(up: Served) -> None:
    """The demo's requests, a passthrough one, and one with a wrong token."""
    await play(up.url, ADMIN_TOKEN, lambda *step: None)
    async with httpx.AsyncClient(base_url=up.url, trust_env=False) as client:
        assert (await client.get("/anthropic/v1/models", headers={"x-api-key": ADMIN_TOKEN})).status_code < 500
        assert (await client.post("/anthropic/v1/messages", headers={"x-api-key": "wrong"})).status_code == 401


@asynccontextmanager
async def asked_after_a_story(folder: Path, database_url: str) -> AsyncIterator[Asking]:
    """Told twice, so that counters are seen to grow; limits are shared, so that their panels have something to show."""
    async with scripted_provider(keys=[UPSTREAM_KEY, SECOND_KEY]) as provider:
        more = {
            "AIBRIDGE_DATABASE_URL": database_url,
            "AIBRIDGE_LIMITS_SHARED": "true",
            "AIBRIDGE_MAX_RPS": "1000",
            "AIBRIDGE_PROMETHEUS_ENABLE": "true",
            "AIBRIDGE_PROMETHEUS_ADDRESS": "127.0.0.1:0",
            "AIBRIDGE_PROVIDER_1_TYPE": "openai",
            "AIBRIDGE_PROVIDER_1_BASE_URL": provider.openai_base_url,
            "AIBRIDGE_PROVIDER_1_KEYS": f"{UPSTREAM_KEY},{SECOND_KEY}",
        }
        async with served(folder, provider.base_url, **more) as up, prometheus(folder, up.metrics) as asking:
            for _ in range(2):
                await _story(up)
                await asking.scrapes(2)
            yield asking


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian: prometheus)")
async def test_every_query_answers(tmp_path: Path, postgres_url: str) -> None:
    """No query of the dashboard or of the guide errs, and none is empty but those that may be."""
    guide = [Query(f"line {block.line}", block.text) for block in GUIDE.blocks if block.language == "promql"]
    queries = [*panel_queries(OPERATION), *guide]
    assert len(queries) > 40
    async with asked_after_a_story(tmp_path, postgres_url) as asking:
        empty = [query for query in queries if not await asking.result(as_promql(query.text))]
        assert [query.asked_by for query in empty if not any(name in query.text for name in MAY_BE_EMPTY)] == []
        for variable in variable_queries(OPERATION).values():
            metric, label = variable.text.removeprefix("label_values(").removesuffix(")").split(", ")
            assert [each for each in await asking.result(f"count by ({label}) ({metric})") if each["metric"]]


def test_queries_name_metrics_that_there_are() -> None:
    """Every metric that a query names is in the catalogue."""
    from aibridge_adapters.telemetry.metrics.tables import METRICS

    known = {f"{metric.full_name}{end}" for metric in METRICS for end in ("", "_bucket", "_sum", "_count")}
    texts = [query.text for query in panel_queries(OPERATION)] + [block.text for block in GUIDE.blocks]
    named = {word for text in texts for word in _words(text) if word.startswith("aibridge_")}
    assert named - known - {"aibridge_reader"} == set()
    assert len(named) > 20


def test_what_stands_before_providers_is_shown() -> None:
    """Every metric of limits, breakers and keys has a panel: who is refused should be seen by whoever runs it."""
    from aibridge_adapters.telemetry.metrics.guards_table import GUARDS

    shown = " ".join(query.text for query in panel_queries(OPERATION))
    assert [metric.full_name for metric in GUARDS if metric.full_name not in shown] == []


def _words(text: str) -> list[str]:
    return "".join(char if char.isalnum() or char == "_" else " " for char in text).split()
