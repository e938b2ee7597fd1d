"""One upstream answer, one client, one trail: in this order, whatever goes wrong."""

import zlib
from collections.abc import Sequence

import pytest

from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.bridge import Bridge
from aibridge_core.errors import (
    RecordingFailed,
    UpstreamBroken,
    UpstreamCut,
    UpstreamFault,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from aibridge_core.intake import Caller
from aibridge_core.passthrough import Passthrough
from aibridge_core.providers.registry import provider
from aibridge_core.records import Interception, InterceptionFilter, Page, Status, TokenUsage, ToolUsage
from aibridge_core.routing import Router
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import (
    BreakableRecorder,
    CollectingReply,
    CountingIds,
    DeflateOnly,
    ScriptedAnswer,
    ScriptedUpstream,
)
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.wire import ClientRequest, Headers

pytestmark = pytest.mark.anyio

ANN = Actor(id="u-ann", username="ann", api_key_id="key1")
BODY = b'{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
SSE = ((b"content-type", b"text/event-stream"), (b"request-id", b"req_1"))
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"m-1",'
    b'"usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
)
TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"x"}}\n\n'
)
DELTA = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":7}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class World:
    """A bridge among fakes, and what can be seen of it."""

    def __init__(self, *answers: ScriptedAnswer) -> None:
        self.clock = FakeClock()
        self.storage = MemoryStorage()
        self.recorder = BreakableRecorder(self.storage.recorder)
        self.upstream = ScriptedUpstream(*answers)
        self.reply = CollectingReply()
        self.router = Router(
            [provider(name="anthropic", type="anthropic", base_url="https://a.example", keys=["sk-c"])]
        )
        self.bridge = Bridge(
            upstream=self.upstream,
            recorder=self.recorder,
            codings=DeflateOnly(),
            clock=self.clock,
            new_id=CountingIds(),
            max_body=10_000,
        )

    async def post(self, body: bytes = BODY, headers: Headers = ()) -> None:
        match = self.router.resolve("POST", "/anthropic/v1/messages")
        request = ClientRequest(method="POST", path="/anthropic/v1/messages", headers=headers, body=body)
        await self.bridge.handle(match, request, Caller(actor=ANN, token="tok"), self.reply)

    async def kept(self) -> Interception:
        """The one interception that must exist."""
        (found,) = await self.storage.store.list(InterceptionFilter(), Page())
        return found

    def status(self) -> Status:
        """Of the one interception, at this moment."""
        (found,) = self.storage.database.interceptions.values()
        return found.status


def stream(*chunks: bytes, **more: object) -> ScriptedAnswer:
    return ScriptedAnswer(headers=SSE, chunks=chunks, **more)  # type: ignore[arg-type]


def tokens(found: Interception) -> Sequence[TokenUsage]:
    return [record.fact for record in found.records if isinstance(record.fact, TokenUsage)]


async def test_a_stream_is_relayed_and_recorded() -> None:
    """Every byte arrives, head included, and the interception tells who, what and how much."""
    world = World(stream(START, TEXT, DELTA + STOP))
    await world.post()
    assert world.reply.body == START + TEXT + DELTA + STOP
    assert world.reply.finished
    assert world.reply.head is not None
    assert world.reply.head.headers == SSE
    found = await world.kept()
    assert (found.status, found.start.model, found.start.initiator) == (Status.COMPLETED, "m-1", ANN)
    assert [(t.input_tokens, t.output_tokens) for t in tokens(found)] == [(5, 7)]
    assert found.start.credential_kind is CredentialKind.CENTRALIZED


async def test_the_start_is_recorded_before_the_upstream_is_called() -> None:
    """If it can't be, nothing goes upstream."""
    world = World(stream(START))
    world.recorder.failure = RecordingFailed("no database")
    with pytest.raises(RecordingFailed):
        await world.post()
    assert world.upstream.requests == []
    assert not world.reply.started


async def test_who_holds_a_complete_answer_stands_in_the_trail() -> None:
    """The last piece goes out when the end is durable; nothing before it waits."""
    world = World(stream(START, TEXT, DELTA + STOP))
    seen: list[tuple[bytes, Status]] = []
    world.reply.on_send = lambda data: seen.append((data, world.status()))
    await world.post()
    assert seen == [
        (START, Status.IN_FLIGHT),
        (TEXT, Status.IN_FLIGHT),
        (DELTA, Status.IN_FLIGHT),
        (STOP, Status.COMPLETED),
    ]


async def test_an_end_that_cannot_be_recorded_keeps_the_last_piece_back() -> None:
    """The client sees an answer that breaks off, not one that is missing in the trail."""
    world = World(stream(START, TEXT, DELTA + STOP))

    def lose_the_database(data: bytes) -> None:
        world.recorder.failure = RecordingFailed("gone") if data == TEXT else world.recorder.failure

    world.reply.on_send = lose_the_database
    await world.post()
    assert world.reply.body == START + TEXT + DELTA
    assert not world.reply.finished


