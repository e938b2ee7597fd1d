"""Servers that want a token of each user: who is offered what, whose token goes where, and when it stops."""

import logging
from datetime import timedelta

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config import McpServerSettings
from aibridge_adapters.mcp.events import Connected, LeftOut, Renewed, write_log
from aibridge_core.actors import Actor
from aibridge_core.tools import ToolCall
from integration.mcp.users_tokens import KEY, Tokens, people, using_tokens
from integration.mcp.using import ANN, BOB, Using
from support.mcp_authorization import authorized_tool_server
from support.mcp_server import tool_server

pytestmark = pytest.mark.anyio


async def who(use: Using, actor: Actor) -> str:
    """Whose token the server saw in a call of this user."""
    result = await use.call("whoami", actor=actor)
    return result.content[0]["text"] if result.content else result.error


async def until_gone(use: Using, actor: Actor) -> None:
    """Return when this user is offered nothing."""
    with anyio.fail_after(10):
        while await use.names(actor):
            await anyio.sleep(0)


async def test_only_users_with_a_token_are_offered_it() -> None:
    """Ann has one; bob hasn't, which is told once and costs him nothing."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        assert "whoami" in await use.names(ANN)
        assert await use.names(BOB) == []
        assert await use.names(BOB) == []
        told = [event for event in use.events if isinstance(event, LeftOut)]
        assert told == [LeftOut(server="one", user="bob", reason="the user has no token for it")]
        assert use.counters.servers["one"].left_out == 1
        assert await who(use, ANN) == "you are ann"


async def test_nobodys_token_is_used_for_another() -> None:
    """Many calls of two users at once, mixed; each is made with the caller's token, whoever was offered the tool."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        for actor in (ANN, BOB):
            await tokens.give(actor.id, server, server.grants.issue(actor.username))
        of_ann = next(tool for tool in (await use.servers.toolbox(ANN)).tools if tool.name == "whoami")
        seen: dict[str, set[str]] = {"ann": set(), "bob": set()}

        async def ask(actor: Actor) -> None:
            calls = [ToolCall(tool=of_ann, call_id=str(number), arguments="") for number in range(3)]
            for result in await use.servers.call(actor, calls):
                seen[actor.username].add(result.content[0]["text"] if result.content else result.error)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask, ANN)
                tasks.start_soon(ask, BOB)
        assert seen == {"ann": {"you are ann"}, "bob": {"you are bob"}}


async def test_a_tool_of_anothers_list_is_of_no_use_without_a_token() -> None:
    """Bob, who has none, calls what ann was offered: the server is not asked."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        of_ann = next(tool for tool in (await use.servers.toolbox(ANN)).tools if tool.name == "whoami")
        (result,) = await use.servers.call(BOB, [ToolCall(tool=of_ann, call_id="c", arguments="")])
        assert result.error == "the MCP server one is not available: the user has no token for it"
        assert "tools/call" not in server.methods()


async def test_a_row_moved_to_another_user_opens_nothing() -> None:
    """Whoever can write to the database, but has no key, can't give one user's token to another."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        of_ann = await tokens.give(ANN.id, server, server.grants.issue("ann"))
        await tokens.give(BOB.id, server, "nothing")
        tokens.storage.database.tool_credentials[BOB.id, "one"] = evolve(of_ann, user_id=BOB.id)
        assert await use.names(BOB) == []
        told = await use.until(LeftOut)
        assert told.reason == "the user's token was changed in the database, or belongs to another user"
        assert server.tokens_seen == set()


async def test_a_token_goes_to_the_address_it_was_given_for() -> None:
    """A server that moves elsewhere is not sent the tokens for its old place."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"), url="https://other.example/mcp")
        assert await use.names(ANN) == []
        told = await use.until(LeftOut)
        assert told.reason == "the user's token was given for another address of this server"
        assert server.headers == []


async def test_a_token_that_was_removed_is_used_no_more() -> None:
    """Within the time that is promised the user's tools are gone, and no request with it is made any more."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        of_ann = next(tool for tool in (await use.servers.toolbox(ANN)).tools if tool.name == "whoami")
        await tokens.remove(ANN.id, "one")
        await until_gone(use, ANN)
        (result,) = await use.servers.call(ANN, [ToolCall(tool=of_ann, call_id="c", arguments="")])
        assert result.error == "the MCP server one is not available: the user has no token for it"
        assert "tools/call" not in server.methods()


