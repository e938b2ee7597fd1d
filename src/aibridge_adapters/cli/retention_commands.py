"""`aibridge retention`: removing what was kept long enough, by hand or by a timer of one's own.

Belongs here: flags, words, a bar on a terminal. Never: the way of a run (`aibridge_adapters.retention`).
"""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from aibridge_adapters.cli.config_flags import setting_option, settings_from_flags
from aibridge_adapters.cli.database import database_options
from aibridge_adapters.cli.errors import Failure, Misuse, failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.retention_view import due_in_words, due_json, report_in_words, report_json
from aibridge_adapters.cli.safe_text import safe, safe_json
from aibridge_adapters.cli.values import parse_duration
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.config_sources import Loaded, Source
from aibridge_adapters.retention import Progress, Purge
from aibridge_adapters.storage import StorageError, open_storage
from aibridge_adapters.storage.plugins import BUNDLED
from aibridge_adapters.storage.schemas import schema_of
from aibridge_adapters.storage.urls import scheme_of
from aibridge_core.retention import Backlog, Outcome, RetentionPolicy, RunReport

T = TypeVar("T")


@click.group(cls=Group)
def retention() -> None:
    """Remove interceptions and contents that were kept long enough.

    A running gateway does so by itself, every 10 minutes. These commands work on the database itself, whether a
    gateway runs or not.

    \b
    See what would go:   aibridge retention run --dry-run --retention 90d
    Remove it now:       aibridge retention run --retention 90d --prompt-retention 30d
    """


@retention.command()
@click.option("--dry-run", is_flag=True, help="Count what is due, and change nothing.")
@setting_option("retention")
@setting_option("prompt_retention")
@click.option("--time-limit", metavar="TIME", help="Stop after 90s, 15m, 2h ...; what is left waits. Default: none.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@database_options
def run(dry_run: bool, time_limit: str | None, output: str, **flags: Any) -> None:
    """Delete interceptions, and erase contents, that are older than their periods.

    In small batches with pauses, so that a gateway on the same database hardly notices. Only one process does so at
    a time: while another is at it, this command fails. The retention has to be set by a flag, a variable or the file:
    this command deletes nothing on the strength of a default.

    Exit code 0: nothing is due any more, or the time limit was reached; 1: it failed, or another process is at it.
    """
    limit = _seconds(time_limit)
    loaded = settings_from_flags(**flags)
    for warning in loaded.warnings:
        click.echo(f"Warning: {safe(warning)}", err=True)
    policy = RetentionPolicy(interceptions=loaded.settings.retention, contents=loaded.settings.prompt_retention)
    if dry_run:
        _require_schema(loaded.settings.database_url)
        due = _with_purge(loaded, lambda purge: purge.due(policy))
        click.echo(safe_json(due_json(policy, due)) if output == "json" else due_in_words(policy, due))
        return
    _require_period(loaded)
    report = _with_purge(loaded, lambda purge: _purged(purge, policy, limit))
    _tell(policy, report, output)


async def _purged(purge: Purge, policy: RetentionPolicy, limit: float) -> RunReport:
    if not sys.stderr.isatty():
        return await purge.run(policy, budget=limit)
    with _bars(await purge.due(policy)) as show:
        return await purge.run(policy, budget=limit, on_progress=show)


def _tell(policy: RetentionPolicy, report: RunReport, output: str) -> None:
    if output == "json":
        click.echo(safe_json(report_json(policy, report)))
    elif report.outcome is not Outcome.ELSEWHERE:
        click.echo(report_in_words(policy, report))
    if report.outcome is Outcome.ELSEWHERE:
        raise Failure("another process is purging this database; try again when it is done")
    if report.outcome is Outcome.FAILED:
        raise Failure(f"the database refused to go on: {safe(report.error)}")


def _require_period(loaded: Loaded) -> None:
    """A service may have a period in its environment that this shell knows nothing of."""
    (kept,) = [entry for entry in loaded.entries if entry.key == "retention"]
    if kept.origin.source is Source.DEFAULT:
        raise Misuse(
            "nobody said how long interceptions are kept, and nothing is deleted by default here: say --retention 60d, "
            "or set AIBRIDGE_RETENTION or `retention` in the file (0: for ever)"
        )


def _require_schema(database_url: str) -> None:
    """Opening a storage brings its schema up to date, and a dry run promises to change nothing."""
    if scheme_of(database_url) not in BUNDLED or ":memory:" in database_url:
        return
    with failures_in_words(StorageError):
        schema = anyio.run(schema_of, database_url)
    if schema.missing and not schema.mismatch:
        raise Failure(f"a dry run changes nothing, and {schema.in_words}: run `aibridge db migrate` first")


def _with_purge(loaded: Loaded, work: Callable[[Purge], Awaitable[T]]) -> T:
    """Do one thing with a purge on the database of the settings."""
    if ":memory:" in loaded.settings.database_url:
        raise Failure("a database in memory is gone when this command ends; name a file with --database-url")
    with failures_in_words(StorageError):
        return anyio.run(_opened, loaded.settings.database_url, work)


async def _opened(database_url: str, work: Callable[[Purge], Awaitable[T]]) -> T:
    clock = SystemClock()
    async with open_storage(database_url, clock=clock, owner=f"cli-{new_id()}") as storage:
        removal = getattr(storage, "retention", None)
        if removal is None:
            raise Failure("this storage can't delete; it keeps everything for ever")
        return await work(Purge(removal, storage.store, clock, network_log=getattr(storage, "network_log", None)))


def _seconds(text: str | None) -> float:
    if text is None:
        return float("inf")
    try:
        limit = parse_duration(text)
    except ValueError as error:
        raise Misuse(f'parse time limit "{text}": {error}') from error
    if limit is None:
        raise Misuse(f'parse time limit "{text}": not a duration such as 90s, 15m or 2h')
    return limit.total_seconds()


@contextmanager
def _bars(due: Backlog) -> Iterator[Callable[[Progress], None]]:
    """A bar for each kind of work, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        deleting = bars.add_task("Deleting interceptions", total=due.interceptions, visible=bool(due.interceptions))
        erasing = bars.add_task("Erasing contents", total=due.contents, visible=bool(due.contents))

        def show(progress: Progress) -> None:
            bars.update(deleting, completed=progress.deleted)
            bars.update(erasing, completed=progress.erased)

        yield show
