"""`aibridge boundaries`: what agents did on the network, from their firewalls' audit logs into the database.

Belongs here: flags, reading lines, a bar on a terminal. Never: what a line says (`aibridge_core.boundary_lines`).
"""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import anyio
import click
from attrs import define
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from aibridge_adapters.cli.config_flags import settings_from_flags
from aibridge_adapters.cli.database import database_options
from aibridge_adapters.cli.errors import Failure, failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.safe_text import safe, safe_json
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.storage import StorageError, open_storage
from aibridge_core.boundaries import NetworkCall, NetworkLog
from aibridge_core.boundary_lines import MAX_LINE, InvalidLine, read_line

BATCH = 500
"""Lines that are kept at once."""
MAX_FAULTS = 20
"""Most wrong lines that are named."""

Advance = Callable[[int], None]
"""Told how many bytes were read."""


@define
class Imported:
    """What became of the lines."""

    lines: int = 0
    new: int = 0
    known: int = 0
    skipped: int = 0
    """About something else, or empty."""
    wrong: int = 0


@click.group(cls=Group)
def boundaries() -> None:
    """Bring in the audit logs of agent firewalls (agent boundaries).

    Then `aibridge interceptions show` tells which network calls an agent made after each answer, allowed and denied.
    These commands work on the database itself, whether a gateway runs or not.
    """


@boundaries.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@database_options
def import_(file: IO[bytes], output: str, **flags: Any) -> None:
    """Import an audit log: one JSON object a line; - reads standard input.

    Doing it again changes nothing, so a log that grows can be given whole each time. Lines of a service log about other
    things are skipped. A wrong line is named on standard error and left out, the others are imported.

    Exit code 0: all lines were read; 1: at least one was wrong, or the database refused.

    \b
    aibridge boundaries import boundary.jsonl
    journalctl -u firewall -o cat | aibridge boundaries import -
    """
    loaded = settings_from_flags(**flags)
    for warning in loaded.warnings:
        click.echo(f"Warning: {safe(warning)}", err=True)
    if ":memory:" in loaded.settings.database_url:
        raise Failure("a database in memory is gone when this command ends; name a file with --database-url")
    with failures_in_words(StorageError), _bar(file) as advance:
        done = anyio.run(_opened, loaded.settings.database_url, file, advance)
    click.echo(safe_json(_as_json(done)) if output == "json" else _in_words(done))
    if done.wrong:
        raise Failure(f"{done.wrong:,} of {done.lines:,} lines were wrong and are not imported")


async def _opened(database_url: str, file: IO[bytes], advance: Advance) -> Imported:
    async with open_storage(database_url, clock=SystemClock(), owner=f"cli-{new_id()}") as storage:
        log: NetworkLog | None = getattr(storage, "network_log", None)
        if log is None:
            raise Failure("this storage keeps no network calls")
        return await _imported(log, file, advance)


async def _imported(log: NetworkLog, file: IO[bytes], advance: Advance) -> Imported:
    done, batch = Imported(), list[NetworkCall]()
    for line in _lines(file):
        advance(len(line))
        if (call := _read(line, done)) is not None:
            batch.append(call)
        if len(batch) == BATCH:
            await _keep(log, batch, done)
    await _keep(log, batch, done)
    return done


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Each line; of one that is too long the beginning, which is too long as well."""
    while line := file.readline(MAX_LINE + 2):
        yield line
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE)


def _read(line: bytes, done: Imported) -> NetworkCall | None:
    done.lines += 1
    try:
        call = read_line(line.rstrip(b"\r\n"))
    except InvalidLine as error:
        done.wrong += 1
        if done.wrong <= MAX_FAULTS:
            click.echo(f"line {done.lines}: {safe(str(error))}", err=True)
        elif done.wrong == MAX_FAULTS + 1:
            click.echo("further wrong lines are not named", err=True)
        return None
    done.skipped += call is None
    return call


async def _keep(log: NetworkLog, batch: list[NetworkCall], done: Imported) -> None:
    new = len(await log.keep(batch))
    done.new += new
    done.known += len(batch) - new
    batch.clear()


def _in_words(done: Imported) -> str:
    words = f"Imported {done.new:,} network call{'' if done.new == 1 else 's'}"
    if done.known:
        words += f"; {done.known:,} were there already"
    if done.skipped:
        words += f"; {done.skipped:,} lines are about something else"
    return f"{words}."


def _as_json(done: Imported) -> dict[str, int]:
    return {"new": done.new, "known": done.known, "skipped": done.skipped, "wrong": done.wrong}


@contextmanager
def _bar(file: IO[bytes]) -> Iterator[Advance]:
    """A bar on standard error, if that is a terminal; how long the log is, is known of files only."""
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("Importing network calls", total=_size(file))
        yield lambda size: bars.advance(task, size)


def _size(file: IO[bytes]) -> int | None:
    try:
        found = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