async def test_the_session_of_a_removed_token_ends_without_a_request() -> None:
    """The gateway looks by itself: the user isn't there to be refused."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        await use.names(ANN)
        await tokens.remove(ANN.id, "one")
        told = await use.until(LeftOut)
        assert (told.user, told.reason) == ("ann", "the user has no token for it")


async def test_another_token_takes_the_place_of_the_first() -> None:
    """Set anew: later calls are made with the new one."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        assert await who(use, ANN) == "you are ann"
        await tokens.give(ANN.id, server, server.grants.issue("ann-as-admin"))
        with anyio.fail_after(10):
            while await who(use, ANN) != "you are ann-as-admin":
                await anyio.sleep(0)


async def test_a_token_that_is_refused_is_left_alone_until_it_is_another() -> None:
    """A 401 without a way to renew: no more requests with it; a new token brings the tools back."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, "never-issued-by-anybody")
        assert await use.names(ANN) == []
        assert (await use.until(LeftOut)).reason == "the server refuses the user's token"
        requests = len(server.headers)
        for _ in range(5):
            assert await use.names(ANN) == []
        assert len(server.headers) == requests
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        with anyio.fail_after(10):
            while "whoami" not in await use.names(ANN):
                await anyio.sleep(0)


async def test_a_token_that_expires_is_renewed_in_the_middle_of_a_session() -> None:
    """The server answers 401; the call is made again with a fresh token, and the model sees nothing of it."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        first = await tokens.log_in(ANN.id, server)
        assert await who(use, ANN) == "you are ann"
        server.grants.forget_access()
        assert await who(use, ANN) == "you are ann"
        renewed = await use.until(Renewed)
        assert (renewed.server, renewed.user, renewed.error) == ("one", "ann", "")
        (kept,) = await tokens.find([ANN.id])
        assert (kept.id, kept.revision, kept.claimed_until) == (first.id, 2, None)
        assert kept.expires_at is not None
        assert server.grants.stolen == []


async def test_a_token_is_renewed_before_it_expires() -> None:
    """The time is known, so the server isn't asked with one that it would refuse."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        soon = SystemClock().now() + timedelta(seconds=5)
        old = await tokens.log_in(ANN.id, server, expires_at=soon)
        assert await who(use, ANN) == "you are ann"
        assert tokens.seals.open(old).text not in server.tokens_seen


async def test_many_requests_and_two_gateways_renew_once() -> None:
    """A refresh token is good for one use; a second one would look like theft."""
    tokens = await people()
    async with authorized_tool_server() as server:
        await tokens.log_in(ANN.id, server, expires_at=SystemClock().now())
        async with using_tokens(server, tokens=tokens) as one, using_tokens(server, tokens=tokens) as two:
            answers = []

            async def ask(use: Using) -> None:
                answers.append(await who(use, ANN))

            async with anyio.create_task_group() as tasks:
                for use in (one, two, one, two):
                    tasks.start_soon(ask, use)
            assert answers == ["you are ann"] * 4
            assert (len(server.grants.used), server.grants.stolen) == (1, [])


async def test_what_cannot_be_renewed_is_left_out_until_the_next_login() -> None:
    """The authorization server says no: the reason is in the log, and it isn't asked again and again."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.log_in(ANN.id, server, expires_at=SystemClock().now())
        server.grants.refusing = True
        assert await use.names(ANN) == []
        renewed = await use.until(Renewed)
        assert renewed.error == "its authorization server doesn't renew the user's token: invalid_grant"
        assert await use.names(ANN) == []
        assert use.counters.servers["one"].not_renewed == 1
        (kept,) = await tokens.find([ANN.id])
        assert kept.claimed_until is None
        server.grants.refusing = False
        await tokens.log_in(ANN.id, server)
        with anyio.fail_after(10):
            while "whoami" not in await use.names(ANN):
                await anyio.sleep(0)


