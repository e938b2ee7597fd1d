"""Providers of a running gateway are exchanged by SIGHUP, by REST and by the command line: all, or none."""

import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from attrs import frozen

from support.process import AIBRIDGE, Served, environment, served
from support.raw_upstream import Answering, RawUpstream, Received, raw_upstream
from support.running import ADMIN_TOKEN

pytestmark = pytest.mark.anyio

BODY = b'{"model":"m-1","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
ANSWER = b'{"id":"msg_1","model":"m-1","type":"message","usage":{"input_tokens":5,"output_tokens":1},"content":[]}'
RELOAD = "/api/v2/aibridge/admin/reload"


async def answering(request: Received, answer: Answering) -> None:
    """A provider that always says the same."""
    await answer.whole(ANSWER, 200, ("content-type", "application/json"))


@frozen(kw_only=True)
class World:
    """A gateway whose providers stand in a file."""

    up: Served
    folder: Path
    client: httpx.AsyncClient

    def write(self, text: str) -> None:
        """Change the file."""
        (self.folder / "aibridge.toml").write_text(text)

    async def reload(self) -> httpx.Response:
        """As an admin."""
        return await self.client.post(RELOAD)

    async def ask(self, provider: str) -> httpx.Response:
        """One request to a provider."""
        return await self.client.post(f"/{provider}/v1/messages", content=BODY)

    async def metrics(self) -> dict[str, float]:
        """The samples of the metrics page."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://{self.up.metrics}/metrics")).text
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def log(self, message: str) -> list[dict[str, object]]:
        """Fields of the lines with this message."""
        said = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        return [line.get("fields", {}) for line in said if line["msg"] == message]


def table(name: str, url: str, key: str = "sk-first") -> str:
    """A provider in the file."""
    return f'[[providers]]\nname = "{name}"\ntype = "anthropic"\nbase_url = "{url}"\nkey = "{key}"\n'


@asynccontextmanager
async def world(folder: Path, text: str) -> AsyncIterator[World]:
    """A process on this file."""
    (folder / "aibridge.toml").write_text(text)
    nothing = dict.fromkeys(("AIBRIDGE_PROVIDER_0_TYPE", "AIBRIDGE_PROVIDER_0_BASE_URL", "AIBRIDGE_PROVIDER_0_KEY"), "")
    async with (
        served(
            folder,
            "",
            **nothing,
            AIBRIDGE_PROMETHEUS_ENABLE="true",
            AIBRIDGE_PROMETHEUS_ADDRESS="127.0.0.1:0",
            AIBRIDGE_LOG_FILE=str(folder / "log"),
        ) as up,
        httpx.AsyncClient(base_url=up.url, timeout=20, headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client,
    ):
        yield World(up=up, folder=folder, client=client)


async def until(holds: Callable[[], object]) -> None:
    """Return when it does; fails the test after ten seconds."""
    with anyio.fail_after(10):
        while not holds():
            await anyio.sleep(0.01)


async def test_a_hangup_exchanges_the_providers(tmp_path: Path) -> None:
    """One is new, one is gone, one has another key; the log and the metrics say so."""
    async with raw_upstream(answering) as upstream, world(tmp_path, "") as up:
        both = table("one", upstream.url) + table("two", upstream.url)
        up.write(both)
        assert (await up.reload()).json()["added"] == ["one", "two"]
        up.write(table("two", upstream.url, "sk-second") + table("three", upstream.url))
        up.up.process.send_signal(signal.SIGHUP)
        await until(lambda: len(up.log("request bridge pool reloaded")) == 2)
        assert up.log("request bridge pool reloaded")[-1] == {
            "provider_count": 2,
            "added": ["three"],
            "changed": ["two"],
            "removed": ["one"],
        }
        assert [(await up.ask(name)).status_code for name in ("one", "two", "three")] == [404, 200, 200]
        assert upstream.requests[0].header("x-api-key") == "sk-second"
        assert (await up.client.get("/api/v2/aibridge/providers")).json() == ["three", "two"]
        shown = await up.metrics()
        assert {name for name in shown if "provider_info" in name} == {
            f'aibridge_provider_info{{provider_name="{name}",provider_type="anthropic",status="enabled"}}'
            for name in ("two", "three")
        }


async def test_a_bad_file_changes_nothing_and_says_why(tmp_path: Path) -> None:
    """Whoever asked is told every reason, the log as well, and metrics show that the last reload failed."""
    async with raw_upstream(answering) as upstream, world(tmp_path, table("one", upstream.url)) as up:
        up.write(table("one", "not-a-url") + 'max_body = "many"\n')
        answer = await up.reload()
        assert answer.status_code == 409
        assert answer.json()["message"] == "The configuration can't be used; the providers are those from before."
        reasons = [note["detail"] for note in answer.json()["validations"]]
        assert any("not-a-url" in reason for reason in reasons)
        await until(lambda: up.log("providers not reloaded, those in force stay") == [{"problems": reasons}])
        assert (await up.ask("one")).status_code == 200
        shown = await up.metrics()
        tried = shown["aibridge_providers_last_reload_timestamp_seconds"]
        assert tried > shown["aibridge_providers_last_reload_success_timestamp_seconds"]
        up.write(table("one", upstream.url))
        assert (await up.reload()).json() == {
            "providers": ["one"],
            "added": [],
            "changed": [],
            "removed": [],
            "needs_restart": [],
        }
        shown = await up.metrics()
        tried = shown["aibridge_providers_last_reload_timestamp_seconds"]
        assert tried == pytest.approx(shown["aibridge_providers_last_reload_success_timestamp_seconds"], abs=5)


async def test_a_running_request_goes_on_with_the_provider_that_it_began_with(tmp_path: Path) -> None:
    """The old one may be gone from the configuration by then."""
    asked, go_on = anyio.Event(), anyio.Event()

    async def slow(request: Received, answer: Answering) -> None:
        asked.set()
        await go_on.wait()
        await answering(request, answer)

    async with raw_upstream(slow) as upstream, world(tmp_path, table("one", upstream.url)) as up:
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await up.ask("one")).status_code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await asked.wait()
            up.write("")
            assert "one" in (await up.reload()).json()["removed"]
            go_on.set()
        assert answers == [200]
        assert (await up.ask("one")).status_code == 404


async def test_keys_of_a_provider_that_stays_keep_resting(tmp_path: Path) -> None:
    """A key that the provider has just refused isn't asked again because of a reload."""

    async def one_key_is_limited(request: Received, answer: Answering) -> None:
        if request.header("x-api-key") == "sk-bad-key-0123456789":
            await answer.whole(b"{}", 429, ("retry-after", "600"))
        else:
            await answering(request, answer)

    async with raw_upstream(one_key_is_limited) as upstream:
        pool = table("one", upstream.url).replace(
            'key = "sk-first"', 'keys = ["sk-bad-key-0123456789", "sk-good-key-0123456789"]'
        )
        async with world(tmp_path, pool) as up:
            await _ask_until_the_bad_key_was_tried(up, upstream)
            up.write(pool + table("two", upstream.url))
            assert (await up.reload()).json()["added"] == ["two"]
            tried = len(upstream.requests)
            for session in range(20):
                assert (await _ask_in_session(up, f"later-{session}")).status_code == 200
            used = {request.header("x-api-key") for request in upstream.requests[tried:]}
            assert used == {"sk-good-key-0123456789"}


