"""Nothing that a client sends can choose where a request goes: a second provider stands by and must stay alone."""

import json
from pathlib import Path

import anyio
import pytest

from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

BODY = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}

FIELDS = ("base_url", "api_base", "baseURL", "api_url", "endpoint", "host", "url", "proxy", "custom_host", "provider")
HEADERS = (
    "X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-Host", "X-Original-URL", "X-Rewrite-URL",
    "Forwarded", "X-Base-Url", "X-Upstream", "X-Target-Url", "Helicone-Target-Url", "x-portkey-custom-host", "Proxy",
    "Base-Url", "X-HTTP-Method-Override", "Location", "Referer", "Origin",
)  # fmt: skip

TARGETS = (
    ("http://{other}/v1/messages", 404),
    ("http://{other}/anthropic/v1/messages", 404),
    ("//{other}/v1/messages", 404),
    ("//{other}/anthropic/v1/messages", 404),
    ("/http://{other}/v1/messages", 404),
    ("/{other}/v1/messages", 404),
    ("/anthropic@{other}/v1/messages", 404),
    ("/anthropic:80@{other}/v1/messages", 404),
    ("/anthropic/@{other}/v1/messages", 404),
    ("/anthropic//{other}/v1/messages", 404),
    ("/anthropic/http://{other}/v1/messages", 404),
    ("/anthropic\\@{other}/v1/messages", 404),
    ("/anthropic/\\{other}/v1/messages", 404),
    ("/anthropic/v1/models/../../../{other}", 404),
    ("/anthropic/v1/models/%2e%2e/%2e%2e/admin", 404),
    ("/anthropic/v1/models/%2E./admin", 404),
    ("/anthropic/v1/models/..%2fadmin", 404),
    ("/anthropic/v1/models/..%5cadmin", 404),
    ("/anthropic/v1/models/..\\admin", 404),
    ("/anthropic/v1/models/%252e%252e/admin", 404),
    ("/anthropic/v1/models/%25252e%25252e%25252fadmin", 404),
    ("/anthropic/v1/models/.", 404),
    ("/anthropic/v1/models/@{other}", 200),
    ("/anthropic/v1/models//{other}", 200),
    ("/anthropic/v1/models/http://{other}/", 200),
    ("/anthropic/v1/messages?base_url=http://{other}&@{other}", 200),
    ("/anthropic/v1/messages?//{other}/#", 200),
)
"""Request targets, and what becomes of them: 404, or the provider that was configured gets them."""


async def ok(request: Received, answer: Answering) -> None:
    await answer.whole(b"{}", 200, ("content-type", "application/json"))


async def ask(up: Running, target: str, *headers: str, body: object = BODY) -> bytes:
    """The status line that a request gets, sent as these bytes."""
    content = json.dumps(body)
    lines = [f"POST {target} HTTP/1.1", *headers, f"x-api-key: {up.token}", f"content-length: {len(content)}"]
    lines += ["connection: close", "", content]
    host, _, port = up.url.removeprefix("http://").partition(":")
    async with await anyio.connect_tcp(host, int(port)) as wire:
        await wire.send("\r\n".join(lines).encode())
        with anyio.fail_after(10):
            answer = b""
            async for piece in wire:
                answer += piece
    return answer.partition(b"\r\n")[0]


async def test_no_request_target_leads_elsewhere(tmp_path: Path) -> None:
    """Absolute form, authority in the path, dots however they are spelt: refused, or part of the path."""
    async with (
        raw_upstream(ok) as upstream,
        raw_upstream(ok) as elsewhere,
        running_gateway(tmp_path, upstream.url) as up,
    ):
        other = f"127.0.0.1:{elsewhere.port}"
        for target, status in TARGETS:
            upstream.requests.clear()
            line = await ask(up, target.format(other=other), "host: gateway.test")
            assert line.split(b" ")[1] == b"%d" % status, target
            assert [each.target.startswith("/v1/m") for each in upstream.requests] == [True] * (status == 200), target
            assert all(each.header("host") == f"127.0.0.1:{upstream.port}" for each in upstream.requests)
        assert elsewhere.requests == []


async def test_no_header_and_no_body_field_leads_elsewhere(tmp_path: Path) -> None:
    """Neither those that other gateways follow, nor Host itself."""
    async with (
        raw_upstream(ok) as upstream,
        raw_upstream(ok) as elsewhere,
        running_gateway(tmp_path, upstream.url) as up,
    ):
        other = f"127.0.0.1:{elsewhere.port}"
        own = "/anthropic/v1/messages"
        lines = [await ask(up, own, f"host: {other}")]
        lines += [await ask(up, own, "host: x", f"{name}: http://{other}/") for name in HEADERS]
        lines += [await ask(up, own, "host: x", *(f"{name}: {other}" for name in HEADERS))]
        lines += [await ask(up, own, "host: x", body={**BODY, name: f"http://{other}/v1"}) for name in FIELDS]
        lines += [await ask(up, own, "host: x", body={**BODY, "model": f"http://{other}/m"})]
        assert {line.split(b" ")[1] for line in lines} == {b"200"}
        assert len(upstream.requests) == len(lines)
        assert {each.header("host") for each in upstream.requests} == {f"127.0.0.1:{upstream.port}"}
        assert {each.target for each in upstream.requests} == {"/v1/messages"}
        assert elsewhere.requests == []


async def test_a_redirect_of_a_provider_is_not_followed(tmp_path: Path) -> None:
    """The client gets it as it is; the central key goes nowhere else."""
    async with raw_upstream(ok) as elsewhere:

        async def away(request: Received, answer: Answering) -> None:
            await answer.whole(b"", 307, ("location", f"{elsewhere.url}/v1/messages"))

        async with raw_upstream(away) as upstream, running_gateway(tmp_path, upstream.url) as up:
            assert (await ask(up, "/anthropic/v1/messages", "host: x")).split(b" ")[1] == b"307"
        assert elsewhere.requests == []