async def test_a_renewal_survives_whoever_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes away while the token is renewed; what the authorization server gave is kept."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.log_in(ANN.id, server)
        await use.names(ANN)
        server.grants.forget_access()
        arrived, go_on = anyio.Event(), anyio.Event()
        exchange = server.grants.exchange_refresh_token

        async def slowly(*arguments):
            arrived.set()
            await go_on.wait()
            return await exchange(*arguments)

        monkeypatch.setattr(type(server.grants), "exchange_refresh_token", lambda self, *rest: slowly(*rest))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(who, use, ANN)
            with anyio.fail_after(10):
                await arrived.wait()
            tasks.cancel_scope.cancel()
        go_on.set()
        with anyio.fail_after(10):
            while (await tokens.find([ANN.id]))[0].revision < 2:
                await anyio.sleep(0)
        assert await who(use, ANN) == "you are ann"
        assert server.grants.stolen == []


async def test_without_the_database_nobody_is_given_a_token_by_guess() -> None:
    """Tools of such servers are left out until it answers again; others stay."""
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        tokens.away = True
        assert await use.names(ANN) == []
        assert (await use.until(LeftOut)).reason == "the database with the users' tokens does not answer"
        tokens.away = False
        assert "whoami" in await use.names(ANN)


async def test_no_token_is_in_logs_errors_or_representations(caplog: pytest.LogCaptureFixture) -> None:
    """Not even if the server repeats it: neither in events, log lines, errors of calls, nor the database."""
    caplog.set_level(logging.DEBUG)
    tokens = await people()
    async with authorized_tool_server() as server, using_tokens(server, tokens=tokens) as use:
        await tokens.log_in(ANN.id, server)
        server.token = next(iter(server.grants.access))  # what the tool `protests` repeats
        await tokens.give(BOB.id, server, "token-of-bob-that-is-refused")
        failed = await use.call("protests", actor=ANN)
        assert "not today, whoever sent acce..." in failed.error
        await use.names(BOB)
        server.grants.forget_access()
        await who(use, ANN)
        for event in use.events:
            write_log(event)
        written = caplog.text + repr(use.events) + failed.error + repr(use.servers.__dict__)
        written += repr(tokens.storage.database.tool_credentials)
        kept = b"".join(each.sealed for each in await tokens.find())
        for secret in (*server.tokens_seen, *server.grants.used, *server.grants.refresh):
            assert secret not in written
            assert secret.encode() not in kept


async def test_one_session_for_each_user_beside_the_shared_ones() -> None:
    """A server with shared credentials has one session for all; the other has one for each who has a token."""
    tokens = await people()
    async with authorized_tool_server() as own, tool_server() as shared:
        everybodys = McpServerSettings(name="everybodys", url=shared.url)
        async with using_tokens(own, tokens=tokens, settings=[everybodys]) as use:
            for actor in (ANN, BOB):
                await tokens.give(actor.id, own, own.grants.issue(actor.username))
                assert {"whoami", "echo"} <= set(await use.names(actor))
            connected = [(event.server, event.user) for event in use.events if isinstance(event, Connected)]
            assert sorted(connected) == [("everybodys", ""), ("one", "ann"), ("one", "bob")]


async def test_keys_are_rotated() -> None:
    """What an older key sealed opens as long as that key is given; then the reason is said."""
    tokens, newer = await people(), bytes(reversed(KEY))
    async with authorized_tool_server() as server:
        await tokens.give(ANN.id, server, server.grants.issue("ann"))
        both = Tokens(storage=tokens.storage, seals=type(tokens.seals)([newer, KEY]))
        async with using_tokens(server, tokens=both) as use:
            assert "whoami" in await use.names(ANN)
        only_new = Tokens(storage=tokens.storage, seals=type(tokens.seals)([newer]))
        async with using_tokens(server, tokens=only_new) as use:
            assert await use.names(ANN) == []
            reason = (await use.until(LeftOut)).reason
            assert reason == "the user's token was sealed with a key that is not in secrets_key any more"
