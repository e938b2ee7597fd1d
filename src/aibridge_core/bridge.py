"""A request on a bridged route: read, recorded, relayed.

Belongs here: the use case from the client's request to its outcome. Never: HTTP frameworks, databases.
"""

from collections.abc import Callable

from attrs import evolve, frozen

from aibridge_core.actors import Actor, Credential, CredentialKind
from aibridge_core.boundaries import FirewallPlace, InvalidFirewallPlace, place_of_request
from aibridge_core.clients import Signals, classify
from aibridge_core.dialects.api import Interceptor
from aibridge_core.errors import BridgeError, MalformedRequest, RequestTooLarge, UnsupportedCoding
from aibridge_core.headers import accepted_codings, for_upstream
from aibridge_core.hidden_turns import HiddenTurns
from aibridge_core.observing import UNWATCHED, Observer, Phase, Watch
from aibridge_core.ports import Clock, ContentCodings, NewId, Recorder, Reply, ToolServers, Upstream
from aibridge_core.records import InterceptionStart, Status
from aibridge_core.relay import RelayLoop, ToolLoop
from aibridge_core.routing import Match
from aibridge_core.sessions import session_id
from aibridge_core.tools import NoToolServers, Toolbox
from aibridge_core.trail import Trail
from aibridge_core.wire import ClientRequest, Headers, UpstreamRequest, header

MAX_HEADER_TEXT = 512
"""Longest header value kept in an interception's metadata, in characters."""

FIREWALL_IGNORED = "agent_firewall_ignored"
"""Key in the metadata of an interception whose request had firewall headers that name no place; says why."""

KEPT_HEADERS = frozenset(
    (
        b"anthropic-beta",
        b"anthropic-version",
        b"originator",
        b"x-app",
        b"x-claude-code-agent-id",
        b"x-initiator",
        b"x-interaction-type",
        b"x-stainless-lang",
        b"x-stainless-package-version",
    )
)
"""Request headers that tell an auditor how a client was set up; none carries a secret."""


@frozen(kw_only=True)
class Caller:
    """Who calls, and by which token."""

    actor: Actor
    token: str
    """The gateway token; never goes upstream."""
    own_credential: bool = False
    """Whether the client may have sent an upstream credential of its own."""


