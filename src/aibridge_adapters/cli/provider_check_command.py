"""`aibridge providers list|check`: the configured providers, and whether they answer.

Belongs here: options and columns. Never: how one is asked (`aibridge_adapters.provider_survey`). No running gateway is
needed: `check` asks the providers itself, as the gateway would.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import click
from attrs import evolve

from aibridge_adapters.aws import AwsUnusable
from aibridge_adapters.cli.config_flags import config_options, settings_from_flags
from aibridge_adapters.cli.errors import Failure, failures_in_words
from aibridge_adapters.cli.output import Column, Row, emit, output_option
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.clock import SystemClock
from aibridge_adapters.compose_providers import provider_of
from aibridge_adapters.config import ProviderSettings, Settings, Timeouts
from aibridge_adapters.provider_survey import ProviderReport, survey
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_adapters.upstream.proxies import ProxyUnusable
from aibridge_core.actors import mask

_BAD = ("failed", "refused")
_PATIENCE = 10.0
"""Seconds for an answer, in place of the minutes that a model may think: a list of models needs no thought."""
_PROVIDER_COLUMNS = (
    Column(title="PROVIDER", cell=lambda row: row["name"]),
    Column(title="TYPE", cell=lambda row: row["type"]),
    Column(title="STATUS", cell=lambda row: "enabled" if row["enabled"] else "disabled"),
    Column(title="KEYS", cell=lambda row: ", ".join(row["keys"]) or "-"),
    Column(title="OWN KEYS", cell=lambda row: "yes" if row["byok"] else "no", rank=2),
    Column(title="BASE URL", cell=lambda row: row["base_url"], rank=1),
)
_REPORT_COLUMNS = (
    Column(title="PROVIDER", cell=lambda row: row["name"]),
    Column(title="KEY", cell=lambda row: row["key"] or "-"),
    Column(title="STATE", cell=lambda row: row["state"], style=lambda row: "red" if row["state"] in _BAD else ""),
    Column(title="STATUS", cell=lambda row: str(row["status"] or "-"), number=True, rank=2),
    Column(title="MS", cell=lambda row: str(row["latency_ms"]), number=True, rank=1),
    Column(title="ERROR", cell=lambda row: row["error"]),
)


@click.command("list")
@output_option
@config_options
def list_providers(output: str | None, config_file: Path | None, strict_config: bool) -> None:
    """List the configured providers; keys by their hints."""
    settings = _settings(config_file, strict_config)
    emit([_row(each, settings) for each in settings.providers], _PROVIDER_COLUMNS, output)


@click.command()
@output_option
@config_options
def check(output: str | None, config_file: Path | None, strict_config: bool) -> None:
    """Ask every provider which models there are, once with each key: name, connection, TLS, key. Costs no tokens.

    Each has ten seconds. `reachable` means that it answers, and that no key could be tried: there is none, or nothing
    cheap to ask. Exit code 1 if a provider can't be reached or refuses a key.
    """
    settings = _settings(config_file, strict_config)
    with failures_in_words(AwsUnusable, ProxyUnusable):
        reports = anyio.run(_reports, settings)
    emit([_report(each) for each in reports], _REPORT_COLUMNS, output)
    failed = [f"{each.provider.name}: {each.error}" for each in reports if each.state in _BAD]
    if failed:
        raise Failure(safe(f"providers that can't be used: {'; '.join(failed)}"))


def _settings(config_file: Path | None, strict_config: bool) -> Settings:
    loaded = settings_from_flags(config_file=config_file, strict_config=strict_config)
    for warning in loaded.warnings:
        click.echo(f"warning: {safe(warning)}", err=True)
    return loaded.settings


async def _reports(settings: Settings) -> Sequence[ProviderReport]:
    clock = SystemClock()
    providers = [provider_of(each, clock=clock, ca_bundle=settings.ca_bundle) for each in settings.providers]
    async with HttpxUpstream(_impatient(settings.timeouts), ca_bundle=settings.ca_bundle) as upstream:
        return await survey(providers, upstream, clock)


def _impatient(timeouts: Timeouts) -> Timeouts:
    """Nobody watches a check for longer; 0 would be for ever."""
    idle, total = (min(limit or _PATIENCE, _PATIENCE) for limit in (timeouts.read_idle, timeouts.total))
    return evolve(timeouts, connect=min(timeouts.connect or _PATIENCE, _PATIENCE), read_idle=idle, total=total)


def _row(one: ProviderSettings, settings: Settings) -> Row:
    return {
        "name": one.name,
        "type": one.type,
        "base_url": one.base_url,
        "enabled": one.enabled,
        "keys": [mask(key) for key in one.keys],
        "byok": settings.allow_byok and one.allow_byok,
    }


def _report(report: ProviderReport) -> Mapping[str, Any]:
    return {
        "name": report.provider.name,
        "type": report.provider.type,
        "base_url": report.provider.base_url,
        "key": report.credential,
        "state": report.state,
        "status": report.status,
        "latency_ms": round(report.latency * 1000),
        "error": report.error,
    }
