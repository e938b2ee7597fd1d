"""What a person at a terminal sees when the gateway is up.

Belongs here: the words. Never: starting anything. Secrets don't appear; the database's URL loses its credentials.
"""

import shlex
from collections.abc import Iterator, Sequence

from aibridge_adapters.cli.client import DEFAULT_URL
from aibridge_adapters.cli.connecting import recipes
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.config_sources import Loaded, Source
from aibridge_adapters.config_sources.addresses import show_database_url, without_credentials

Line = tuple[str, str]
"""A line of text and its rich style."""


def first_user(loaded: Loaded) -> tuple[str, str]:
    """The commands that make the first user and a token, in the database of this gateway.

    They are typed in another terminal, which doesn't know this process's flags and variables. A password in the
    database's URL is left out.
    """
    said_here = any(
        entry.key == "database_url" and entry.origin.source in (Source.FLAG, Source.ENVIRONMENT)
        for entry in loaded.entries
    )
    where = f" --database-url {shlex.quote(show_database_url(loaded.settings.database_url))}" if said_here else ""
    return f"aibridge users create ann --role admin{where}", f"aibridge tokens create ann --name laptop{where}"


def client_url(addresses: Sequence[str], settings: Settings) -> str:
    """Where a client on this machine reaches the gateway: `host:port` addresses that mean every interface mean us."""
    host, _, port = addresses[0].rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104  (compared, not listened on)
    return f"{'https' if settings.tls_cert_file else 'http'}://{host}:{port}"


def banner(version: str, addresses: Sequence[str], loaded: Loaded, *, has_users: bool) -> Iterator[Line]:
    """The lines; `addresses` are those taken, as `host:port`."""
    settings = loaded.settings
    url = client_url(addresses, settings)
    yield f"aibridge {version} listens on {', '.join(addresses)}", "bold green"
    yield "", ""
    yield from _providers(settings.providers)
    yield f"  Database   {without_credentials(settings.database_url)}", ""
    yield f"  Records    {_with_url(url)}aibridge interceptions list   (REST: {url}/api/v2/aibridge)", ""
    if not has_users:
        yield "", ""
        yield "There is no user yet. Make one, and a token, in another terminal:", "bold yellow"
        for command in first_user(loaded):
            yield f"  {command}", ""
    for client, lines in recipes(url, settings.providers):
        yield "", ""
        yield client, "bold"
        for line in lines:
            yield f"  {line}", ""
    yield "", ""
    yield "Ctrl-C ends it: running answers are finished first, a second Ctrl-C ends at once.", "dim"


def _with_url(url: str) -> str:
    return "" if url == DEFAULT_URL else f"AIBRIDGE_URL={url} "


def _providers(providers: Sequence[ProviderSettings]) -> Iterator[Line]:
    if not providers:
        yield "  Providers  none: set AIBRIDGE_ANTHROPIC_KEY or AIBRIDGE_OPENAI_KEY", "yellow"
    for label, provider in zip(["Providers", *[""] * len(providers)], providers, strict=False):
        keys = {0: "users bring their own key", 1: "1 central key"}.get(
            len(provider.keys), f"{len(provider.keys)} central keys"
        )
        yield f"  {label:<9}  /{provider.name}  ->  {without_credentials(provider.base_url)}  ({keys})", ""
