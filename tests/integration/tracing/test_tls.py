"""Collectors that speak TLS and want a certificate of their clients: the standard variables name the files."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from aibridge_adapters.config import TracingSettings
from aibridge_adapters.telemetry import tracing
from aibridge_adapters.telemetry.tracing import open_tracing
from support.otlp_receiver import Collected, grpc_collector, http_collector

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("localhost")


@asynccontextmanager
async def collector(protocol: str) -> AsyncIterator[Collected]:
    """One whose clients have to show a certificate of the authority."""
    if protocol == "grpc":
        key, chain = SERVER.private_key_pem.bytes(), b"".join(each.bytes() for each in SERVER.cert_chain_pems)
        roots = AUTHORITY.cert_pem.bytes()
        with grpc_collector(grpc.ssl_server_credentials([(key, chain)], roots, require_client_auth=True)) as collected:
            yield collected
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    SERVER.configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with http_collector(context) as collected:
        yield collected


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, and the variables that name them."""
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # over HTTP these count more
        monkeypatch.delenv(other, raising=False)
    client = AUTHORITY.issue_cert("gateway@example.test")
    files = {
        "OTEL_EXPORTER_OTLP_CERTIFICATE": AUTHORITY.cert_pem.bytes(),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": b"".join(each.bytes() for each in client.cert_chain_pems),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": client.private_key_pem.bytes(),
    }
    for variable, content in files.items():
        (tmp_path / variable).write_bytes(content)
        monkeypatch.setenv(variable, str(tmp_path / variable))


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.usefixtures("certificates")
async def test_certificates_by_the_standard_variables(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are known to each other, and spans arrive."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    async with collector(protocol) as collected:
        async with open_tracing(TracingSettings(enable=True, endpoint=collected.endpoint)) as opened:
            assert opened
            opened.tracer.start_span("one").end()
        assert [span.name for span in collected.spans] == ["one"]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_an_unknown_authority(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without these files nothing is sent to whoever answers there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr(tracing, "FAREWELL", 1.0)
    async with collector(protocol) as collected:
        async with open_tracing(TracingSettings(enable=True, endpoint=collected.endpoint)) as opened:
            assert opened
            opened.tracer.start_span("one").end()
        assert collected.requests == []
        assert opened.counts()["sent"] == 0
