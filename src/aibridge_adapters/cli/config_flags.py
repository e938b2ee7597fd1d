"""The options that configure the gateway, for every command that reads its settings.

Belongs here: options made from the table of settings, and the way from them to settings. Never: a command.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from aibridge_adapters.cli.errors import Failure
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.config_sources import ConfigError, Loaded, find_file, load_settings
from aibridge_adapters.config_sources.locations import FILE_NAME, FILE_VARIABLE
from aibridge_adapters.config_sources.names import OWN_PREFIX
from aibridge_adapters.config_sources.setting import Setting
from aibridge_adapters.config_sources.table import BY_KEY, SETTINGS

Command = TypeVar("Command", bound=Callable[..., Any])


def config_options(command: Command) -> Command:
    """The options `--config` and `--strict-config`."""
    for option in (
        click.option(
            "--strict-config",
            is_flag=True,
            help=f"Refuse unknown {OWN_PREFIX} variables and file keys instead of warning about them.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"Configuration file. Environment: {FILE_VARIABLE}. "
            f"Default: {FILE_NAME} here or in the user's configuration folder, if there is one.",
        ),
    ):
        command = option(command)
    return command


def settings_options(command: Command) -> Command:
    """One option per setting of the table, and those of `config_options`. Their values go to `settings_from_flags`."""
    for setting in reversed(SETTINGS):
        command = _option(setting)(command)
    return config_options(command)


def setting_option(key: str) -> Callable[[Command], Command]:
    """The option of one setting, for commands that need few."""
    return _option(BY_KEY[key])


def load_from_flags(*, config_file: Path | None = None, strict_config: bool = False, **flags: object) -> Loaded:
    """Load the settings from these options, this process's environment and the file. Raises ConfigError."""
    file = find_file(config_file, os.environ)
    return load_settings(flags=flags, environ=os.environ, file=file, strict=strict_config)


def settings_from_flags(**options: Any) -> Loaded:
    """The same at the start of a command. Raises Failure."""
    try:
        return load_from_flags(**options)
    except ConfigError as error:
        raise Failure(safe(str(error), keep="\n")) from error


def _option(setting: Setting) -> Callable[[Command], Command]:
    if setting.kind.switch:
        declaration, kind, metavar = f"{setting.flag}/--no-{setting.flag[2:]}", None, None
    else:
        files = setting.kind.path or setting.kind.secret
        declaration, metavar = setting.flag, "FILE" if setting.kind.secret else setting.kind.metavar
        kind = click.Path() if files else click.STRING
    return click.option(
        declaration,
        setting.parameter,
        type=kind,
        default=None,
        metavar=metavar,
        show_default=False,
        help=_help(setting),
    )


def _help(setting: Setting) -> str:
    suffix = "_FILE" if setting.kind.secret else ""
    parts = [
        f"A file that holds it: {setting.meaning}" if setting.kind.secret else setting.meaning,
        f"Environment: {OWN_PREFIX}{setting.variable}{suffix}.",
        f"Default: {setting.default_text}." if setting.default_text else "",
    ]
    return " ".join(part for part in parts if part).replace("`", "")
