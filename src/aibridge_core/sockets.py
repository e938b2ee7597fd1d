"""A WebSocket to a provider: opened with a credential, then used as an upstream, one request after the other.

Belongs here: the port, and the core's way through it. Never: frames on the wire (an adapter's), or a client's socket.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Protocol

from attrs import define, evolve, field, frozen

from aibridge_core.actor_headers import NO_ACTOR_HEADERS, ActorHeaders
from aibridge_core.clients import Signals, classify
from aibridge_core.cooldown import cooldown
from aibridge_core.dialects.responses.frames import as_event, ends_response
from aibridge_core.dialects.responses.refusals import Refusal, refusal
from aibridge_core.errors import UpgradeRefused, UpstreamBroken, UpstreamFault
from aibridge_core.headers import for_client
from aibridge_core.intake import Caller, upstream_headers
from aibridge_core.keys import HeldKey, Keys
from aibridge_core.ports import Clock, ContentCodings
from aibridge_core.providers.api import Provider
from aibridge_core.routing import Match
from aibridge_core.sessions import session_id
from aibridge_core.wire import AnswerHead, ClientRequest, Headers, Subject, UpstreamRequest, with_headers

STREAM: Final = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),))
GOING_AWAY: Final = 1001
NO_STATUS: Final = 1005
GONE: Final = 1006
"""Stands for a connection that broke off."""
UNSENDABLE: Final = frozenset({NO_STATUS, GONE, 1015})
"""Close codes that only stand for something that happened, and are never sent (RFC 6455, section 7.4.1)."""


class SocketRefused(Exception):
    """The provider answered the upgrade with another status than 101."""

    def __init__(self, head: AnswerHead) -> None:
        super().__init__(f"the provider answered the upgrade with status {head.status}")
        self.head = head


class SocketClosed(Exception):
    """The provider's side is closed, with this code and reason (RFC 6455, section 7.1.5 and 7.1.6)."""

    def __init__(self, code: int = GONE, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class UpstreamSocket(Protocol):
    """An open WebSocket. Pings are answered by whoever implements it."""

    @property
    def headers(self) -> Headers:
        """Of the answer to the upgrade."""
        ...

    async def send(self, message: str) -> None:
        """Send a text; waits while the provider reads slowly. Raises SocketClosed."""
        ...

    async def receive(self, patience: float | None = None) -> str:
        """The next text, whole. Raises SocketClosed, UpstreamTimeout after `patience` seconds.

        A cancelled call has taken nothing.
        """
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, without waiting for an answer; once it is closed, nothing happens."""
        ...


class UpstreamSockets(Protocol):
    """The way to providers' WebSockets."""

    async def open(self, request: UpstreamRequest) -> UpstreamSocket:
        """Upgrade a GET. Raises SocketRefused, UpstreamUnreachable, UpstreamTimeout."""
        ...


@frozen(kw_only=True)
class OpenTunnel:
    """A socket, and what it was opened with."""

    socket: UpstreamSocket
    upgrade: UpstreamRequest
    """As it was sent, credential and all."""
    match: Match
    """Its provider has one key only, that of this connection: nothing else may be recorded as paying."""
    provider: Provider
    """The one that was chosen, with all its keys."""
    clock: Clock
    held: HeldKey | None = None
    """That key, if it is one of several."""

    @property
    def headers(self) -> Headers:
        """For the client's answer."""
        return for_client(self.socket.headers)

    def refused(self, said: Refusal) -> None:
        """The provider has refused a request in a message: the key rests as it would over HTTP."""
        if self.held:
            rest = cooldown(said.headers, self.clock.now())
            self.held.refused(said.status, rest, self.clock.monotonic())

    def is_outdated(self, current: Match | None) -> bool:
        """Whether the same upgrade would lead elsewhere by now: to another key, another configuration, nowhere."""
        if current is None or current.provider is not self.provider:
            return True
        return self.held is not None and self.held.is_outdone(self.clock.monotonic())


@frozen(kw_only=True)
class Tunnels:
    """Opens WebSockets for clients."""

    sockets: UpstreamSockets
    codings: ContentCodings
    clock: Clock
    actor_headers: ActorHeaders = NO_ACTOR_HEADERS

    async def open(self, match: Match, request: ClientRequest, caller: Caller) -> OpenTunnel:
        """Try keys until the provider takes one. Raises UpgradeRefused, NoUpstreamCredential, KeysRateLimited ...

        `UpgradeRefused` whenever the provider can't be spoken to in this way right now: the client then asks over
        HTTP, and is told there what is wrong, if anything is.
        """
        headers = request.headers
        session = session_id(classify(Signals(headers=headers)), headers, None)
        keys = match.provider.keys_for(
            headers, session or caller.actor.id, own=caller.own_credential, gateway_token=caller.token
        )
        upgrade = UpstreamRequest(
            method="GET",
            url=match.provider.url(match.path, request.query),
            headers=self._headers(match.provider, headers, caller, keys),
            subject=Subject(provider=match.provider.name),
        )
        try:
            tunnel: OpenTunnel | None = None
            while tunnel is None:
                tunnel = await self._try(match, upgrade, keys)
            return tunnel
        finally:
            keys.tell_tried()

    def _headers(self, provider: Provider, headers: Headers, caller: Caller, keys: Keys) -> Headers:
        """All but the credential."""
        passed = upstream_headers(provider.filter.apply(headers), keys.expected(), self.codings)
        return self.actor_headers.onto(passed, caller.actor)

    async def _try(self, match: Match, upgrade: UpstreamRequest, keys: Keys) -> OpenTunnel | None:
        """One try; None if it should go on with another key. Raises UpgradeRefused, KeysRateLimited ..."""
        provider = match.provider
        credential = keys.take(self.clock.monotonic())
        upgrade = with_headers(upgrade, ((credential.header, credential.value),))
        try:
            socket = await self.sockets.open(upgrade)
            held = keys.held()
            alone = provider.with_key(credential.secret, held.alone if held else None)
            return OpenTunnel(
                socket=socket,
                upgrade=upgrade,
                match=evolve(match, provider=alone),
                provider=provider,
                clock=self.clock,
                held=held,
            )
        except SocketRefused as error:
            status, rest = error.head.status, cooldown(error.head.headers, self.clock.now())
            if not keys.refused(status, rest, self.clock.monotonic()):
                raise UpgradeRefused(f"{provider.name} does not take WebSockets now; use HTTP") from error
            return None
        except UpstreamFault as error:
            raise UpgradeRefused(f"{provider.name} has no WebSocket now; use HTTP") from error
        finally:
            keys.leave()


@define
class SocketUpstream:
    """An open socket as an `aibridge_core.ports.Upstream`: a request is a message, its answer the messages after it.

    One request at a time. Its answer reads as a stream of events; `passing` holds the messages themselves, one for each
    event, so that clients get what came.
    """

    _socket: UpstreamSocket
    _patience: float | None
    """Longest silence within an answer, in seconds."""
    _refused: Callable[[Refusal], None] = lambda said: None
    """Told what a last message refuses with."""
    status: int | None = field(init=False, default=None)
    """That the present answer has, or would have over HTTP, by its first message; None before."""
    passing: deque[str] = field(init=False, factory=deque)
    midway: bool = field(init=False, default=False)
    """Whether an answer was asked for whose last message hasn't come."""

    def open(self, request: UpstreamRequest) -> "_Exchange":
        """An exchange, not begun yet."""
        return _Exchange(self, request.body.decode())

    async def ask(self, message: str) -> None:
        """Raises UpstreamBroken: the connection was there, so another try would find it closed as well."""
        self.passing.clear()
        self.midway, self.status = True, None
        try:
            await self._socket.send(message)
        except SocketClosed as closed:
            raise _broken(closed) from closed

    async def answer(self) -> bytes:
        """The next message, as an event. Raises UpstreamBroken, UpstreamTimeout."""
        try:
            message = await self._socket.receive(self._patience)
        except SocketClosed as closed:
            raise _broken(closed) from closed
        data = message.encode()
        said = None
        if ends_response(data):
            self.midway = False
            if said := refusal(data):
                self._refused(said)
        if self.status is None:
            self.status = said.status if said else STREAM.status
        self.passing.append(message)
        return as_event(data)


class _Exchange:
    """Implements `UpstreamExchange` and is its own answer."""

    head = STREAM

    def __init__(self, upstream: SocketUpstream, message: str) -> None:
        self._upstream = upstream
        self._message = message

    async def __aenter__(self) -> "_Exchange":
        """Raises UpstreamBroken."""
        message, self._message = self._message, ""
        await self._upstream.ask(message)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The socket stays open."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises UpstreamBroken, UpstreamTimeout."""
        while self._upstream.midway:
            yield await self._upstream.answer()


def _broken(closed: SocketClosed) -> UpstreamBroken:
    said = f" ({closed.code} {closed.reason}".rstrip() + ")" if closed.code != GONE else ""
    return UpstreamBroken(f"the provider closed the WebSocket before the answer was whole{said}")