@pytest.mark.parametrize("failure", [UpstreamUnreachable("refused"), UpstreamTimeout("no head in 1 s")])
async def test_an_upstream_that_does_not_answer_fails_the_interception(failure: Exception) -> None:
    """The error goes on to whoever can still choose a status; the prompt is kept."""
    world = World(ScriptedAnswer(refusal=failure))  # type: ignore[arg-type]
    with pytest.raises(type(failure)):
        await world.post()
    found = await world.kept()
    assert (found.status, found.error_message) == (Status.FAILED, str(failure))
    assert [type(record.fact).__name__ for record in found.records] == ["PromptUsage"]


@pytest.mark.parametrize("failure", [UpstreamBroken("not readable"), UpstreamTimeout("silent for 300 s")])
async def test_a_failure_between_events_ends_the_answer_with_an_error_event(failure: UpstreamFault) -> None:
    """What came is relayed, the client can see the error, what was seen is recorded as partial."""
    world = World(stream(START, TEXT, breaks=failure))
    await world.post()
    assert world.reply.body.startswith(START + TEXT + b"event: error\n")
    assert failure.message.encode() in world.reply.body
    assert world.reply.finished
    found = await world.kept()
    assert (found.status, found.error_type) == (Status.FAILED, failure.error_type)
    assert [(t.input_tokens, t.output_tokens, t.metadata["partial"]) for t in tokens(found)] == [(5, 1, True)]


@pytest.mark.parametrize("came", [TEXT, TEXT[:30]])
async def test_a_connection_that_ends_early_ends_the_clients_as_well(came: bytes) -> None:
    """Between two events, too: clients come again after that, and not after every error event."""
    world = World(stream(START, came, breaks=UpstreamCut("reset by peer")))
    await world.post()
    assert world.reply.body == START + came
    assert not world.reply.finished
    found = await world.kept()
    assert (found.status, found.error_type) == (Status.FAILED, "connection_error")
    assert [(t.input_tokens, t.output_tokens, t.metadata["partial"]) for t in tokens(found)] == [(5, 1, True)]


async def test_a_failure_inside_an_event_breaks_the_connection() -> None:
    """Nothing can be said in the middle of an event."""
    world = World(stream(START, TEXT[:30], breaks=UpstreamBroken("reset by peer")))
    await world.post()
    assert world.reply.body == START + TEXT[:30]
    assert not world.reply.finished


async def test_a_client_that_goes_away_is_cancelled_with_what_was_seen() -> None:
    """The cancellation goes on; the trail says cancelled and keeps a tool call as far as it came."""
    call = (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
        b'{"type":"tool_use","id":"toolu_1","name":"Read","input":{}}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"input_json_delta","partial_json":"{\\"p"}}\n\n'
    )
    world = World(stream(START, call, breaks=KeyboardInterrupt()))
    world.reply.client_gone = True
    with pytest.raises(KeyboardInterrupt):
        await world.post()
    found = await world.kept()
    assert (found.status, found.error_type) == (Status.CANCELLED, "")
    (tool,) = [record.fact for record in found.records if isinstance(record.fact, ToolUsage)]
    assert (tool.tool, tool.arguments) == ("Read", '{"p')
    assert world.upstream.open_exchanges == 0


