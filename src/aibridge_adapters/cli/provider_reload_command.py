"""`aibridge providers reload`: tell a running gateway to read its configuration again.

Belongs here: flags and words. Never: what a reload does (`aibridge_adapters.reloading`).
"""

from collections.abc import Mapping, Sequence
from typing import IO, Any

import click

from aibridge_adapters.cli.client import gateway_from_flags, gateway_options
from aibridge_adapters.cli.safe_text import one_line

_LONGEST = 1000


@click.command()
@gateway_options
def reload(url: str, token_file: IO[str] | None) -> None:
    """Make a running gateway read its providers again, as SIGHUP does. Needs an admin's token.

    All providers are exchanged, or, if anything in the configuration is wrong, none; running requests go on as they
    began. The gateway reads its file and the files of its keys; the environment and the flags of a process stay what
    they were at its start.

    \b
    aibridge config check && aibridge providers reload
    """
    for line in _said(gateway_from_flags(url, token_file).post("/admin/reload")):
        click.echo(line)


def _said(done: Mapping[str, Any]) -> list[str]:
    lines = [f"Reloaded. Providers: {_names(done['providers']) or 'none'}."]
    lines += [
        f"{word}: {_names(done[word.lower()])}." for word in ("Added", "Changed", "Removed") if done[word.lower()]
    ]
    if done["needs_restart"]:
        lines.append(f"Only a restart changes these: {_names(done['needs_restart'])}.")
    return lines


def _names(names: Sequence[str]) -> str:
    return one_line(", ".join(names), _LONGEST)
