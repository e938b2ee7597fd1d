"""Over real HTTP: bytes and headers both ways, errors in each API's shape, clients and upstreams that go away."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import anyio
import brotli
import httpx
import pytest
import zstandard

from support.raw_upstream import Answering, Received, raw_upstream
from support.running import UPSTREAM_KEY, running_gateway

pytestmark = pytest.mark.anyio

ODD = (
    b'{"model": "m-probe", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}], "stream" :false,'
    b' "future_field" : {"b":[1 ,2,  3], "a":null},\n\t"big": 123456789012345678901234567890, "f": 1.0, "e": 1E+2,'
    b' "esc": "\\u00e9\\u0041\\/ \\ud83d\\ude00 \xc3\xa9", "dup": 1, "dup": 2 , "metadata": { }}\n\n '
)
MESSAGE = (
    b'{ "id":"msg_1", "type":"message","role":"assistant","model":"m-probe", "content":[{"type":"text","text":"ok"}],'
    b'"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2},"future":12345678901234567890123 }\n'
)
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"m-1",'
    b'"usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
)
END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":7}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
STREAMED = b'{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
CHAT = b'{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
CODERS = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


async def ok(request: Received, answer: Answering) -> None:
    await answer.whole(MESSAGE, 200, ("content-type", "application/json"), ("request-id", "req_1"))


async def streams(request: Received, answer: Answering) -> None:
    await answer.stream(START, END)


async def test_bytes_and_headers_go_both_ways_unchanged(tmp_path: Path) -> None:
    """An odd body, unknown headers, the query: everything arrives as it was sent, apart from credentials."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        answer = await client.post(
            "/anthropic/v1/messages?beta=true",
            content=ODD,
            headers={**up.anthropic, "anthropic-beta": "future-beta-2030", "x-unknown": "kept as it is"},
        )
        assert answer.content == MESSAGE
        assert answer.headers["request-id"] == "req_1"
        (sent,) = upstream.requests
        assert (sent.method, sent.target, sent.body) == ("POST", "/v1/messages?beta=true", ODD)
        assert sent.header("x-unknown") == "kept as it is"
        assert sent.header("anthropic-beta") == "future-beta-2030"
        assert sent.header("x-api-key") == UPSTREAM_KEY
        assert up.token not in str(sent)
        assert sent.header("accept-encoding") is None
        (kept,) = await up.ended()
        assert (kept["status"], kept["initiator"]["username"], kept["model"]) == ("completed", "ann", "m-probe")
        assert [(t["input_tokens"], t["output_tokens"]) for t in kept["token_usages"]] == [(3, 2)]
        assert [p["prompt"] for p in kept["user_prompts"]] == ["hi"]


