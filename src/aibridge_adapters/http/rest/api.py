"""The REST API as one ASGI application: who may enter, where to, and what every answer carries.

Belongs here: authentication, dispatch, headers common to all answers. Never: what a route does. Nothing is
reachable without a valid token, not even the answer that a path doesn't exist.
"""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from aibridge_adapters.http.body import BodyReader, ClientLeft
from aibridge_adapters.http.rest.administration import Administration, Reload, nothing_to_reload
from aibridge_adapters.http.rest.boundaries import Boundaries
from aibridge_adapters.http.rest.catalogue import Catalogue, ProviderInfo
from aibridge_adapters.http.rest.interceptions import Interceptions
from aibridge_adapters.http.rest.openapi import OpenApi
from aibridge_adapters.http.rest.operations import Call, Operation
from aibridge_adapters.http.rest.parameters import Query
from aibridge_adapters.http.rest.problems import explain
from aibridge_adapters.http.rest.searching import Search
from aibridge_core.boundaries import NetworkLog
from aibridge_core.errors import Unauthenticated
from aibridge_core.ports import Authenticator, InterceptionStore, UserDirectory

REST_ROOTS = frozenset(
    {"interceptions", "boundaries", "models", "clients", "providers", "users", "admin", "openapi.json"}
)
"""First path segments that the API serves; below a shared mount no provider can have one of these names."""

ACTOR = "aibridge.actor"
"""Scope key of the authenticated `Actor`."""

COMMON_HEADERS = (
    (b"cache-control", b"no-store"),  # prompts don't belong into a proxy's cache
    (b"x-content-type-options", b"nosniff"),  # nor may a browser take one for a page
)


def rest_app(
    *,
    store: InterceptionStore,
    directory: UserDirectory,
    authenticator: Authenticator,
    providers: Callable[[], Sequence[ProviderInfo]],
    network_log: NetworkLog | None = None,
    reload: Reload = nothing_to_reload,
) -> "RestApi":
    """The API, to be mounted anywhere: it serves `/interceptions` and so on below the scope's `root_path`."""
    search, boundaries = Search(store, directory), Boundaries(network_log)
    operations = [
        *Interceptions(store, search, boundaries).operations(),
        *boundaries.operations(),
        *Catalogue(store, providers).operations(),
        *Administration(reload).operations(),
    ]
    description = OpenApi(operations)
    return RestApi([*operations, description.operation], authenticator)


class RestApi:
    """An ASGI application. Each request is authenticated first, then routed; each exception becomes an answer."""

    def __init__(self, operations: Sequence[Operation], authenticator: Authenticator) -> None:
        self.routes = [Route(each.path, _Endpoint(each), methods=[each.method], name=each.name) for each in operations]
        self._router = Router(self.routes, redirect_slashes=False)
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; WebSockets are closed, a lifespan has nothing to do."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        answer = _Answer(send, bodiless=scope["method"] == "HEAD")
        try:
            actor = await self._authenticator.authenticate(_token(scope))
            # With an "app" in its scope, starlette's router raises 404 and 405 instead of answering in plain text.
            await self._router({**scope, ACTOR: actor, "app": self}, receive, answer)
        except ClientLeft:
            return  # nobody is there to hear an answer
        except Exception as error:
            if answer.started:
                raise
            await explain(error, scope["method"], scope["path"]).response()(scope, receive, answer)


def _token(scope: Scope) -> str:
    """The gateway token of a request; `Coder-Session-Token` counts if both are there. Raises Unauthenticated."""
    headers = Request(scope).headers
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    token = headers.get("coder-session-token", "") or (bearer.strip() if scheme.lower() == "bearer" else "")
    if not token:
        raise Unauthenticated("Send a gateway token in Coder-Session-Token or as Authorization: Bearer.")
    return token


class _Endpoint:
    """An operation as an ASGI application. Not a function: starlette would wrap that in a host's error handlers."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._bodies = BodyReader(limit=operation.body.limit) if operation.body else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._bodies.read(tuple(scope["headers"]), receive) if self._bodies else b""
        response = await self._operation.handler(
            Call(
                actor=scope[ACTOR],
                query=Query(scope["query_string"], self._operation.parameters),
                path=scope["path_params"],
                root=scope.get("root_path", ""),
                body=body,
            )
        )
        await response(scope, receive, send)


class _Answer:
    """The way out: adds the common headers and leaves out the body of an answer to HEAD."""

    def __init__(self, send: Send, *, bodiless: bool) -> None:
        self._send = send
        self._bodiless = bodiless
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message = {**message, "headers": [*message["headers"], *COMMON_HEADERS]}
        elif self._bodiless:
            message = {**message, "body": b""}
        await self._send(message)
