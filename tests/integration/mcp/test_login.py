"""`aibridge mcp login`: the whole flow with a real authorization server, and what the gateway does after."""

import base64
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from attrs import define, field

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config import USER, McpServerSettings
from aibridge_adapters.mcp.errors import LoginFailed
from aibridge_adapters.mcp.login import KnownClient, Person, Redirected, log_in
from aibridge_adapters.storage import open_storage
from aibridge_core.identity import User
from integration.mcp.test_gateway import ASKED, calling
from support.mcp_authorization import AuthorizedToolServer, authorized_tool_server
from support.mcp_server import tool_server
from support.raw_upstream import raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio
KEY = bytes(range(32))


@define
class LoggingIn:
    """`aibridge mcp login` as a process, which has shown its page."""

    process: Process
    page: str
    written: str = ""

    async def open_page(self) -> httpx.Response:
        """As a browser does, with all redirects."""
        async with httpx.AsyncClient(follow_redirects=True, timeout=20) as browser:
            return await browser.get(self.page)

    async def end(self) -> int:
        """The exit code, once all it wrote is read."""
        with anyio.fail_after(30):
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                async for text in TextReceiveStream(stream):
                    self.written += text
            return await self.process.wait()


@asynccontextmanager
async def logging_in(folder: Path, server: AuthorizedToolServer) -> AsyncIterator[LoggingIn]:
    """Start the command for ann, and wait until it shows the page."""
    command = [sys.executable, "-m", "aibridge_adapters.cli.main", "mcp", "login", "--user", "ann", "--server", "wiki"]
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "AIBRIDGE_DATABASE_URL": f"sqlite:///{folder / 'aibridge.db'}",
        "AIBRIDGE_MCP_0_NAME": "wiki",
        "AIBRIDGE_MCP_0_URL": server.url,
        "AIBRIDGE_MCP_0_AUTH": "user",
        "AIBRIDGE_SECRETS_KEY": base64.b64encode(KEY).decode(),
    }
    process = await anyio.open_process(command, env=variables)
    assert process.stderr is not None
    try:
        seen = ""
        with anyio.fail_after(40):
            async for text in TextReceiveStream(process.stderr):
                seen += text
                pages = [line for line in seen.splitlines(keepends=True) if line.startswith("http") and "\n" in line]
                if pages:
                    break
        assert pages, seen
        yield LoggingIn(process, pages[0].strip(), seen)
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def test_from_the_browser_to_a_call_after_the_token_has_expired(tmp_path: Path) -> None:
    """The gateway runs; ann logs in; her calls are hers, also when the first token is over. No token shows anywhere."""
    async with authorized_tool_server() as server, raw_upstream(calling("whoami")) as upstream:
        wiki = McpServerSettings(name="wiki", url=server.url, auth=USER)
        async with running_gateway(tmp_path, upstream.url, mcp=(wiki,), secrets_key=(KEY,)) as up:
            async with logging_in(tmp_path, server) as login:
                assert "code_challenge_method=S256" in login.page
                assert f"resource={httpx.QueryParams({'r': server.url})}".replace("r=", "", 1) in login.page
                assert "You can close this page." in (await login.open_page()).text
                assert await login.end() == 0
            assert "Kept a token of ann for wiki, valid until" in login.written
            assert "the gateway renews it" in login.written
            server.grants.forget_access()
            async with up.client() as client:
                answer = await client.post("/anthropic/v1/messages", json=ASKED, headers=up.anthropic)
            assert "you are ann" in answer.text
            assert (len(server.grants.used), server.grants.stolen) == (1, [])
            shown = login.written + json.dumps(await up.ended())
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        for secret in (*server.tokens_seen, *server.grants.used, *server.grants.refresh):
            assert secret not in shown
            assert secret.encode() not in kept


async def test_a_person_who_says_no(tmp_path: Path) -> None:
    """The command says so and keeps nothing; answers that belong to another page don't count."""
    async with open_storage(f"sqlite:///{tmp_path / 'aibridge.db'}", clock=SystemClock(), owner="test") as storage:
        await storage.identity.add_user(User(id="id-of-ann", username="ann", created_at=SystemClock().now()))
        async with authorized_tool_server() as server, logging_in(tmp_path, server) as login:
            back = httpx.URL(login.page).params["redirect_uri"]
            async with httpx.AsyncClient(timeout=20) as stranger:
                for query in ("", "?code=stolen", "?code=stolen&state=guessed"):
                    assert (await stranger.get(back + query)).status_code == 400
            server.grants.denies = True
            await login.open_page()
            assert await login.end() == 1
            assert "Error: the authorization server says no: access_denied" in login.written
        assert storage.tool_credentials is not None
        assert list(await storage.tool_credentials.find()) == []


@define
class Browser:
    """A person in this process, who says yes."""

    page: str = ""
    answers: dict[str, str] = field(factory=dict)

    @property
    def person(self) -> Person:
        return Person(redirect_uri="http://127.0.0.1:1/callback", show=self.show, answer=self.answer)

    async def show(self, page: str) -> None:
        self.page = page
        async with httpx.AsyncClient(timeout=20) as client:
            back = await client.get(page)
            self.answers = dict(httpx.URL(back.headers["location"]).params)

    async def answer(self) -> Redirected:
        return Redirected(code=self.answers["code"], state=self.answers["state"], issuer=self.answers.get("iss"))


async def attempt(url: str, browser: Browser, client: KnownClient | None = None) -> str:
    """What went wrong; empty if nothing did."""
    server = McpServerSettings(name="wiki", url=url, auth=USER)
    context = ssl.create_default_context()
    try:
        await log_in(server, browser.person, clock=SystemClock(), context=context, client=client)
    except LoginFailed as error:
        return str(error)
    return ""


async def test_a_client_that_somebody_registered() -> None:
    """Its id is used and no other is registered; one that nobody knows gets no page."""
    async with authorized_tool_server() as server:
        assert await attempt(server.url, Browser()) == ""
        (client_id,) = server.grants.clients
        known = server.grants.clients[client_id]
        browser = Browser()
        assert await attempt(server.url, browser, KnownClient(id=client_id, secret=known.client_secret or "")) == ""
        assert httpx.URL(browser.page).params["client_id"] == client_id
        assert list(server.grants.clients) == [client_id]


async def test_servers_that_nobody_can_log_in_to() -> None:
    """Each says why: no authorization at all, nobody there, a code that isn't taken."""
    async with tool_server() as plain:
        assert (await attempt(plain.url, Browser())).startswith("the server doesn't ask for authorization")
    async with authorized_tool_server() as gone:
        await gone.stop()
        assert (await attempt(gone.url, Browser())) == "a server that takes part can't be reached: connection refused"

    @define
    class Forgetful(Browser):
        async def answer(self) -> Redirected:
            return Redirected(code="another-code", state=self.answers["state"], issuer=self.answers.get("iss"))

    async with authorized_tool_server() as server:
        assert (
            await attempt(server.url, Forgetful())
        ) == "its authorization server doesn't give a token: invalid_grant"
