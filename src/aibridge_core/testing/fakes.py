"""Fakes of the ports around a relay, for tests of the core and of what library users build on it.

Belongs here: implementations of ports in memory, without sockets and sleeps. Storage fakes are in
`aibridge_core.testing.memory`, a clock that tests turn in `aibridge_core.testing.clock`.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType

from attrs import define, field, frozen

from aibridge_core.actors import Actor
from aibridge_core.errors import BridgeError, Unauthenticated
from aibridge_core.ports import Recorder
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record
from aibridge_core.tools import Toolbox, ToolCall, ToolResult
from aibridge_core.wire import AnswerHead, Headers, UpstreamRequest


@frozen(kw_only=True)
class ScriptedAnswer:
    """What a `ScriptedUpstream` answers: a head, pieces of a body, and perhaps an error at either end."""

    status: int = 200
    headers: Headers = ((b"content-type", b"application/json"),)
    chunks: Iterable[bytes] = ()
    refusal: BridgeError | None = None
    """Raised instead of an answer."""
    breaks: BaseException | None = None
    """Raised after the last piece."""


class ScriptedUpstream:
    """Implements `aibridge_core.ports.Upstream`: answers in order, and remembers what it was sent."""

    def __init__(self, *answers: ScriptedAnswer) -> None:
        self._answers = list(answers)
        self.requests: list[UpstreamRequest] = []
        self.open_exchanges = 0

    def open(self, request: UpstreamRequest) -> "_Exchange":
        """The next answer."""
        self.requests.append(request)
        return _Exchange(self, self._answers.pop(0))


class _Exchange:
    def __init__(self, upstream: ScriptedUpstream, script: ScriptedAnswer) -> None:
        self._upstream = upstream
        self._script = script

    async def __aenter__(self) -> "_Answer":
        if self._script.refusal:
            raise self._script.refusal
        self._upstream.open_exchanges += 1
        return _Answer(self._script)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._upstream.open_exchanges -= 1


class _Answer:
    def __init__(self, script: ScriptedAnswer) -> None:
        self._script = script
        self.head = AnswerHead(status=script.status, headers=script.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._script.chunks:
            yield chunk
        if self._script.breaks:
            raise self._script.breaks


@define
class CollectingReply:
    """Implements `aibridge_core.ports.Reply`: keeps what a client would have received."""

    on_send: Callable[[bytes], None] = lambda _: None
    """Called before each piece is kept; may look at the world at that moment."""
    head: AnswerHead | None = None
    pieces: list[bytes] = field(factory=list)
    finished: bool = False
    client_gone: bool = False
    keep_alive: Callable[[], bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether the head is out."""
        return self.head is not None

    @property
    def sent(self) -> int:
        """Bytes of the body."""
        return len(self.body)

    @property
    def body(self) -> bytes:
        """Everything received."""
        return b"".join(self.pieces)

    async def start(self, head: AnswerHead, *, keep_alive: Callable[[], bytes] | None = None) -> None:
        """Keep the head."""
        self.head = head
        self.keep_alive = keep_alive

    async def send(self, data: bytes) -> None:
        """Keep a piece."""
        self.on_send(data)
        self.pieces.append(data)

    async def finish(self) -> None:
        """The end."""
        self.finished = True


@define
class BreakableRecorder:
    """Implements `aibridge_core.ports.Recorder` over another one; while `failure` is set, every call raises it."""

    inner: Recorder
    failure: BridgeError | None = None

    async def begin(self, start: InterceptionStart) -> None:
        """As the inner one."""
        self._check()
        await self.inner.begin(start)

    async def record(self, records: Sequence[Record]) -> None:
        """As the inner one."""
        self._check()
        await self.inner.record(records)

    async def end(self, ended: InterceptionEnded) -> None:
        """As the inner one."""
        self._check()
        await self.inner.end(ended)

    def _check(self) -> None:
        if self.failure:
            raise self.failure


@frozen
class FakeAuthenticator:
    """Implements `aibridge_core.ports.Authenticator` over a table of tokens."""

    actors: Mapping[str, Actor]

    async def authenticate(self, token: str) -> Actor:
        """The actor of a token. Raises Unauthenticated."""
        try:
            return self.actors[token]
        except KeyError:
            raise Unauthenticated("unknown token") from None


@define
class FakeToolServers:
    """Implements `aibridge_core.ports.ToolServers` with one function for all tools; remembers what was called."""

    box: Toolbox
    run: Callable[[ToolCall], ToolResult]
    calls: list[ToolCall] = field(factory=list)

    async def toolbox(self, actor: Actor) -> Toolbox:
        """The same for everybody."""
        return self.box

    async def call(self, actor: Actor, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """One after the other."""
        self.calls += calls
        return [self.run(call) for call in calls]


class DeflateOnly:
    """Implements `aibridge_core.ports.ContentCodings` for the one coding that needs no library."""

    names: Collection[str] = ("deflate",)

    def decode(self, data: bytes, coding: str, *, limit: int) -> bytes:
        """A whole body."""
        plain = self.decoder(coding).feed(data)
        if len(plain) > limit:
            raise OverflowError
        return plain

    def decoder(self, coding: str) -> "_Inflate":
        """A decoder for one answer."""
        assert coding == "deflate"
        return _Inflate()


class _Inflate:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()

    def feed(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data)
        except zlib.error as error:
            raise ValueError(str(error)) from error


class CountingIds:
    """Implements `aibridge_core.ports.NewId`: UUID texts that count up."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> str:
        """The next one."""
        self._count += 1
        return f"00000000-0000-7000-8000-{self._count:012d}"