@pytest.mark.parametrize("mount", ["", "/api/v2/aibridge", "/api/v2/ai-gateway"])
async def test_ai_routes_stand_below_every_mount(tmp_path: Path, mount: str) -> None:
    """The same provider, three prefixes."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        answer = await client.post(f"{mount}/anthropic/v1/messages", content=ODD, headers=up.anthropic)
        assert answer.content == MESSAGE


@pytest.mark.parametrize("status", [201, 400, 404, 429, 500, 529])
async def test_every_status_is_relayed_verbatim(tmp_path: Path, status: int) -> None:
    """With Retry-After and rate limit headers; errors fail the interception."""
    body = b'{"type":"error", "error":{"type":"x","message":"as the provider says"}}'

    async def refuse(request: Received, answer: Answering) -> None:
        await answer.whole(body, status, ("content-type", "application/json"), ("retry-after", "7"))

    async with raw_upstream(refuse) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        answer = await client.post("/anthropic/v1/messages", content=ODD, headers=up.anthropic)
        assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (status, body, "7")
        (kept,) = await up.ended()
        assert kept["status"] == "failed"
        assert kept["error_message"] == "as the provider says"


@pytest.mark.parametrize("coding", sorted(CODERS))
async def test_coded_answers_and_requests(tmp_path: Path, coding: str) -> None:
    """A coded request goes on as it is; a coded answer comes back as it is; both are read on the side."""
    coded = CODERS[coding](MESSAGE)

    async def answers(request: Received, answer: Answering) -> None:
        assert request.header("accept-encoding") == coding
        await answer.whole(coded, 200, ("content-type", "application/json"), ("content-encoding", coding))

    async with raw_upstream(answers) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        headers = {**up.anthropic, "content-encoding": coding, "accept-encoding": coding}
        body = CODERS[coding](ODD)
        async with client.stream("POST", "/anthropic/v1/messages", content=body, headers=headers) as answer:
            assert b"".join([piece async for piece in answer.aiter_raw()]) == coded
            assert answer.headers["content-encoding"] == coding
        assert upstream.requests[0].body == body
        (kept,) = await up.ended()
        assert kept["model"] == "m-probe"
        assert kept["token_usages"][0]["input_tokens"] == 3


async def test_events_arrive_while_the_upstream_pauses(tmp_path: Path) -> None:
    """Nothing is buffered: the first event is here before the second is sent."""
    seen = anyio.Event()

    async def pauses(request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await seen.wait()
        await answer.chunk(END)
        await answer.raw(b"0\r\n\r\n")

    async with raw_upstream(pauses) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        got = b""
        async with client.stream("POST", "/anthropic/v1/messages", content=STREAMED, headers=up.anthropic) as answer:
            async for piece in answer.aiter_raw():
                got += piece
                if got == START:
                    seen.set()
        assert got == START + END


async def test_a_silent_stream_is_kept_alive(tmp_path: Path) -> None:
    """Between two events the client gets pings of its API; the upstream's bytes stay whole."""
    pinged = anyio.Event()

    async def silent(request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await pinged.wait()
        await answer.chunk(END)
        await answer.raw(b"0\r\n\r\n")

    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    async with (
        raw_upstream(silent) as upstream,
        running_gateway(tmp_path, upstream.url, keep_alive_interval=0.05) as up,
        up.client() as client,
    ):
        got = b""
        async with client.stream("POST", "/anthropic/v1/messages", content=STREAMED, headers=up.anthropic) as answer:
            async for piece in answer.aiter_raw():
                got += piece
                if ping in got:
                    pinged.set()
        assert got.startswith(START + ping)
        assert got.replace(ping, b"") == START + END


async def test_a_client_that_goes_away_cancels_the_upstream(tmp_path: Path) -> None:
    """The provider's connection is closed at once, the interception is cancelled with what was seen."""
    hung_up = anyio.Event()

    async def endless(request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await answer.hung_up()
        hung_up.set()

    async with raw_upstream(endless) as upstream, running_gateway(tmp_path, upstream.url) as up:
        async with (
            up.client() as client,
            client.stream("POST", "/anthropic/v1/messages", content=STREAMED, headers=up.anthropic) as answer,
        ):
            async for piece in answer.aiter_raw():
                assert piece == START
                break
        with anyio.fail_after(1):
            await hung_up.wait()
        (kept,) = await up.ended()
        assert (kept["status"], kept["error_type"]) == ("cancelled", "")
        (tokens,) = kept["token_usages"]
        assert (tokens["input_tokens"], tokens["output_tokens"], tokens["metadata"]["partial"]) == (5, 1, True)


async def test_a_client_that_goes_away_before_the_answer_cancels_too(tmp_path: Path) -> None:
    """While the provider still thinks."""
    asked, hung_up = anyio.Event(), anyio.Event()

    async def thinking(request: Received, answer: Answering) -> None:
        asked.set()
        await answer.hung_up()
        hung_up.set()

    async with raw_upstream(thinking) as upstream, running_gateway(tmp_path, upstream.url) as up:
        async with anyio.create_task_group() as tasks, up.client() as client:
            tasks.start_soon(lambda: client.post("/anthropic/v1/messages", content=ODD, headers=up.anthropic))
            await asked.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(1):
            await hung_up.wait()
        (kept,) = await up.ended()
        assert kept["status"] == "cancelled"


async def test_an_upstream_that_breaks_off_is_seen_and_recorded(tmp_path: Path) -> None:
    """The client's connection breaks off where the provider's did, as it would without a gateway."""

    async def breaks(request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        answer.reset()

    async with raw_upstream(breaks) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        came = b""
        async with client.stream("POST", "/anthropic/v1/messages", content=STREAMED, headers=up.anthropic) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                async for piece in answer.aiter_raw():
                    came += piece
        assert came == START
        (kept,) = await up.ended()
        assert (kept["status"], kept["error_type"]) == ("failed", "connection_error")


async def test_a_body_that_breaks_off_never_looks_whole(tmp_path: Path) -> None:
    """As long as nothing of it is out it becomes a 502; afterwards it breaks off for the client, too."""
    sent = b""

    async def breaks(request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "application/json"), ("content-length", "9999999"))
        await answer.raw(sent)
        answer.writer.close()

    async with raw_upstream(breaks) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        sent = MESSAGE[:50]
        answer = await client.post("/anthropic/v1/messages", content=ODD, headers=up.anthropic)
        assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
        sent = MESSAGE[:50] + b" " * 5_000_000
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/anthropic/v1/messages", content=ODD, headers=up.anthropic)
        assert {each["status"] for each in await up.ended(2)} == {"failed"}


async def test_an_upstream_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    """In the API's shape; the interception is failed and keeps the prompt."""
    async with raw_upstream(ok) as gone:
        pass
    async with running_gateway(tmp_path, gone.url) as up, up.client() as client:
        answer = await client.post("/anthropic/v1/messages", content=ODD, headers=up.anthropic)
        assert answer.status_code == 502
        assert answer.json()["error"]["type"] == "api_error"
        (kept,) = await up.ended()
        assert (kept["status"], kept["error_type"]) == ("failed", "connection_error")
        assert kept["user_prompts"][0]["prompt"] == "hi"


async def test_the_usage_chunk_that_nobody_asked_for_is_hidden(tmp_path: Path) -> None:
    """It is asked for upstream by a splice, recorded, and kept from the client."""
    first = (
        b'data: {"id":"c1","model":"m-1","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
    )
    usage = b'data: {"id":"c1","model":"m-1","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n'
    done = b"data: [DONE]\n\n"

    async def chat(request: Received, answer: Answering) -> None:
        assert request.header("accept-encoding") == "identity"
        await answer.stream(first, usage, done)

    async with raw_upstream(chat) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        headers = {**up.openai, "accept-encoding": "gzip"}
        answer = await client.post("/openai/v1/chat/completions", content=CHAT, headers=headers)
        assert answer.content == first + done
        assert upstream.requests[0].body == b'{"stream_options":{"include_usage":true},' + CHAT[1:]
        (kept,) = await up.ended()
        assert [(t["input_tokens"], t["output_tokens"]) for t in kept["token_usages"]] == [(4, 2)]


BAD: list[tuple[str, bytes, str]] = [
    ("/anthropic/v1/messages", b"{", "invalid_request_error"),
    ("/anthropic/v1/messages", b'{"messages":[]}', "invalid_request_error"),
    ("/anthropic/v1/messages", b'{"model":5,"messages":[]}', "invalid_request_error"),
    ("/openai/v1/chat/completions", b"[]", "invalid_request_error"),
    ("/openai/v1/responses", b'{"model":"m","stream":"yes"}', "invalid_request_error"),
    ("/openai/v1/responses", b"", "invalid_request_error"),
]


@pytest.mark.parametrize(("path", "body", "kind"), BAD)
async def test_bad_requests_are_refused_in_the_apis_shape(tmp_path: Path, path: str, body: bytes, kind: str) -> None:
    """400, what is wrong, and nothing goes upstream or into the trail."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        answer = await client.post(path, content=body, headers={**up.openai})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["type"] == kind
        assert error["message"]
        assert upstream.requests == []
        assert await up.interceptions() == []


@pytest.mark.parametrize("token", [None, "aib_wrong_token", "Bearer x"])
@pytest.mark.parametrize("path", ["/anthropic/v1/messages", "/openai/v1/responses", "/nosuch/v1/x", "/", "/metrics"])
async def test_every_route_needs_a_token(tmp_path: Path, path: str, token: str | None) -> None:
    """401 that stops a client at once; whether a route exists is nobody's business without a token."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = await client.post(path, content=ODD, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["error"]["message"]
        assert upstream.requests == []


async def test_unknown_routes_say_what_exists(tmp_path: Path) -> None:
    """404 in the API's shape, naming the route and the providers."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        answer = await client.get("/openai/v1/files", headers=up.openai)
        assert answer.status_code == 404
        message = answer.json()["error"]["message"]
        assert message == "route not supported: GET /openai/v1/files. Configured providers: anthropic, openai"


async def test_an_own_key_goes_upstream_instead_of_the_central_one(tmp_path: Path) -> None:
    """BYOK: the gateway token has a header of its own, and stays here."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        headers = {"x-aibridge-token": up.token, "authorization": "Bearer sk-ant-oat-of-ann-1234567890"}
        await client.post("/anthropic/v1/messages", content=ODD, headers=headers)
        (sent,) = upstream.requests
        assert sent.header("authorization") == "Bearer sk-ant-oat-of-ann-1234567890"
        assert sent.header("x-api-key") is None
        assert up.token not in str(sent)
        (kept,) = await up.ended()
        assert (kept["credential_kind"], kept["credential_hint"]) == ("byok", "sk-a...7890")


async def test_byok_can_be_switched_off(tmp_path: Path) -> None:
    """403 that says how to go on."""
    async with (
        raw_upstream(ok) as upstream,
        running_gateway(tmp_path, upstream.url, allow_byok=False) as up,
        up.client() as client,
    ):
        answer = await client.post("/anthropic/v1/messages", content=ODD, headers={"x-aibridge-token": up.token})
        assert answer.status_code == 403
        assert "AIBRIDGE_ALLOW_BYOK" in answer.json()["error"]["message"]
        assert upstream.requests == []


async def test_bodies_over_the_limit_are_refused_while_they_come(tmp_path: Path) -> None:
    """413 before the rest is read, by length and by what really arrives, coded ones by their decoded size too."""

    async def unannounced() -> Any:
        for _ in range(15):
            yield b"x" * 1000

    async with (
        raw_upstream(ok) as upstream,
        running_gateway(tmp_path, upstream.url, max_body=10_000) as up,
        up.client() as client,
    ):
        for content in (b"x" * 10_001, unannounced()):
            answer = await client.post("/anthropic/v1/messages", content=content, headers=up.anthropic)
            assert answer.status_code == 413
            assert answer.json()["error"]["type"] == "request_too_large"
        bomb = gzip.compress(b" " * 1_000_000 + ODD)
        headers = {**up.anthropic, "content-encoding": "gzip"}
        answer = await client.post("/anthropic/v1/messages", content=bomb, headers=headers)
        assert answer.status_code == 413
        assert upstream.requests == []


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    """A client that asks first (`Expect: 100-continue`) hears 413 or 401 in place of `100`."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url, max_body=10_000) as up:
        for token, size, expected in ((up.token, 10_001, b"413"), ("wrong", 10, b"401"), (up.token, 10_000, b"100")):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(up.url.rpartition(":")[2]))
            head = (
                f"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {token}\r\ncontent-length: {size}\r\n"
            )
            writer.write(f"{head}expect: 100-continue\r\n\r\n".encode())
            with anyio.fail_after(5):
                assert (await reader.readline()).startswith(b"HTTP/1.1 " + expected)
            writer.close()
        assert upstream.requests == []


async def test_passthrough_routes_relay_and_record_nothing(tmp_path: Path) -> None:
    """With the central key; GET and HEAD."""

    async def models(request: Received, answer: Answering) -> None:
        body = b"" if request.method == "HEAD" else b'{"data": []}'
        await answer.head(200, ("content-type", "application/json"), ("content-length", "12"))
        await answer.raw(body)

    async with raw_upstream(models) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        answer = await client.get("/openai/v1/models?limit=5", headers=up.openai)
        assert answer.content == b'{"data": []}'
        answer = await client.head("/openai/v1/models", headers=up.openai)
        assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "12", b"")
        assert [request.target for request in upstream.requests] == ["/v1/models?limit=5", "/v1/models"]
        assert upstream.requests[0].header("authorization") == f"Bearer {UPSTREAM_KEY}"
        assert await up.interceptions() == []


async def test_a_websocket_upgrade_is_refused_with_426(tmp_path: Path) -> None:
    """The one status on which Codex goes on over HTTP at once."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up:
        host, _, port = up.url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as wire:
            await wire.send(
                b"GET /openai/v1/responses HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert (await wire.receive()).startswith(b"HTTP/1.1 426 ")
        assert upstream.requests == []


async def test_health_needs_no_token(tmp_path: Path) -> None:
    """The two open routes."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_many_at_once_are_each_recorded_once(tmp_path: Path) -> None:
    """A hundred requests over many connections: a hundred complete answers, a hundred complete interceptions."""
    async with raw_upstream(streams) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:

        async def one(number: int) -> None:
            body = STREAMED.replace(b"hi", b"prompt %d" % number)
            answer = await client.post("/anthropic/v1/messages", content=body, headers=up.anthropic)
            assert answer.content == START + END

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(one, number)
        found = await up.interceptions(limit=1000)
        assert {each["status"] for each in found} == {"completed"}
        assert sorted(each["user_prompts"][0]["prompt"] for each in found) == sorted(f"prompt {n}" for n in range(100))
        assert all(json.dumps(each).count('"output_tokens"') == 1 for each in found)
