"""Metrics have a listener of their own, which speaks Prometheus's formats."""

import gzip
import socket
import subprocess
from pathlib import Path

import anyio
import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from aibridge_adapters.telemetry.metrics.tables import METRICS
from support.process import AIBRIDGE, environment, served

pytestmark = pytest.mark.anyio

ON = {"AIBRIDGE_PROMETHEUS_ENABLE": "true", "AIBRIDGE_PROMETHEUS_ADDRESS": "127.0.0.1:0"}
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"
NOWHERE = "http://127.0.0.1:1"


async def test_both_formats_hold_the_whole_catalogue(tmp_path: Path) -> None:
    """Every metric of the reference stands on the page of a fresh gateway, beside the process's own, and none else."""
    async with served(tmp_path, NOWHERE, **ON) as up, httpx.AsyncClient(base_url=f"http://{up.metrics}") as client:
        text = await client.get("/metrics")
        exact = await client.get("/metrics", headers={"accept": OPENMETRICS})
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert exact.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    for families in (list(plain(text.text)), list(openmetrics(exact.text))):
        shown = {family.name for family in families}
        assert {name for name in shown if not name.startswith(("process_", "python_gc_"))} == {
            metric.full_name.removesuffix("_total") for metric in METRICS
        }
        assert "process_resident_memory_bytes" in shown
        assert not [name for name in shown if name.endswith("_created")]


@pytest.mark.parametrize("accepted", ["gzip", "gzip;q=0", "identity", "*"])
async def test_compression_is_the_scrapers_choice(tmp_path: Path, accepted: str) -> None:
    """gzip if it is accepted, else as it is."""
    zipped = accepted in ("gzip", "*")
    async with (
        served(tmp_path, NOWHERE, **ON) as up,
        httpx.AsyncClient(base_url=f"http://{up.metrics}") as client,
        client.stream("GET", "/metrics", headers={"accept-encoding": accepted}) as answer,
    ):
        body = b"".join([piece async for piece in answer.aiter_raw()])
    assert (answer.headers.get("content-encoding") == "gzip") is zipped
    assert b"aibridge_build_info" in (gzip.decompress(body) if zipped else body)


async def test_other_paths_and_methods(tmp_path: Path) -> None:
    """Whoever asks wrongly is told how."""
    async with served(tmp_path, NOWHERE, **ON) as up, httpx.AsyncClient(base_url=f"http://{up.metrics}") as client:
        lost, wrong, head = await client.get("/"), await client.post("/metrics"), await client.head("/metrics")
    assert (lost.status_code, lost.text) == (404, "metrics are at /metrics\n")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_taken_port_ends_the_start(tmp_path: Path) -> None:
    """Metrics that nobody can read are noticed at once, and the message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = await anyio.run_process(
            [str(AIBRIDGE), "serve"],
            env=environment(tmp_path, NOWHERE, **ON | {"AIBRIDGE_PROMETHEUS_ADDRESS": address}),
            cwd=tmp_path,
            check=False,
            stderr=subprocess.PIPE,
        )
    assert ended.returncode == 1
    assert f"can't listen on {address}: Address already in use" in ended.stderr.decode()


async def test_nothing_listens_unless_asked(tmp_path: Path) -> None:
    """Metrics are off by default."""
    async with served(tmp_path, NOWHERE, **ON | {"AIBRIDGE_PROMETHEUS_ENABLE": "false"}) as up:
        assert up.metrics == ""
