"""`aibridge db`: the schema of the database.

Belongs here: words, formats and exit codes. Never: SQL. A gateway brings its schema up to date when it starts; these
commands are for whoever wants to do that, or to look, at another time or with other rights.
"""

from typing import Any

import anyio
import click

from aibridge_adapters.cli.config_flags import settings_from_flags
from aibridge_adapters.cli.database import database_options
from aibridge_adapters.cli.errors import Failure, failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.safe_text import safe, safe_json
from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config_sources.addresses import show_database_url
from aibridge_adapters.storage import StorageError
from aibridge_adapters.storage.schemas import Schema, bring_up_to_date, schema_of


@click.group(cls=Group)
def db() -> None:
    """Look at the schema of the database, or bring it up to date.

    `aibridge serve` does that by itself when it starts, one process after the other. Use these commands to do it before
    a rollout, or with a database user who may change tables while the gateway's own may not.

    \b
    What there is:            aibridge db status
    Would a gateway start?    aibridge db check
    Bring it up to date:      aibridge db migrate
    """


@db.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@database_options
def status(output: str, **flags: Any) -> None:
    """Show which steps of the schema the database has, and which it lacks. Changes nothing."""
    url = _url(flags)
    schema = _schema(url)
    click.echo(safe_json(_as_json(url, schema)) if output == "json" else _as_text(url, schema))


@db.command()
@database_options
def check(**flags: Any) -> None:
    """Say whether the database answers and its schema is that of this program. Changes nothing.

    Exit code 0 if so; 1 if not, with the reason.
    """
    schema = _schema(_url(flags))
    if not schema.fits:
        advice = "; run `aibridge db migrate`" if schema.missing and not schema.mismatch else ""
        raise Failure(schema.in_words + advice)
    click.echo(schema.in_words)


@db.command()
@database_options
def migrate(**flags: Any) -> None:
    """Apply the steps that are missing: all of them, or none.

    A gateway of the version before goes on working while and after that on PostgreSQL, and may start again. On SQLite
    stop it first. There is no way back but a backup.
    """
    url = _url(flags)
    missing = _schema(url).missing
    with failures_in_words(StorageError):
        anyio.run(bring_up_to_date, url, SystemClock())
    for step in missing:
        click.echo(f"applied {step.step}")
    click.echo(_schema(url).in_words)


def _url(flags: dict[str, Any]) -> str:
    loaded = settings_from_flags(**flags)
    for warning in loaded.warnings:
        click.echo(f"Warning: {safe(warning)}", err=True)
    return loaded.settings.database_url


def _schema(url: str) -> Schema:
    with failures_in_words(StorageError):
        return anyio.run(schema_of, url)


def _as_text(url: str, schema: Schema) -> str:
    lines = [f"{each.step}  applied {each.at:%Y-%m-%d %H:%M:%SZ}" for each in schema.applied]
    lines += [f"{each.step}  missing" for each in schema.missing]
    return "\n".join([safe(show_database_url(url)), *(f"  {safe(line)}" for line in lines), schema.in_words])


def _as_json(url: str, schema: Schema) -> dict[str, Any]:
    applied = [
        {"version": each.version, "name": each.name, "applied_at": each.at.isoformat()} for each in schema.applied
    ]
    missing = [{"version": each.version, "name": each.name, "applied_at": None} for each in schema.missing]
    return {
        "database": show_database_url(url),
        "version": schema.version,
        "known": len(schema.known),
        "fits": schema.fits,
        "up_to_date": not (schema.missing or schema.is_newer or schema.mismatch),
        "steps": applied + missing,
    }
