"""A request of a client, read: what is asked, who pays, what is recorded of it, what goes upstream.

Belongs here: from the bytes that came to values. Never: what happens then (`bridge`).
"""

from collections.abc import Callable

from attrs import evolve, frozen

from aibridge_core.actor_headers import NO_ACTOR_HEADERS, ActorHeaders
from aibridge_core.actors import Actor, Credential, CredentialKind
from aibridge_core.boundaries import FirewallPlace, InvalidFirewallPlace, place_of_request
from aibridge_core.breaker import Circuit
from aibridge_core.clients import Signals, classify
from aibridge_core.dialects.api import Interceptor, RequestView
from aibridge_core.dispatch import client_deadline
from aibridge_core.errors import (
    BridgeError,
    MalformedRequest,
    RequestTooLarge,
    UnsupportedCoding,
    UpstreamBroken,
    UpstreamFault,
    UpstreamUnreachable,
)
from aibridge_core.headers import SIGNATURE_PREFIX, accepted_codings, for_upstream
from aibridge_core.keys import Keys
from aibridge_core.ports import Clock, ContentCodings, NewId, Upstream
from aibridge_core.providers.translating import Translation
from aibridge_core.records import InterceptionStart
from aibridge_core.routing import Match
from aibridge_core.sessions import session_id
from aibridge_core.tools import Toolbox
from aibridge_core.wire import ClientRequest, Headers, Subject, UpstreamRequest, header

MAX_HEADER_TEXT = 512
"""Longest header value kept in an interception's metadata, in characters."""

FIREWALL_IGNORED = "agent_firewall_ignored"
"""Key in the metadata of an interception whose request had firewall headers that name no place; says why."""

INFERENCE_PROFILE = "inference_profile"
"""Key in the metadata of an interception whose model was asked through something that has another name."""

_BY_SOCKET: dict[str, object] = {"transport": "websocket"}
"""In the metadata of an interception whose request was a message on a WebSocket."""

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


@frozen(kw_only=True)
class Judged:
    """A circuit, and what its breaker takes for a failure: errors of an answer that had begun are not."""

    circuit: Circuit
    failing: frozenset[int]

    def failed(self, status: int | None, error: BridgeError | None = None) -> bool | None:
        """`status`: of the client's answer, if it began. None if the exchange says nothing of the provider."""
        if status is None and isinstance(error, UpstreamFault):
            status = error.status
            if isinstance(error, UpstreamUnreachable | UpstreamBroken):
                return True
        return None if status is None else status in self.failing


@frozen(kw_only=True)
class Asked:
    """A request that was read, not yet recorded."""

    interceptor: Interceptor
    start: InterceptionStart
    outgoing: UpstreamRequest
    translation: Translation
    keys: Keys
    deadline: float
    circuit: Judged


