"""The HTTP below a session with an MCP server: what goes wrong with one request stays with that request.

Belongs here: turning failures of HTTP into answers of MCP, and bounds. Never: what an answer means.

The protocol's library ends a whole session, with all calls that run on it, when a connection fails under one request.
Here such a failure becomes a JSON-RPC error in answer to that request, with a text for people, and the session is told.
"""

import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2

from aibridge_adapters.config import McpServerSettings
from aibridge_adapters.mcp.errors import Unavailable

NOT_SENT: Final = "not sent"
"""`data` of an error: the server has not seen the request."""
MOST_MESSAGE: Final = 16 * 1024 * 1024
"""Longest message of a server, in bytes, however little of it a model gets."""
_MOST_ERROR: Final = 64 * 1024
"""Most of an error's body that is read, in bytes."""
_SERVER_ERROR: Final = -32000
"""JSON-RPC 2.0, section 5.1: first of the codes that implementations define."""
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)

_REASONS: Mapping[int, str] = {
    401: "it refuses the gateway's credentials",
    403: "it refuses the gateway's credentials",
    404: "there is no MCP endpoint at its URL, or it has forgotten the session",
    429: "it is asked too often",
}


class Bearer(Protocol):
    """The token of the user whose session it is. Every method raises Unavailable."""

    @property
    def sent(self) -> Sequence[str]:
        """Tokens that went out lately, so that they can be kept out of texts."""
        ...

    async def current(self) -> str:
        """To be sent with the next request."""
        ...

    async def other_than(self, refused: str) -> str:
        """To be sent instead of one that the server has refused."""
        ...

    async def give_up(self, refused: str) -> None:
        """The server has refused that one, too."""
        ...


class GuardedClient(httpx2.AsyncClient):
    """The HTTP client of one session. `on_trouble` gets a text when the session can't go on as it is."""

    def __init__(
        self,
        server: McpServerSettings,
        *,
        connect: float,
        context: ssl.SSLContext,
        on_trouble: Callable[[str], None],
        user: Bearer | None = None,
    ) -> None:
        """`user`: None if all users share the credentials of the settings."""
        bearer = {"Authorization": f"Bearer {server.token}"} if server.token else {}
        # Longer than any call, since calls are ended by their own clock; it ends what a server never answers.
        timeout = httpx2.Timeout(connect, read=server.timeout + connect)
        super().__init__(
            headers={"User-Agent": "aibridge", "Accept-Encoding": "identity", **dict(server.headers), **bearer},
            timeout=timeout,
            verify=context,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )
        self._connect = connect
        self._on_trouble = on_trouble
        self._user = user

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As httpx2 does, but failures are answers. Cancellation goes through."""
        self._set_patience(request)
        try:
            if self._user is None:
                response = await super().send(request, **options)
            else:
                response = await self._send_for(self._user, request, options)
        except httpx2.TransportError as error:
            return self._failed(request, error)
        except Unavailable as error:
            self._on_trouble(str(error))
            return _answer(request, 401, str(error), "")
        if response.status_code >= 400:
            return await self._refused(request, response)
        response.stream = _Guarded(response, self._on_trouble)
        return response

    async def _send_for(self, user: Bearer, request: httpx2.Request, options: Any) -> httpx2.Response:
        """With this user's token, and once more with another if the server refuses it. Raises Unavailable."""
        token = await user.current()
        request.headers["Authorization"] = f"Bearer {token}"
        response = await super().send(request, **options)
        if response.status_code != 401:
            return response
        await response.aclose()
        token = await user.other_than(token)
        request.headers["Authorization"] = f"Bearer {token}"
        response = await super().send(request, **options)
        if response.status_code == 401:
            await user.give_up(token)
        return response

    def _set_patience(self, request: httpx2.Request) -> None:
        """A stream of notifications may be silent for ever, a notification of ours is taken at once or never.

        The library sends notifications one by one: a server that doesn't answer one would hold up all requests.
        """
        timeouts = dict(request.extensions.get("timeout", {}))
        message = _message(request) if request.method == "POST" else {}
        if request.method == "GET" or message.get("method") == "subscriptions/listen":
            timeouts["read"] = None
        elif "id" not in message:
            timeouts["read"] = self._connect
        request.extensions = {**request.extensions, "timeout": timeouts}

    def _failed(self, request: httpx2.Request, error: httpx2.TransportError) -> httpx2.Response:
        if isinstance(error, _UNSENT):
            reason, data = f"it can't be reached: {explain(error)}", NOT_SENT
        elif isinstance(error, httpx2.TimeoutException):
            reason, data = "it did not answer in time", ""
        else:
            reason, data = f"the connection to it broke: {explain(error)}", ""
        if not isinstance(error, httpx2.ReadTimeout):
            self._on_trouble(reason)
        return _answer(request, 502, reason, data)

    async def _refused(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """The status in words, unless the server gives an error of the protocol."""
        try:
            body = await _beginning(response)
        except httpx2.TransportError:
            body = b""
        finally:
            await response.aclose()
        forgotten = response.status_code == 404 and "mcp-session-id" in request.headers
        if forgotten:
            self._on_trouble("it has forgotten the session")
        elif (error := _error_of(body)) is not None:
            return httpx2.Response(response.status_code, json=error, request=request)
        words = _REASONS.get(response.status_code, "it refuses the request")
        if self._user is not None and response.status_code in (401, 403):
            words = "it refuses the user's token"
        reason = f"{words} (HTTP status {response.status_code})"
        return _answer(request, response.status_code, reason, NOT_SENT if forgotten else "")


class _Guarded(httpx2.AsyncByteStream):
    """A body that fails in the one way the library survives, and is bounded unless it is a stream of events."""

    def __init__(self, response: httpx2.Response, on_trouble: Callable[[str], None]) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._stream = response.stream
        events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        self._limit = None if events else MOST_MESSAGE
        self._on_trouble = on_trouble

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._stream:
                size += len(chunk)
                if self._limit is not None and size > self._limit:
                    raise httpx2.StreamError(f"the answer is longer than {self._limit} bytes")
                yield chunk
        except httpx2.TransportError as error:
            if not isinstance(error, httpx2.ReadTimeout):
                self._on_trouble(f"the connection to it broke: {explain(error)}")
            raise httpx2.StreamError(explain(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def trust(ca_bundle: Path | None) -> ssl.SSLContext:
    """TLS settings that trust the authorities of a file, else the system's, else those that come with httpx2.

    Raises ValueError if the file can't be used.
    """
    try:
        if ca_bundle is not None:
            return ssl.create_default_context(cafile=str(ca_bundle))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"CA bundle {ca_bundle}: {error}") from error
    known = ssl.get_default_verify_paths()
    return ssl.create_default_context() if known.cafile or known.capath else httpx2.create_ssl_context()


def explain(error: BaseException) -> str:
    """Why, in the words of the innermost error; those around it often have none. Addresses are left out."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, OSError) and error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _answer(request: httpx2.Request, status: int, text: str, data: str) -> httpx2.Response:
    error = {"code": _SERVER_ERROR, "message": text, **({"data": data} if data else {})}
    return httpx2.Response(status, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)


def _message(request: httpx2.Request) -> Mapping[str, Any]:
    try:
        found = json.loads(request.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MOST_ERROR:
            return b""
    return body


def _error_of(body: bytes) -> Mapping[str, Any] | None:
    """An error of JSON-RPC, if that is what the body holds."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("jsonrpc") != "2.0" or not isinstance(found.get("error"), dict):
        return None
    return found