async def test_a_shutdown_interrupts() -> None:
    """Cancelled from outside while the client is still there."""
    world = World(stream(START, breaks=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        await world.post()
    assert (await world.kept()).status is Status.INTERRUPTED


async def test_an_error_answer_is_relayed_and_failed() -> None:
    """Status, headers and body verbatim; type and message in the trail."""
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    headers = ((b"content-type", b"application/json"), (b"retry-after", b"7"))
    world = World(ScriptedAnswer(status=429, headers=headers, chunks=[body[:10], body[10:]]))
    await world.post()
    assert world.reply.head is not None
    assert (world.reply.head.status, world.reply.head.headers, world.reply.body) == (429, headers, body)
    found = await world.kept()
    assert (found.status, found.error_type, found.error_message) == (Status.FAILED, "rate_limited", "slow down")


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_coded_streams_are_relayed_as_they_are(size: int) -> None:
    """The client's bytes stay coded, the facts are read on the side, the last event is held."""
    coded = zlib.compress(START + TEXT + DELTA + STOP)
    chunks = [coded[i : i + size] for i in range(0, len(coded), size)]
    head = ((b"content-type", b"text/event-stream"), (b"content-encoding", b"deflate"))
    world = World(ScriptedAnswer(headers=head, chunks=chunks))
    statuses: list[Status] = []
    world.reply.on_send = lambda data: statuses.append(world.status())
    await world.post(headers=((b"accept-encoding", b"deflate"),))
    assert world.reply.body == coded
    assert world.reply.head is not None
    assert world.reply.head.headers == head
    assert world.reply.keep_alive is None
    assert statuses[-1] is Status.COMPLETED
    assert [(t.input_tokens, t.output_tokens) for t in tokens(await world.kept())] == [(5, 7)]


async def test_a_coded_stream_that_fails_breaks_off() -> None:
    """Words of our own in the midst of coded bytes would be none, and an end in good order a lie."""
    coder = zlib.compressobj()
    coded = coder.compress(START + TEXT) + coder.flush(zlib.Z_SYNC_FLUSH)
    head = ((b"content-type", b"text/event-stream"), (b"content-encoding", b"deflate"))
    world = World(ScriptedAnswer(headers=head, chunks=[coded], breaks=UpstreamTimeout("silent for 300 s")))
    await world.post()
    assert world.reply.body == coded
    assert not world.reply.finished
    found = await world.kept()
    assert (found.status, found.error_type) == (Status.FAILED, "timeout")
    assert [(t.input_tokens, t.output_tokens) for t in tokens(found)] == [(5, 1)]


async def test_a_coded_body_holds_its_last_piece_back() -> None:
    """As a plain one does."""
    answer = b'{"id":"msg_1","type":"message","model":"m-1","content":[],"usage":{"input_tokens":3,"output_tokens":2}}'
    coded = zlib.compress(answer)
    head = ((b"content-type", b"application/json"), (b"content-encoding", b"deflate"))
    world = World(ScriptedAnswer(headers=head, chunks=[coded[:20], coded[20:]]))
    statuses: list[Status] = []
    world.reply.on_send = lambda data: statuses.append(world.status())
    await world.post(body=BODY.replace(b"true", b"false"))
    assert world.reply.body == coded
    assert statuses == [Status.IN_FLIGHT, Status.COMPLETED]
    assert [(t.input_tokens, t.output_tokens) for t in tokens(await world.kept())] == [(3, 2)]


@pytest.mark.parametrize(("coding", "body"), [(b"snappy", b"\xff\x00abc"), (b"deflate", b"not deflate")])
async def test_a_coding_that_cannot_be_undone_still_reaches_the_client(coding: bytes, body: bytes) -> None:
    """Its bytes pass; the trail says that its facts could not be read."""
    head = ((b"content-type", b"application/json"), (b"content-encoding", coding))
    world = World(ScriptedAnswer(headers=head, chunks=[body, body]))
    await world.post()
    assert world.reply.body == body + body
    assert (await world.kept()).error_message == "the answer's content coding could not be undone"


async def test_coded_requests_go_upstream_as_they_are() -> None:
    """Decoded only to be read."""
    coded = zlib.compress(BODY)
    world = World(stream(START, DELTA, STOP))
    await world.post(body=coded, headers=((b"content-encoding", b"deflate"), (b"content-type", b"application/json")))
    (sent,) = world.upstream.requests
    assert sent.body == coded
    assert (b"content-encoding", b"deflate") in sent.headers
    assert (await world.kept()).start.model == "m-1"


async def test_the_request_carries_the_central_key_and_the_clients_headers() -> None:
    """The gateway token stays here; the rest goes on, the query with it."""
    world = World(stream(START, DELTA, STOP))
    await world.post(headers=((b"x-api-key", b"tok"), (b"anthropic-beta", b"b-1"), (b"user-agent", b"ua/1")))
    (sent,) = world.upstream.requests
    assert sent.headers == ((b"anthropic-beta", b"b-1"), (b"user-agent", b"ua/1"), (b"x-api-key", b"sk-c"))
    found = await world.kept()
    assert found.start.metadata == {"request_user_agent": "ua/1", "request_headers": {"anthropic-beta": "b-1"}}
    assert found.start.user_agent == "ua/1"


async def test_silent_streams_may_be_kept_alive_between_events_only() -> None:
    """The reply is given a source of pings that is empty inside an event."""
    world = World(stream(START, TEXT[:30], TEXT[30:], DELTA + STOP))
    pings: list[bytes] = []
    world.reply.on_send = lambda data: pings.append(world.reply.keep_alive()) if world.reply.keep_alive else None
    await world.post()
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    assert pings == [ping, b"", ping, b"", b""]


class _Tracked(bytes):
    """Bytes that say when nobody holds them any more."""

    freed: list[str]

    def __del__(self) -> None:
        self.freed.append("freed")


@pytest.mark.parametrize("path", ["/anthropic/v1/messages", "/anthropic/v1/models"])
async def test_a_request_is_let_go_of_when_it_is_sent(path: str) -> None:
    """While an answer runs, which may be minutes, nothing on our side holds the body of its request any more."""
    world = World(stream(START, TEXT, DELTA + STOP))
    body = _Tracked(BODY)
    freed: list[str] = []
    body.freed = freed
    seen: list[Sequence[str]] = []

    def on_send(_: bytes) -> None:
        world.upstream.requests.clear()  # the fake is the one that would keep it
        seen.append(list(freed))

    world.reply.on_send = on_send
    match = world.router.resolve("POST", path)
    use_case = (
        world.bridge
        if "messages" in path
        else Passthrough(upstream=world.upstream, codings=DeflateOnly(), clock=world.clock, max_body=10_000)
    )
    exchange = use_case.handle(
        match, ClientRequest(method="POST", path=path, body=body), Caller(actor=ANN, token="tok"), world.reply
    )
    del body
    await exchange
    assert seen[0] == ["freed"]
