"""An observer is told of each request while it happens, in order, and of errors where they happen."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest
from attrs import Factory, define

from aibridge_core.actors import Actor
from aibridge_core.bridge import Bridge
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError, MalformedRequest, UpstreamUnreachable
from aibridge_core.intake import Caller
from aibridge_core.observers import observers
from aibridge_core.observing import Observer, Phase, Serving, UpstreamWatch, Watch
from aibridge_core.passthrough import Passthrough
from aibridge_core.providers.registry import provider
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart
from aibridge_core.routing import Match, Router
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import CollectingReply, CountingIds, DeflateOnly, ScriptedAnswer, ScriptedUpstream
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.wire import AnswerHead, Arrival, ClientRequest, Headers, UpstreamRequest

pytestmark = pytest.mark.anyio

ANN = Actor(id="u-1", username="ann")
BODY = b'{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
EVENTS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"m-1",'
    b'"usage":{"input_tokens":5,"output_tokens":1}}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)


@define
class Diary:
    """Implements `Observer`, `Serving`, `Watch` and `UpstreamWatch`; writes down what it is told."""

    name: str = ""
    lines: list[str] = Factory(list)

    @contextmanager
    def _around(self, what: str) -> Iterator[None]:
        self.lines.append(f"{self.name}{what} (")
        try:
            yield
        except BaseException as error:
            self.lines.append(f"{self.name}) {type(error).__name__}")
            raise
        self.lines.append(f"{self.name})")

    def serving(self, arrival: Arrival) -> Serving:
        return _Entry(self, f"serving {arrival.path}")

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        return _Entry(self, f"bridged {match.path} {actor.username}")

    def passthrough(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        return _Entry(self, f"passthrough {match.path} {actor.username}")

    def refused(self, path: str, error: BridgeError) -> None:
        self.lines.append(f"refused {path}")


class _Entry:
    def __init__(self, diary: Diary, what: str) -> None:
        self._diary = diary
        self._context = diary._around(what)
        self.headers: Headers = ((b"x-watched-by", diary.name.encode()),)

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        return self._diary._around(phase.value)

    def started(self, start: InterceptionStart) -> None:
        self._say(f"started {start.id}")

    def upstream(self, request: UpstreamRequest) -> UpstreamWatch:
        return _Entry(self._diary, f"upstream {request.url}")

    def observed(self, fact: Fact) -> None:
        self._say(f"observed {type(fact).__name__}")

    def finished(self, reasons: Sequence[str]) -> None:
        self._say(f"finished {' '.join(reasons)}")

    def failed(self, failure: Failed | BridgeError) -> None:
        self._say(f"failed {failure.message}")

    def answering(self, status: int) -> None:
        self._say(f"answering {status}")

    def sent(self, size: int) -> None:
        self._say(f"sent={size}")

    def ended(self, ended: InterceptionEnded) -> None:
        self._say(f"ended {ended.status.value}")

    def answered(self, head: AnswerHead) -> None:
        self._say(f"answered {head.status}")

    def flowing(self) -> None:
        self._say("flowing")

    def _say(self, line: str) -> None:
        self._diary.lines.append(f"{self._diary.name}{line}")


async def ask(observer: Observer, *answers: ScriptedAnswer, path: str = "", body: bytes = BODY) -> ScriptedUpstream:
    path = path or "/anthropic/v1/messages"
    upstream = ScriptedUpstream(*answers)
    router = Router([provider(name="anthropic", type="anthropic", base_url="https://a.example", keys=["sk"])])
    bridge = Bridge(
        upstream=upstream,
        recorder=MemoryStorage().recorder,
        codings=DeflateOnly(),
        clock=FakeClock(),
        new_id=CountingIds(),
        max_body=1000,
        observer=observer,
    )
    use_case = (
        bridge
        if "messages" in path
        else Passthrough(upstream=upstream, codings=DeflateOnly(), clock=FakeClock(), max_body=100, observer=observer)
    )
    request = ClientRequest(method="POST", path=path, body=body)
    await use_case.handle(router.resolve("POST", path), request, Caller(actor=ANN, token="t"), CollectingReply())
    return upstream


def stream(*events: bytes, **more: object) -> ScriptedAnswer:
    return ScriptedAnswer(headers=((b"content-type", b"text/event-stream"),), chunks=events, **more)  # type: ignore[arg-type]


def steps(diary: Diary) -> Sequence[str]:
    """Without the id, which is any."""
    return [line.split(" 0")[0] for line in diary.lines]


async def test_a_request_that_goes_well() -> None:
    """Every phase, the upstream call around the answer, each fact, the outcome."""
    diary = Diary()
    upstream = await ask(diary, stream(*EVENTS))
    assert steps(diary) == [
        "bridged /v1/messages ann (",
        *("find_tools (", ")", "intercept (", ")", "started", "begin (", ")", "process ("),
        *("upstream https://a.example/v1/messages (", "answered 200", "answering 200", "flowing"),
        *("observed TokenUsage", "finished end_turn", "observed PromptUsage", "ended completed", "end (", ")", ")"),
        *(")", f"sent={sum(map(len, EVENTS))}", ")"),
    ]
    assert (b"x-watched-by", b"") in upstream.requests[0].headers


async def test_a_provider_that_is_away() -> None:
    """The upstream call ends with its error; the request has one outcome and one reason."""
    diary = Diary()
    with pytest.raises(UpstreamUnreachable):
        await ask(diary, ScriptedAnswer(refusal=UpstreamUnreachable("nobody there")))
    assert [line for line in diary.lines if line.startswith((")", "failed", "ended"))][3:] == [
        ") UpstreamUnreachable",
        "failed nobody there",
        "ended failed",
        ")",
        ") UpstreamUnreachable",
        ") UpstreamUnreachable",
    ]
    assert "sent=0" in diary.lines


async def test_a_request_that_is_no_interception() -> None:
    """It has no start and no end."""
    diary = Diary()
    with pytest.raises(MalformedRequest):
        await ask(diary, body=b"{")
    assert steps(diary)[-4:] == ["intercept (", ") MalformedRequest", "sent=0", ") MalformedRequest"]


async def test_a_passthrough_request() -> None:
    """It has one upstream call."""
    diary = Diary()
    await ask(diary, ScriptedAnswer(chunks=(b"[]",)), path="/anthropic/v1/models")
    assert steps(diary) == [
        "passthrough /v1/models ann (",
        "upstream https://a.example/v1/models (",
        "answered 200",
        "answering 200",
        ")",
        "sent=2",
        ")",
    ]


@pytest.mark.parametrize("path", ["/anthropic/v1/messages", "/anthropic/v1/models"])
async def test_several_observers(path: str) -> None:
    """Each is told the same; contexts are left in reverse."""
    one, alone = Diary(), Diary()
    several = Diary(name="", lines=one.lines)
    other = Diary(name="B ")
    upstream = await ask(observers([several, other]), stream(*EVENTS), path=path)
    await ask(alone, stream(*EVENTS), path=path)
    assert one.lines == alone.lines
    assert [line.removeprefix("B ") for line in other.lines] == alone.lines
    assert (b"x-watched-by", b"B ") in upstream.requests[0].headers


def test_whoever_sent_it() -> None:
    """A request is watched from its head on, by all observers, whatever becomes of it."""
    diary = Diary()
    with observers([diary, Diary(name="B ", lines=diary.lines)]).serving(Arrival(method="GET", path="/nowhere")):
        pass
    serving = observers([diary, Diary()]).serving(Arrival(method="GET", path="/nowhere"))
    with serving:
        serving.answering(401)
    assert diary.lines == [
        *("serving /nowhere (", "B serving /nowhere (", "B )", ")"),
        *("serving /nowhere (", "answering 401", ")"),
    ]
