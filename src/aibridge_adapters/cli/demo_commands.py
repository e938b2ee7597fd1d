"""`aibridge demo`: the whole thing on one machine, with a scripted provider instead of a real one.

Belongs here: starting and ending its parts in order. Never: the story (demo_turns), its looks (demo_view).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import click
from attrs import frozen

from aibridge_adapters.cli.demo_turns import play, recorded
from aibridge_adapters.cli.demo_view import DemoView
from aibridge_adapters.cli.errors import failures_in_words
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose import run_server
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.http.server import ListenError, listen
from aibridge_adapters.identity import Users
from aibridge_adapters.scripted_provider import RunningProvider, scripted_provider
from aibridge_adapters.storage import StorageError, open_storage
from aibridge_adapters.telemetry.logs import Places, log_to

HOST, PORT = "127.0.0.1", 4001
USER = "ann"

_CENTRAL_KEY = "sk-scripted-0123456789abcdef"
"""The provider takes any key; this one shows how a hint of it is recorded."""


@frozen(kw_only=True)
class Plan:
    """What was asked for at the command line. `port`: None means the usual one, if it is free."""

    once: bool
    port: int | None
    database_url: str


@click.command()
@click.option("--once", is_flag=True, help="End after the table instead of serving on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Where the gateway listens; 0 takes a free port. Default: {PORT}, or a free one if it is taken.",
)
@click.option("--database", "--database-url", "database_url", metavar="URL", default="",
              help="Keep the records here, e.g. sqlite:///demo.db. Default: a temporary file.")  # fmt: skip
def demo(once: bool, port: int | None, database_url: str) -> None:
    """See it work: a scripted provider, the gateway in front, a few turns of AI clients, and what is kept of them.

    Needs no network, no account and no key. It serves on until Ctrl-C, so that you can connect a client of your own.
    """
    log_to(Places(), level="error")
    # A proxy of the environment leads elsewhere; here everything happens on this machine.
    os.environ["no_proxy"] = HOST
    with failures_in_words(ListenError, StorageError), TemporaryDirectory(prefix="aibridge-demo-") as folder:
        url = database_url or f"sqlite:///{Path(folder) / 'aibridge.db'}"
        anyio.run(_demo, Plan(once=once, port=port, database_url=url))


async def _demo(plan: Plan) -> None:
    view, stop = DemoView(), anyio.Event()
    token = await _new_token(plan.database_url)
    address, taken = _address(plan.port)
    # An id of its own in the seed: tool calls of an earlier demo in the same database must not look like these.
    async with scripted_provider(seed=new_id()) as provider, anyio.create_task_group() as tasks:
        settings = _settings(plan, provider, address)

        def on_ready(addresses: Sequence[str]) -> None:
            url = f"http://{addresses[0]}"
            view.introduce(
                provider=provider.base_url, gateway=url, database=plan.database_url, user=USER, port_taken=taken
            )
            tasks.start_soon(perform, url)

        async def perform(url: str) -> None:
            await play(url, token, view.step)
            view.table(await recorded(url, token))
            view.farewell(url, token, settings.providers, stays=not plan.once)
            if plan.once:
                stop.set()

        await run_server(settings, on_ready=on_ready, stop=stop)
        # Ctrl-C may have ended the server in the middle of the story.
        tasks.cancel_scope.cancel()


async def _new_token(database_url: str) -> str:
    """A token for ann, who may be there from an earlier demo."""
    clock = SystemClock()
    async with open_storage(database_url, clock=clock, owner=f"demo-{new_id()}") as storage:
        users = Users(storage.identity, clock, new_id)
        user = await storage.identity.find_user(USER) or await users.create(USER, name="Ann")
        return (await users.create_token(user.id, name=f"demo {new_id()}")).text


def _address(port: int | None) -> tuple[str, int | None]:
    """Where to listen, and the usual port if somebody else has it. Raises ListenError for a taken port of one's own."""
    try:
        for wire in listen(f"{HOST}:{PORT if port is None else port}"):
            wire.close()
    except ListenError:
        if port is not None:
            raise
        return f"{HOST}:0", PORT
    return f"{HOST}:{PORT if port is None else port}", None


def _settings(plan: Plan, provider: RunningProvider, address: str) -> Settings:
    return Settings(
        http_address=address,
        database_url=plan.database_url,
        providers=(
            ProviderSettings(type="anthropic", name="anthropic", base_url=provider.base_url, keys=(_CENTRAL_KEY,)),
            ProviderSettings(type="openai", name="openai", base_url=provider.openai_base_url, keys=(_CENTRAL_KEY,)),
        ),
        shutdown_timeout=2.0,
    )
