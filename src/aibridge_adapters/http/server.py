"""Runs an ASGI application on hypercorn's protocols: listening, TLS, and an orderly end.

Belongs here: the life of the server. Never: what the application does. hypercorn's own runner is not used: it has no
way to say which port was taken, and from Python 3.12 on it can't end while a client reads slowly.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any, Final

import anyio
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.typing import LifespanState

from aibridge_adapters.http.connection import HEADER_TIMEOUT, MAX_MESSAGE, ClientConnection, hypercorn_config

KEEP_ALIVE: Final = 90.0
"""Seconds a connection may be idle. Above what clients keep theirs for, so that they close first."""
LAST_WORDS: Final = 10.0
"""Seconds that cancelled requests have to write down how they ended."""
TLS_GOODBYE: Final = 3.0
"""Seconds a TLS client has to read the rest and say goodbye too; idle ones don't even look."""
BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

_log = logging.getLogger("aibridge.http")


class ListenError(Exception):
    """The server can't start as it is configured; the message names the address or the file, and the cause."""


async def serve(
    app: AsgiApp,
    *,
    address: str,
    stop: anyio.Event,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    shutdown_timeout: float = 30.0,
    header_timeout: float = HEADER_TIMEOUT,
    max_message: int = MAX_MESSAGE,
    on_ready: Callable[[Sequence[str]], None] = lambda addresses: None,
) -> None:
    """Serve until `stop` is set, then stop accepting and return when the running requests are over.

    `address` is `host:port`; port 0 takes a free one. `on_ready` gets the addresses taken, in the same form.
    Requests that still run `shutdown_timeout` seconds after `stop` are cancelled. A request whose headers aren't there
    `header_timeout` seconds after its first byte is refused; 0: no limit. A WebSocket on which a message of
    more than `max_message` characters comes is closed. The application gets no lifespan events. Raises ListenError.
    """
    tls = _tls(tls_cert, tls_key)
    server = _Server(app, listen(address), tls, header_timeout, max_message)
    try:
        addresses = await server.start()
        on_ready(addresses)
        await stop.wait()
        await server.drain(shutdown_timeout)
    finally:
        with anyio.CancelScope(shield=True):
            await server.end()


@asynccontextmanager
async def serving(app: AsgiApp, *, address: str) -> AsyncIterator[Sequence[str]]:
    """Serve beside the code inside, without TLS; gives the addresses taken. Requests end with it.

    Raises ListenError.
    """
    server = _Server(app, listen(address), None)
    try:
        yield await server.start()
    finally:
        with anyio.CancelScope(shield=True):
            await server.drain(1.0)
            await server.end()


async def stop_on_signal(stop: anyio.Event) -> None:
    """Set `stop` on SIGTERM or SIGINT. From then on these signals act as usual, so that a second one ends at once."""
    with anyio.open_signal_receiver(SIGTERM, SIGINT) as signals:
        async for _ in signals:
            break
    stop.set()


def listen(address: str) -> list[socket.socket]:
    """Sockets for every address of `host:port`. Raises ListenError."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    sockets: list[socket.socket] = []
    try:
        if not 0 <= int(port) <= 65535:
            raise ValueError(f"there is no port {port}")
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, place in dict.fromkeys(found):
            taken = sockets[0].getsockname()[1] if sockets else place[1]
            both = host == "::" and socket.has_dualstack_ipv6()
            wire = socket.create_server((place[0], taken), family=family, backlog=BACKLOG, dualstack_ipv6=both)
            sockets.append(wire)
    except (OSError, ValueError) as error:
        for wire in sockets:
            wire.close()
        raise ListenError(f"can't listen on {address}: {_reason(error)}") from error
    return sockets


class _Server:
    def __init__(
        self,
        app: AsgiApp,
        sockets: list[socket.socket],
        tls: ssl.SSLContext | None,
        header_timeout: float = HEADER_TIMEOUT,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        self._header_timeout = header_timeout
        self._app = app
        self._sockets = sockets
        self._tls = tls
        self._config = hypercorn_config(keep_alive=KEEP_ALIVE, max_message=max_message)
        self._context = WorkerContext(None)
        self._listeners: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[Any], ClientConnection] = {}

    async def start(self) -> list[str]:
        for wire in self._sockets:
            goodbye = TLS_GOODBYE if self._tls else None
            self._listeners.append(
                await asyncio.start_server(
                    self._serve_client, sock=wire, ssl=self._tls, ssl_shutdown_timeout=goodbye, backlog=BACKLOG
                )
            )
        return [_shown(wire.getsockname()) for wire in self._sockets]

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        # asyncio does this only for sockets that name their protocol, and those of `socket.create_server` don't. With
        # Nagle's algorithm the body of an answer waits for the client's delayed acknowledgement of its head: 40 ms.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = ClientConnection(
            self._app,
            loop,
            self._config,
            self._context,
            LifespanState({}),
            reader,
            writer,
            header_timeout=self._header_timeout,
        )
        self._connections[task] = connection
        try:
            await connection.run()
        except asyncio.CancelledError:
            pass  # the end of this task; asyncio's streams would log a cancelled one as an error
        except Exception:
            _log.exception("a client connection failed")
        finally:
            del self._connections[task]

    async def drain(self, patience: float) -> None:
        """Accept nothing more, close idle connections, and wait for the requests that run."""
        await self._context.terminated.set()
        self._stop_listening()
        for connection in list(self._connections.values()):
            connection.close_if_idle()
        if self._connections:
            await asyncio.wait(self._connections, timeout=patience)

    async def end(self) -> None:
        """Cancel what still runs, and give it a moment for its last words."""
        self._stop_listening()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            _log.warning("requests cancelled by shutdown", extra={"connections": len(self._connections)})
            await asyncio.wait(self._connections, timeout=LAST_WORDS)
        for connection in list(self._connections.values()):
            connection.writer.transport.abort()

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
        for wire in self._sockets:
            wire.close()


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise ListenError("TLS needs both a certificate file and a key file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"can't use TLS certificate {cert} with key {key}: {_reason(error)}") from error
    return context


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _shown(place: tuple[Any, ...]) -> str:
    host, port = place[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
