"""Opens connections: TCP, TLS, and through a proxy.

Belongs here: everything up to the moment when a request can be sent. Never: the request.
"""

import asyncio
import socket
import ssl
from base64 import b64encode
from ipaddress import ip_address
from pathlib import Path

import httpx
from aiohappyeyeballs import start_connection

from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.heads import Headers, request_head
from aibridge_adapters.upstream.patience import Patience
from aibridge_adapters.upstream.proxies import Proxies, port_of

_HAPPY_EYEBALLS = 0.25
"""Seconds until the next address of a host is tried beside the first (RFC 8305, section 5)."""

_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))
"""A reasoning model may be silent for minutes; probes keep middleboxes from forgetting the connection meanwhile."""


def trust(ca_bundle: Path | None) -> ssl.SSLContext:
    """TLS settings that trust the authorities of a file, else the system's, else those that come with httpx.

    Raises ValueError if the file can't be used.
    """
    try:
        if ca_bundle is not None:
            context = ssl.create_default_context(cafile=str(ca_bundle))
        else:
            known = ssl.get_default_verify_paths()
            context = ssl.create_default_context() if known.cafile or known.capath else httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"CA bundle {ca_bundle}: {explain(error)}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialler:
    """Opens a connection that leads to a URL's host."""

    def __init__(self, *, context: ssl.SSLContext, proxies: Proxies) -> None:
        self._context = context
        self._proxies = proxies

    async def dial(self, url: httpx.URL, patience: float | None) -> Connection:
        """Within `patience` seconds. Raises httpx.ConnectTimeout, httpx.ConnectError, httpx.ProxyError."""
        proxy = self._proxies.of(url)
        try:
            async with asyncio.timeout(patience):
                return await (self._connect(url) if proxy is None else self._through(proxy, url))
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx.ConnectError(explain(error)) from error

    async def _connect(self, url: httpx.URL) -> Connection:
        """Not by `create_connection`'s own race: it leaves some kilobytes behind, and uvloop has none."""
        loop = asyncio.get_running_loop()
        wire = await _connected(loop, url.host, port_of(url))
        tls = url.scheme == "https"
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(loop),
                sock=wire,
                ssl=self._context if tls else None,
                server_hostname=url.host if tls else None,
            )
        except BaseException:
            wire.close()
            raise
        return connection

    async def _through(self, proxy: httpx.Proxy, url: httpx.URL) -> Connection:
        try:
            connection = await self._connect(proxy.url)
        except OSError as error:
            raise httpx.ProxyError(f"its proxy {proxy.url.host} can't be reached: {explain(error)}") from error
        if url.scheme == "http":
            connection.absolute_form = True
            connection.proxy_headers = _authorization(proxy)
            return connection
        try:
            return await self._tunnel(connection, proxy, url)
        except BaseException:
            connection.abort()
            raise

    async def _tunnel(self, connection: Connection, proxy: httpx.Proxy, url: httpx.URL) -> Connection:
        """RFC 9110, section 9.3.6."""
        host = url.raw_host.decode("ascii")
        target = f"{f'[{host}]' if ':' in host else host}:{port_of(url)}".encode("ascii")
        headers = [(b"host", target), *_authorization(proxy)]
        patience = Patience()  # who called limits all of this
        await connection.send(b"CONNECT", request_head(b"CONNECT", target, headers), b"", patience)
        answer = await connection.head(patience)
        if not 200 <= answer.status < 300:
            raise httpx.ProxyError(f"its proxy {proxy.url.host} refused the tunnel with status {answer.status}")
        connection.leave()
        loop = asyncio.get_running_loop()
        inner = Connection(loop)
        transport = await loop.start_tls(connection.transport, inner, self._context, server_hostname=url.host)
        if transport is None:
            raise httpx.ConnectError("the connection was closed")
        inner.connection_made(transport)
        return inner


def explain(error: BaseException) -> str:
    """Why a connection could not be made, in words fit for the client and the audit trail."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"its name can't be resolved: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError):
        return error.strerror or str(error) or "the connection was closed"
    return str(error)


def _authorization(proxy: httpx.Proxy) -> Headers:
    if proxy.raw_auth is None:
        return ()
    return ((b"proxy-authorization", b"Basic " + b64encode(b":".join(proxy.raw_auth))),)


async def _connected(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """A connection to the first address of the host that takes it (RFC 8305). Raises OSError."""
    if _is_address(host):  # there is nobody to ask, so nothing to wait for
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    else:
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    wire = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS, interleave=1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return wire


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
