"""`aibridge interceptions`: what was recorded, read from a running gateway.

Belongs here: flags, and the order of asking and showing. Never: HTTP (client.py) or layout (interception_view.py).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

import click

from aibridge_adapters.cli.client import Gateway, gateway_from_flags, gateway_options
from aibridge_adapters.cli.errors import Failure, Misuse
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.interception_view import COLUMNS, show_interception
from aibridge_adapters.cli.output import emit, output_option
from aibridge_adapters.cli.query import search_text
from aibridge_adapters.cli.safe_text import safe_json
from aibridge_adapters.cli.values import moment_before, rfc3339
from aibridge_adapters.clock import SystemClock
from aibridge_core.records import Status

_ID = re.compile(r"[0-9A-Za-z-]+")
_MAX_LIMIT = 1000


@click.group(cls=Group)
def interceptions() -> None:
    """Look at what was recorded: who asked what, with which client and model, and what came of it.

    These commands ask a running gateway. Members see their own interceptions, auditors and admins everybody's.

    \b
    export AIBRIDGE_URL=http://127.0.0.1:4001
    export AIBRIDGE_TOKEN=$(aibridge tokens create ann --name cli)
    """


@interceptions.command("list")
@click.option("--initiator", metavar="USER", help="Who asked: a username, an id, or me.")
@click.option("--started-after", metavar="TIME", help="2026-01-02T03:04:05Z, or how long ago: 12h, 30d.")
@click.option("--started-before", metavar="TIME", help="As --started-after. Both ends are included.")
@click.option("--provider", metavar="TYPE", help="Provider type: anthropic, openai.")
@click.option("--provider-name", metavar="NAME", help="Name of the configured provider.")
@click.option("--model", help="Model as requested, exactly.")
@click.option("--client", help="Client label, exactly, such as 'Claude Code'.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="How it ended.")
@click.option("--session", metavar="ID", help="All of one session.")
@click.option("--after-id", metavar="ID", help="Go on after this interception: the last id of the page before.")
@click.option("--limit", type=int, default=100, show_default=True, help=f"Longest list, 1 to {_MAX_LIMIT}.")
@output_option
@gateway_options
def list_(limit: int, after_id: str | None, output: str | None, url: str, token_file: IO[str] | None,
          **filters: str | None) -> None:  # fmt: skip
    """List interceptions, newest first.

    \b
    aibridge interceptions list --initiator ann --started-after 24h
    aibridge interceptions list --client 'Claude Code' --status failed
    aibridge interceptions list --limit 1000 --output jsonl | jq .model
    """
    if not 1 <= limit <= _MAX_LIMIT:
        raise Misuse(f"limit value must be between 1 and {_MAX_LIMIT}")
    params = {"limit": str(limit)}
    if query := _query(filters):
        params["q"] = query
    if after_id:
        params["after_id"] = after_id
    gateway = gateway_from_flags(url, token_file)
    with _doing("list interceptions"):
        results = _results(gateway, params)
    emit(results, COLUMNS, output)


@interceptions.command()
@click.argument("interception_id", metavar="ID")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@gateway_options
def show(interception_id: str, output: str, url: str, token_file: IO[str] | None) -> None:
    """Show one interception in full: who, when, the prompt, tokens, tools with their arguments, reasoning.

    \b
    aibridge interceptions show 0190163d-8694-739b-aea5-966c26f8ad91
    """
    if not _ID.fullmatch(interception_id):
        raise Misuse(f"{interception_id!r} is no id of an interception; `aibridge interceptions list` shows them")
    gateway = gateway_from_flags(url, token_file)
    with _doing("show interception"):
        found = gateway.get(f"/interceptions/{interception_id}", {})
    if output == "json":
        click.echo(safe_json(found))
    else:
        show_interception(found)


def _query(filters: dict[str, str | None]) -> str:
    """The filters as a search text; their names are the flags', with the two times read first."""
    now = SystemClock().now()
    terms = dict(filters)
    terms["started_after"] = _time("after", filters["started_after"], now)
    terms["started_before"] = _time("before", filters["started_before"], now)
    terms["session_id"] = terms.pop("session")
    try:
        return search_text(terms)
    except ValueError as error:
        raise Misuse(str(error)) from error


def _time(which: str, text: str | None, now: datetime) -> str | None:
    if text is None:
        return None
    try:
        return rfc3339(moment_before(text, now))
    except ValueError as error:
        raise Misuse(f'parse started {which} filter value "{text}": {error}') from error


def _results(gateway: Gateway, params: dict[str, str]) -> list[dict[str, Any]]:
    page = gateway.get("/interceptions", params)
    results = page.get("results") if isinstance(page, dict) else None
    if not isinstance(results, list):
        raise Failure(f"{gateway.url} sent no list of interceptions; is it an aibridge gateway?")
    return results


@contextmanager
def _doing(what: str) -> Iterator[None]:
    try:
        yield
    except Failure as error:
        raise Failure(f"{what}: {error.message}") from error