class Intake:
    """Reads requests."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        codings: ContentCodings,
        clock: Clock,
        new_id: NewId,
        max_body: int,
        actor_headers: ActorHeaders = NO_ACTOR_HEADERS,
    ) -> None:
        self._upstream = upstream
        self._codings = codings
        self._clock = clock
        self._new_id: Callable[[], str] = new_id
        self._max_body = max_body
        self._actor_headers = actor_headers

    async def read(self, match: Match, request: ClientRequest, caller: Caller, toolbox: Toolbox) -> Asked:
        """Read a request. What it was asked with is in `outgoing` only: an answer may last for minutes."""
        plain = readable_body(request, self._codings, limit=self._max_body)
        interceptor = match.dialect.intercept(plain, toolbox, path=match.path)
        asked_model = interceptor.request.model
        translation = await match.provider.translator.translation(match.route, asked_model, self._upstream)
        if translation.model:
            interceptor.request = evolve(interceptor.request, model=translation.model)
        hint = interceptor.request.session_hint
        client = classify(Signals(headers=request.headers, session_hint=hint))
        session = session_id(client, request.headers, hint)
        keys = match.provider.keys_for(
            request.headers, session or caller.actor.id, own=caller.own_credential, gateway_token=caller.token
        )
        credential = keys.expected()
        start = self._start(match, request, caller.actor, interceptor.request, credential, client, session)
        if translation.profile:
            start = evolve(start, metadata={**start.metadata, INFERENCE_PROFILE: translation.profile})
        outgoing = self._outgoing(match, request, interceptor, credential, translation, start, plain)
        interceptor.request = interceptor.request.having(b"")
        return Asked(
            interceptor=interceptor,
            start=start,
            outgoing=outgoing,
            translation=translation,
            keys=keys,
            deadline=client_deadline(request.headers, self._clock.monotonic()),
            circuit=Judged(
                circuit=Circuit(match.provider.name, match.endpoint, start.model), failing=match.provider.kind.failing
            ),
        )

    def _start(  # noqa: PLR0917
        self,
        match: Match,
        request: ClientRequest,
        actor: Actor,
        view: RequestView,
        credential: Credential,
        client: str,
        session: str | None,
    ) -> InterceptionStart:
        user_agent = header(request.headers, b"user-agent") or ""
        firewall, ignored = _firewall(request.headers)
        over_socket = request.scheme in ("ws", "wss")
        return InterceptionStart(
            id=self._new_id(),
            initiator=actor,
            provider=match.provider.type,
            provider_name=match.provider.name,
            model=view.model,
            client=client,
            client_session_id=session,
            user_agent=user_agent,
            correlating_tool_call_id=view.correlating_tool_call_id,
            credential_kind=credential.kind,
            credential_hint=credential.hint,
            streaming=view.streaming or over_socket,
            started_at=self._clock.now(),
            metadata={**_metadata(request.headers, user_agent), **ignored, **(_BY_SOCKET if over_socket else {})},
            firewall=firewall,
        )

    def _outgoing(  # noqa: PLR0917
        self,
        match: Match,
        request: ClientRequest,
        interceptor: Interceptor,
        credential: Credential,
        translation: Translation,
        start: InterceptionStart,
        plain: bytes,
    ) -> UpstreamRequest:
        """`plain`: the client's body, decoded."""
        view = interceptor.request
        edited = translation.edits or view.body != plain
        identity = translation.edits or interceptor.edits_answers
        headers = upstream_headers(
            match.provider.filter.apply(request.headers),
            credential,
            self._codings,
            identity=identity,
            body_is_plain=edited,
        )
        return UpstreamRequest(
            method=request.method,
            url=match.provider.url(match.path, request.query),
            headers=self._actor_headers.onto(headers, start.initiator),
            body=view.body if edited else request.body,
            streaming=view.streaming,
            subject=Subject(provider=match.provider.name, model=start.model, interception_id=start.id),
        )


def readable_body(request: ClientRequest, codings: ContentCodings, *, limit: int) -> bytes:
    """The body, decoded. Raises UnsupportedCoding, MalformedRequest, and RequestTooLarge beyond `limit` bytes."""
    coding = (header(request.headers, b"content-encoding") or "identity").lower()
    if coding == "identity":
        return request.body
    if coding not in codings.names:
        raise UnsupportedCoding(f"content-encoding {coding!r} is not one of {', '.join(codings.names)}")
    try:
        return codings.decode(request.body, coding, limit=limit)
    except OverflowError:
        raise RequestTooLarge(f"the body decodes to more than {limit} bytes") from None
    except ValueError:
        raise MalformedRequest(f"the body is not valid {coding}") from None


def upstream_headers(
    headers: Headers,
    credential: Credential,
    codings: ContentCodings,
    *,
    identity: bool = False,
    body_is_plain: bool = False,
) -> Headers:
    """The headers of a request to a provider, but for the credential, which each try brings (`dispatch`).

    `identity`: the answer will be edited, so it mustn't be coded. `body_is_plain`: a coded body was decoded to be
    edited.
    """
    drop = {b"accept-encoding"} | ({b"content-encoding"} if body_is_plain else set())
    if credential.signer:
        drop |= {name for name, _ in headers if name.startswith(SIGNATURE_PREFIX)}
    kept = for_upstream(headers, central_key=credential.kind is CredentialKind.CENTRALIZED, drop=drop)
    offered = header(headers, b"accept-encoding")
    added: list[tuple[bytes, bytes]] = []
    if identity:
        added.append((b"accept-encoding", b"identity"))
    elif offered is not None:
        added.append((b"accept-encoding", accepted_codings(offered, codings.names).encode("latin-1")))
    return (*kept, *added)


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
