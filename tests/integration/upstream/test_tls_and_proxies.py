"""The way to a provider: certificates and proxies."""

import ssl
from base64 import b64encode
from pathlib import Path

import pytest
import trustme

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.errors import UpstreamTimeout, UpstreamUnreachable
from integration.upstream.conftest import asked
from integration.upstream.peers import OK, Peer, always, listening, tunnelling
from support.garbage import no_collector

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return path


def certified(*names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


def through(variables: dict[str, str], *, ca_bundle: Path | None = None, **seconds: float) -> HttpxUpstream:
    return HttpxUpstream(Timeouts(**seconds), environ=variables, ca_bundle=ca_bundle)


async def test_a_private_authority(bundle: Path) -> None:
    """With its certificate in a file, its servers are trusted; the connection is kept like any other."""
    async with listening(always(OK), tls=certified("localhost")) as server, through({}, ca_bundle=bundle) as upstream:
        for _ in range(2):
            assert (await asked(upstream, f"https://localhost:{server.port}/")).body == b"ok"
    assert server.connections == 1


async def test_an_unknown_authority() -> None:
    """The message says that the certificate is the trouble."""
    async with listening(always(OK), tls=certified("localhost")) as server, through({}) as upstream:
        with pytest.raises(
            UpstreamUnreachable, match=r"^localhost:\d+ can't be reached: its certificate is not trusted"
        ):
            await asked(upstream, f"https://localhost:{server.port}/")
    assert server.requests == []


async def test_another_hosts_certificate(bundle: Path) -> None:
    """A name that doesn't match is no better."""
    async with listening(always(OK), tls=certified("other.test")) as server, through({}, ca_bundle=bundle) as upstream:
        with pytest.raises(UpstreamUnreachable, match=r"certificate is not trusted.*localhost"):
            await asked(upstream, f"https://localhost:{server.port}/")


async def test_no_tls_at_all(bundle: Path) -> None:
    """https to a plain port."""

    async def plain(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(plain) as server, through({}, ca_bundle=bundle) as upstream:
        with pytest.raises(UpstreamUnreachable, match="can't be reached: TLS failed"):
            await asked(upstream, f"https://localhost:{server.port}/")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    """The gateway does not start without the trust it was told to have."""
    path = tmp_path / "missing.pem"
    if content:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"CA bundle .*missing\.pem: "):
        HttpxUpstream(Timeouts(), ca_bundle=path, environ={})


async def test_https_goes_through_a_tunnel(bundle: Path) -> None:
    """The proxy sees the host and its own credentials, never the request; the tunnel is kept."""
    async with (
        listening(always(OK), tls=certified("api.provider.test")) as server,
        listening(tunnelling(server.port)) as proxy,
        through({"HTTPS_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}"}, ca_bundle=bundle) as upstream,
    ):
        for _ in range(2):
            answer = await asked(upstream, "https://api.provider.test/v1", headers=((b"x-api-key", b"sk"),))
            assert answer.body == b"ok"
    assert proxy.requests == [
        b"CONNECT api.provider.test:443 HTTP/1.1\r\nhost: api.provider.test:443\r\n"
        b"proxy-authorization: Basic " + b64encode(b"user:p@ss") + b"\r\n\r\n"
    ]
    assert server.requests[0].startswith(b"POST /v1 HTTP/1.1\r\nHost: api.provider.test\r\n")
    assert b"proxy-authorization" not in server.requests[0]


async def test_a_tunnel_leaves_nothing_of_its_proxys_connection(bundle: Path) -> None:
    """Only the connection inside it lives on, and nothing waits for the garbage collector."""
    with no_collector(Connection) as left:
        async with (
            listening(always(OK), tls=certified("api.provider.test")) as server,
            listening(tunnelling(server.port)) as proxy,
            through({"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, ca_bundle=bundle) as upstream,
        ):
            await asked(upstream, "https://api.provider.test/v1")
            assert left() == 1


async def test_http_is_forwarded() -> None:
    """A plain request goes to the proxy with its whole URL (RFC 9112, section 3.2.2)."""
    async with (
        listening(always(OK)) as proxy,
        through({"http_proxy": f"http://u:p@127.0.0.1:{proxy.port}"}) as upstream,
    ):
        await asked(upstream, "http://provider.test:8080/v1?a=b", body=b"{}")
    first, *lines = proxy.requests[0].split(b"\r\n")
    assert first == b"POST http://provider.test:8080/v1?a=b HTTP/1.1"
    assert b"Host: provider.test:8080" in lines
    assert b"proxy-authorization: Basic " + b64encode(b"u:p") in lines


async def test_a_proxy_behind_tls(bundle: Path) -> None:
    """Tunnel inside tunnel."""
    async with (
        listening(always(OK), tls=certified("api.provider.test")) as server,
        listening(tunnelling(server.port), tls=certified("localhost")) as proxy,
        through({"https_proxy": f"https://localhost:{proxy.port}"}, ca_bundle=bundle) as upstream,
    ):
        assert (await asked(upstream, "https://api.provider.test/")).body == b"ok"


@pytest.mark.parametrize("excluded", ["127.0.0.1", "*", "other.test, 127.0.0.1", "127.0.0.1:{port}"])
async def test_hosts_without_a_proxy(excluded: str) -> None:
    """NO_PROXY lists hosts, domains or everything."""
    async with listening(always(OK)) as server, listening(always(OK)) as proxy:
        variables = {"ALL_PROXY": proxy.url, "NO_PROXY": excluded.format(port=server.port)}
        async with through(variables) as upstream:
            await asked(upstream, server.url)
            await asked(upstream, "http://api.provider.test/") if excluded != "*" else None
    assert len(server.requests) == 1
    assert len(proxy.requests) == (0 if excluded == "*" else 1)


async def test_lower_case_goes_first() -> None:
    """As in curl."""
    async with (
        listening(always(OK)) as right,
        listening(always(OK)) as wrong,
        through({"http_proxy": right.url, "HTTP_PROXY": wrong.url}) as upstream,
    ):
        await asked(upstream, "http://provider.test/")
    assert (right.connections, wrong.connections) == (1, 0)


async def test_a_proxy_that_refuses(bundle: Path) -> None:
    """Its status is named, its password is not."""
    async with (
        listening(always(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")) as proxy,
        through({"HTTPS_PROXY": f"http://user:secret@127.0.0.1:{proxy.port}"}, ca_bundle=bundle) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable, match=r"proxy 127.0.0.1 refused the tunnel with status 407") as caught:
            await asked(upstream, "https://api.provider.test/")
    assert "secret" not in caught.value.message


async def test_a_proxy_that_is_not_there(dead_port: int) -> None:
    """The message says that it is the proxy."""
    async with through({"HTTPS_PROXY": f"127.0.0.1:{dead_port}"}) as upstream:
        with pytest.raises(UpstreamUnreachable, match=r"api\.provider\.test .*proxy 127.0.0.1 can't be reached: "):
            await asked(upstream, "https://api.provider.test/")


async def test_a_proxy_that_keeps_silent() -> None:
    """Building a tunnel is part of connecting."""

    async def silent(peer: Peer) -> None:
        await peer.hung_up()

    async with listening(silent) as proxy, through({"HTTPS_PROXY": proxy.url}, connect=0.05) as upstream:
        with pytest.raises(UpstreamTimeout, match=r"did not accept a connection within 0.05 s"):
            await asked(upstream, "https://api.provider.test/")


@pytest.mark.parametrize("value", ["socks5://u:secret@127.0.0.1:1080", "http://u:secret@:3128", "http://h:port"])
def test_a_proxy_that_cannot_be_used(value: str) -> None:
    """The variable is named, its value is not: it may hold a password."""
    with pytest.raises(ValueError, match="ALL_PROXY") as caught:
        HttpxUpstream(Timeouts(), environ={"ALL_PROXY": value})
    assert "secret" not in str(caught.value)


def test_a_variable_that_is_never_asked() -> None:
    """A SOCKS proxy for everything else does not matter to those who have one of their own."""
    proxy = "http://127.0.0.1:3128"
    HttpxUpstream(Timeouts(), environ={"ALL_PROXY": "socks5://127.0.0.1", "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy})