class Bridge:
    """Serves bridged routes."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        recorder: Recorder,
        codings: ContentCodings,
        clock: Clock,
        new_id: NewId,
        max_body: int,
        tools: ToolServers | None = None,
        max_turns: int = 16,
        observer: Observer = UNWATCHED,
        hidden: HiddenTurns | None = None,
    ) -> None:
        self._upstream = upstream
        self._recorder = recorder
        self._codings = codings
        self._clock = clock
        self._new_id: Callable[[], str] = new_id
        self._max_body = max_body
        self._tools = tools or NoToolServers()
        self._max_turns = max_turns
        self._observer = observer
        self._hidden = hidden or HiddenTurns(now=clock.monotonic)

    async def handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply) -> None:
        """Serve one request. Raises a BridgeError as long as the answer has not begun."""
        watch = self._observer.bridged(match, request, caller.actor)
        with watch:
            exchange = self._handle(match, request, caller, reply, watch)
            del request
            try:
                await exchange
            finally:
                watch.sent(reply.sent)

    async def _handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply, watch: Watch) -> None:
        with watch.during(Phase.FIND_TOOLS):
            toolbox = evolve(await self._tools.toolbox(caller.actor), hidden=self._hidden.of(caller.actor.id))
        with watch.during(Phase.INTERCEPT):
            interceptor, start, outgoing = self._intercept(match, request, caller, toolbox)
        del request
        watch.started(start)
        with watch.during(Phase.BEGIN):
            await self._recorder.begin(start)
        trail = Trail(start, recorder=self._recorder, clock=self._clock, new_id=self._new_id, watch=watch)
        tools = ToolLoop(servers=self._tools, actor=caller.actor, max_turns=self._max_turns)
        loop = RelayLoop(interceptor, trail, reply, request=outgoing, codings=self._codings, tools=tools, watch=watch)
        del outgoing
        with watch.during(Phase.PROCESS):
            await self._process(loop, trail, interceptor, reply)

    async def _process(self, loop: RelayLoop, trail: Trail, interceptor: Interceptor, reply: Reply) -> None:
        """From the upstream call to the outcome."""
        try:
            await loop.run(self._upstream)
        except BridgeError as error:
            trail.fail(error)
            await self._break_off(loop, trail, interceptor, reply, error)
        except BaseException:
            loop.break_off()
            await trail.close(interceptor, Status.CANCELLED if reply.client_gone else Status.INTERRUPTED)
            raise

    def _intercept(
        self, match: Match, request: ClientRequest, caller: Caller, toolbox: Toolbox
    ) -> tuple[Interceptor, InterceptionStart, UpstreamRequest]:
        """Read a request. What it was asked with is in the last one only: an answer may last for minutes."""
        plain = self._decoded(request)
        interceptor = match.dialect.intercept(plain, toolbox)
        credential = match.provider.credential(request.headers, own=caller.own_credential, gateway_token=caller.token)
        start = self._start(match, request, caller.actor, interceptor, credential)
        outgoing = self._outgoing(match, request, interceptor, credential, edited=interceptor.request.body != plain)
        interceptor.request = evolve(interceptor.request, body=b"")
        return interceptor, start, outgoing

    async def _break_off(
        self, loop: RelayLoop, trail: Trail, interceptor: Interceptor, reply: Reply, error: BridgeError
    ) -> None:
        """The upstream failed: record, then tell the client in the way that is still possible."""
        held = loop.break_off()
        await trail.close(interceptor)
        if not reply.started:
            raise error
        if held:
            await reply.send(held)
        if event := interceptor.fail(error):
            await reply.send(event)
            await reply.finish()

    def _decoded(self, request: ClientRequest) -> bytes:
        """The body, readable. Its coded form still is what goes upstream."""
        coding = (header(request.headers, b"content-encoding") or "identity").lower()
        if coding == "identity":
            return request.body
        if coding not in self._codings.names:
            raise UnsupportedCoding(f"content-encoding {coding!r} is not one of {', '.join(self._codings.names)}")
        try:
            return self._codings.decode(request.body, coding, limit=self._max_body)
        except OverflowError:
            raise RequestTooLarge(f"the body decodes to more than {self._max_body} bytes") from None
        except ValueError:
            raise MalformedRequest(f"the body is not valid {coding}") from None

    def _start(
        self, match: Match, request: ClientRequest, actor: Actor, interceptor: Interceptor, credential: Credential
    ) -> InterceptionStart:
        view = interceptor.request
        client = classify(Signals(headers=request.headers, session_hint=view.session_hint))
        user_agent = header(request.headers, b"user-agent") or ""
        firewall, ignored = _firewall(request.headers)
        return InterceptionStart(
            id=self._new_id(),
            initiator=actor,
            provider=match.provider.type,
            provider_name=match.provider.name,
            model=view.model,
            client=client,
            client_session_id=session_id(client, request.headers, view.session_hint),
            user_agent=user_agent,
            correlating_tool_call_id=view.correlating_tool_call_id,
            credential_kind=credential.kind,
            credential_hint=credential.hint,
            streaming=view.streaming,
            started_at=self._clock.now(),
            metadata={**_metadata(request.headers, user_agent), **ignored},
            firewall=firewall,
        )

    def _outgoing(
        self, match: Match, request: ClientRequest, interceptor: Interceptor, credential: Credential, *, edited: bool
    ) -> UpstreamRequest:
        view = interceptor.request
        headers = upstream_headers(
            request.headers, credential, self._codings, identity=interceptor.edits_answers, body_is_plain=edited
        )
        return UpstreamRequest(
            method=request.method,
            url=match.provider.url(match.path, request.query),
            headers=headers,
            body=view.body if edited else request.body,
            streaming=view.streaming,
        )


def upstream_headers(
    headers: Headers,
    credential: Credential,
    codings: ContentCodings,
    *,
    identity: bool = False,
    body_is_plain: bool = False,
) -> Headers:
    """The headers of a request to a provider.

    `identity`: the answer will be edited, so it mustn't be coded. `body_is_plain`: a coded body was decoded to be
    edited.
    """
    drop = {b"accept-encoding"} | ({b"content-encoding"} if body_is_plain else set())
    kept = for_upstream(headers, central_key=credential.kind is CredentialKind.CENTRALIZED, drop=drop)
    offered = header(headers, b"accept-encoding")
    added: list[tuple[bytes, bytes]] = []
    if identity:
        added.append((b"accept-encoding", b"identity"))
    elif offered is not None:
        added.append((b"accept-encoding", accepted_codings(offered, codings.names).encode("latin-1")))
    return (*kept, *added, (credential.header, credential.value))


def _firewall(headers: Headers) -> tuple[FirewallPlace | None, dict[str, object]]:
    """The request's place in a firewall session, and what metadata say of headers that name none.

    A request is not refused for them: what it asked is worth more in the trail than its link to other logs.
    """
    try:
        return place_of_request(headers), {}
    except InvalidFirewallPlace as error:
        return None, {FIREWALL_IGNORED: str(error)}


def _metadata(headers: Headers, user_agent: str) -> dict[str, object]:
    kept = {name.decode(): value.decode("latin-1")[:MAX_HEADER_TEXT] for name, value in headers if name in KEPT_HEADERS}
    metadata: dict[str, object] = {"request_user_agent": user_agent[:MAX_HEADER_TEXT]} if user_agent else {}
    return {**metadata, "request_headers": kept} if kept else metadata
