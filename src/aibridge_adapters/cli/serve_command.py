"""`aibridge serve`: run the gateway in the foreground.

Belongs here: flags, and what a person is told. Never: how a gateway is put together (compose.py).
"""

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import anyio
import click
from rich.console import Console
from rich.text import Text

from aibridge_adapters.aws import AwsUnusable
from aibridge_adapters.cli.banner import banner, first_user
from aibridge_adapters.cli.config_flags import load_from_flags, settings_from_flags, settings_options
from aibridge_adapters.cli.errors import failures_in_words
from aibridge_adapters.cli.open_files import raise_open_files
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose import run_server
from aibridge_adapters.config import Settings
from aibridge_adapters.config_sources import Loaded
from aibridge_adapters.http.server import ListenError
from aibridge_adapters.mcp import McpUnusable
from aibridge_adapters.memory import settle_memory
from aibridge_adapters.recording import SpoolNotOpened
from aibridge_adapters.storage import StorageError, open_storage
from aibridge_adapters.telemetry.logs import LogFileNotOpened, Logs, Places, log_to
from aibridge_adapters.telemetry.tracing import TracingError
from aibridge_adapters.upstream.proxies import ProxyUnusable

_log = logging.getLogger("aibridge")


@click.command()
@settings_options
def serve(**flags: Any) -> None:
    """Run the gateway until Ctrl-C or SIGTERM.

    Settings come from flags, then AIBRIDGE_ variables, then aibridge.toml; `aibridge config show` prints what is in
    force. On a terminal it says where it listens and how to connect a client; elsewhere it logs JSON lines.

    \b
    AIBRIDGE_ANTHROPIC_KEY=sk-ant-... aibridge serve
    aibridge serve --http-address 0.0.0.0:4001 --database-url sqlite:////var/lib/aibridge/aibridge.db
    """
    loaded = settings_from_flags(**flags)
    with failures_in_words(LogFileNotOpened):
        logs = _start_logging(loaded.settings)
    raise_open_files()
    _say_warnings(loaded)

    def reread() -> Settings:
        again = load_from_flags(**flags)
        _say_warnings(again)
        return again.settings

    unusable = (ListenError, ProxyUnusable, SpoolNotOpened, StorageError, McpUnusable, AwsUnusable, TracingError)
    with failures_in_words(*unusable):
        anyio.run(_serve, loaded, reread, logs)


def _start_logging(settings: Settings) -> Logs:
    """A log file can be rotated: SIGHUP, which would end the process otherwise, makes it begin a new one."""
    places = Places(stderr=settings.log_stderr, form=settings.log_format, file=settings.log_file)
    logs = log_to(places, level=settings.log_level)
    if settings.log_file and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: logs.reopen())
    return logs


def _say_warnings(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        _log.warning("%s", warning)


async def _serve(loaded: Loaded, reread: Callable[[], Settings], logs: Logs) -> None:
    has_users = await _has_users(loaded.settings)
    stop = anyio.Event()
    began_on_terminal = _on_terminal()

    def on_hangup() -> None:
        """Rotated logs, a changed configuration; or the end of the terminal in which somebody tries the gateway."""
        if began_on_terminal and not _on_terminal():
            stop.set()
        logs.reopen()

    def on_ready(addresses: Sequence[str]) -> None:
        settle_memory()
        _say_ready(loaded, addresses, has_users=has_users)

    await run_server(loaded.settings, on_ready=on_ready, stop=stop, reread=reread, on_hangup=on_hangup)


def _on_terminal() -> bool:
    """Whether there is a terminal that a person could close; one that hung up is none any more."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


async def _has_users(settings: Settings) -> bool:
    """Whether anybody could use this gateway. A bootstrap token makes the user it needs."""
    if settings.bootstrap_admin_token:
        return True
    async with open_storage(settings.database_url, clock=SystemClock(), owner=new_id()) as storage:
        return bool(await storage.identity.users())


def _say_ready(loaded: Loaded, addresses: Sequence[str], *, has_users: bool) -> None:
    if sys.stderr.isatty():
        console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
        for text, style in banner(version("aibridge"), addresses, loaded, has_users=has_users):
            console.print(Text(safe(text), style=style))
        return
    providers = [provider.name for provider in loaded.settings.providers]
    _log.info("listening", extra={"addresses": list(addresses), "providers": providers})
    if not has_users:
        _log.warning("there is no user yet; make one and a token: %s", "; ".join(first_user(loaded)))
