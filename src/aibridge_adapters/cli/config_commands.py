"""`aibridge config`: what the gateway would do with the configuration as it stands.

Belongs here: `show` and `check`. Never: starting anything, or changing a file.
"""

import os
from pathlib import Path

import click

from aibridge_adapters.cli.config_flags import config_options, settings_from_flags, settings_options
from aibridge_adapters.cli.config_view import as_json, as_text, as_toml
from aibridge_adapters.cli.errors import failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.config_sources import Loaded
from aibridge_adapters.upstream.proxies import Proxies, ProxyUnusable

__all__ = ["config", "settings_from_flags", "settings_options"]

_FORMATS = {"text": as_text, "json": as_json, "toml": as_toml}


@click.group(cls=Group)
def config() -> None:
    """Show or check the configuration: flags over environment over aibridge.toml.

    \b
    See what is in force:     aibridge config show
    Check before a start:     aibridge config check --strict-config
    Write a file to begin:    aibridge config show --output toml > aibridge.toml
    """


@config.command()
@config_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(list(_FORMATS)),
    default="text",
    show_default=True,
    help="Format of the listing.",
)
def show(config_file: Path | None, strict_config: bool, output: str) -> None:
    """Print every setting, its value (secrets masked) and where it comes from."""
    loaded = settings_from_flags(config_file=config_file, strict_config=strict_config)
    click.echo(_FORMATS[output](loaded))
    _warn(loaded)


@config.command()
@config_options
def check(config_file: Path | None, strict_config: bool) -> None:
    """Say whether the gateway would start with this configuration.

    Exit code 0 if it would, perhaps with warnings on standard error; 1 if not, with every problem named.
    """
    loaded = settings_from_flags(config_file=config_file, strict_config=strict_config)
    with failures_in_words(ProxyUnusable):
        Proxies.from_environ(os.environ)
    _warn(loaded)
    for note in loaded.notes:
        click.echo(f"note: {safe(note)}", err=True)
    names = ", ".join(provider.name for provider in loaded.settings.providers) or "none"
    count = len(loaded.warnings)
    warnings = "" if not count else f", {count} warning{'s' if count > 1 else ''}"
    click.echo(f"ok{warnings}; file: {safe(str(loaded.file)) if loaded.file else 'none'}; providers: {names}")


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        click.echo(f"warning: {safe(warning)}", err=True)