async def _ask_in_session(up: World, session: str) -> httpx.Response:
    headers = {"x-claude-code-session-id": session, "user-agent": "claude-cli/2.1.330 (external, cli)"}
    return await up.client.post("/one/v1/messages", content=BODY, headers=headers)


async def _ask_until_the_bad_key_was_tried(up: World, upstream: RawUpstream) -> None:
    """Which key a session gets first follows from its id."""
    for session in range(50):
        assert (await _ask_in_session(up, f"first-{session}")).status_code == 200
        if any(request.header("x-api-key") == "sk-bad-key-0123456789" for request in upstream.requests):
            return
    raise AssertionError("no session was given the bad key")


async def test_only_admins_reload(tmp_path: Path) -> None:
    """Neither members nor strangers; nothing is read for them."""
    async with raw_upstream(answering) as upstream, world(tmp_path, table("one", upstream.url)) as up:
        member = await anyio.run_process([str(AIBRIDGE), "users", "create", "ann"], env=_env(up), cwd=tmp_path)
        assert member.returncode == 0
        made = await anyio.run_process(
            [str(AIBRIDGE), "tokens", "create", "ann", "--name", "t"], env=_env(up), cwd=tmp_path
        )
        token = made.stdout.decode().split()[0]
        up.write("")
        for headers, status in (({"authorization": "Bearer no"}, 401), ({"authorization": f"Bearer {token}"}, 403)):
            assert (await up.client.post(RELOAD, headers=headers)).status_code == status
        assert (await up.client.get(RELOAD)).status_code == 405
        assert (await up.ask("one")).status_code == 200


async def test_the_command_line_reloads(tmp_path: Path) -> None:
    """It says what changed; of a bad file it says why nothing did, and fails."""
    async with raw_upstream(answering) as upstream, world(tmp_path, table("one", upstream.url)) as up:
        up.write('retention = "30d"\n' + table("two", upstream.url))
        done = await _command(up)
        assert (done.returncode, done.stdout.decode()) == (
            0,
            "Reloaded. Providers: two.\nAdded: two.\nRemoved: one.\nOnly a restart changes these: retention.\n",
        )
        up.write('retention = "thirty"\n')
        failed = await _command(up)
        assert failed.returncode == 1
        assert "The configuration can't be used" in failed.stderr.decode()
        assert "thirty" in failed.stderr.decode()


async def _command(up: World) -> "subprocess.CompletedProcess[bytes]":
    return await anyio.run_process([str(AIBRIDGE), "providers", "reload"], env=_env(up), cwd=up.folder, check=False)


def _env(up: World) -> dict[str, str]:
    return {**environment(up.folder, ""), "AIBRIDGE_URL": up.up.url, "AIBRIDGE_TOKEN": ADMIN_TOKEN}
