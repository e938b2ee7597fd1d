"""Loads the settings: all sources, all values, every problem at once.

Belongs here: which source wins, and rules that hold between settings. Never: reading a source or a value.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from aibridge_adapters.config import USER, Settings
from aibridge_adapters.config_sources.drafts import SourceValues
from aibridge_adapters.config_sources.entries import Entry, entry
from aibridge_adapters.config_sources.environment import read_environment
from aibridge_adapters.config_sources.file import read_file
from aibridge_adapters.config_sources.flags import read_flags
from aibridge_adapters.config_sources.mcp import ResolvedMcp, resolve_mcp
from aibridge_adapters.config_sources.origins import DEFAULT, Given, Origin
from aibridge_adapters.config_sources.providers import Resolved, resolve_providers
from aibridge_adapters.config_sources.report import Report, quoted
from aibridge_adapters.config_sources.setting import Setting
from aibridge_adapters.config_sources.table import SETTINGS
from aibridge_adapters.data_places import default_database_url


@frozen(kw_only=True)
class Loaded:
    """Settings, and what there is to say about them."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    """To be shown at every start: something was said that has no effect, or an effect nobody may want."""
    notes: tuple[str, ...] = ()
    """Decisions that the configuration left open."""
    entries: tuple[Entry, ...] = ()
    """Every value in force, with its origin."""
    file: Path | None = None
    """The file that was read."""


@frozen(kw_only=True)
class _Value:
    setting: Setting
    value: Any
    origin: Origin


def load_settings(
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Path | None,
    strict: bool = False,
    data_folder: Path | None = None,
) -> Loaded:
    """Flags win over the environment, and the environment wins over the file.

    `flags` are values by `table.Setting.parameter`, texts as typed or values of the right type; None is not given.
    `file` is the one to read, None for none; `aibridge_adapters.config_sources.find_file` looks for it. `strict`
    refuses names that nobody knows. `data_folder` holds the default database; None means the user's.

    Every given value is checked, also one that a stronger source replaces. Raises ConfigError with all problems.
    """
    report = Report(strict=strict)
    from_flags, from_environment = read_flags(flags, report), read_environment(environ, report)
    from_file = read_file(file, report)
    values = [_resolved(setting, (from_flags, from_environment, from_file), report) for setting in SETTINGS]
    values = [_with_database(value, data_folder) for value in values]
    providers = resolve_providers(from_environment, from_file, environ, report)
    plain = _settings(values)
    mcp = resolve_mcp(from_environment, from_file, plain.tools, report)
    _check_tls(values, report)
    _check_credentials(values, providers, report)
    _check_retention(values, report)
    _check_hash_key(values, report)
    _check_actor_headers(values, report)
    _check_secrets_key(values, mcp, report)
    _check_log_places(values, report)
    _check_shared_limits(values, report)
    report.raise_problems()
    return Loaded(
        settings=evolve(
            plain,
            providers=tuple(provider.settings for provider in providers),
            mcp=tuple(server.settings for server in mcp),
        ),
        warnings=tuple(report.warnings),
        notes=tuple(report.notes),
        entries=tuple(_entries(values, [*providers, *mcp])),
        file=file,
    )


def _resolved(setting: Setting, sources: Sequence[SourceValues], report: Report) -> _Value:
    """The strongest source's value; the default if none gives one, or if it is refused."""
    found = [_agreed(setting, source.settings.get(setting.key, ()), report) for source in sources]
    default = _Value(setting=setting, value=setting.default, origin=DEFAULT)
    return next((value for value in found if value is not None), default)


def _agreed(setting: Setting, givens: Sequence[Given], report: Report) -> _Value | None:
    """One source's value, which may stand under several names if they agree."""
    read = [(given.origin, report.read(setting.kind, given)) for given in givens]
    values = [_Value(setting=setting, value=value, origin=origin) for origin, value in read if value is not None]
    for value in values[1:]:
        if value.value != values[0].value:
            report.refuse(f"{values[0].origin} and {value.origin} are names of one setting, and they disagree")
    return values[0] if values else None


def _with_database(value: _Value, data_folder: Path | None) -> _Value:
    if value.setting.key == "database_url" and not value.value:
        return evolve(value, value=default_database_url(data_folder))
    return value


def _check_tls(values: Sequence[_Value], report: Report) -> None:
    pair = {value.setting.key: value for value in values if value.setting.key in ("tls_cert_file", "tls_key_file")}
    given = [value for value in pair.values() if value.value is not None]
    if len(given) == 1 and not report.problems:
        missing = next(value.setting for value in pair.values() if value.value is None)
        report.refuse(
            f"{given[0].origin} needs {missing.key} ({missing.flag}, AIBRIDGE_{missing.variable}) beside it; "
            "allowed: both or neither"
        )


def _check_credentials(values: Sequence[_Value], providers: Sequence[Resolved], report: Report) -> None:
    if any(value.setting.key == "allow_byok" and value.value for value in values):
        return
    for name in (provider.settings.name for provider in providers if not provider.settings.keys):
        report.warn(f'provider "{name}" has no key and allow_byok is off: all its requests will be refused')


def _check_retention(values: Sequence[_Value], report: Report) -> None:
    """Whoever wants contents to outlive their interceptions would lose them earlier than they think."""
    kept, contents = _values_of(values, "retention", "prompt_retention")
    if kept.value and contents.value > kept.value and not report.problems:
        longest = kept.setting.kind.show(kept.value)
        report.refuse(
            f"{contents.origin} = {contents.setting.kind.show(contents.value)}: contents go with their interceptions, "
            f"which are kept for {longest} ({kept.setting.key}, {kept.origin}); allowed: at most {longest}"
        )


def _check_secrets_key(values: Sequence[_Value], servers: Sequence[ResolvedMcp], report: Report) -> None:
    """Tokens are never kept in clear."""
    private = [server.settings.name for server in servers if server.settings.auth == USER]
    (key,) = _values_of(values, "secrets_key")
    if private and not key.value and not report.problems:
        report.refuse(
            f"MCP server {quoted(private[0])} has auth = user, so {key.setting.key} ({key.setting.flag}, "
            f"AIBRIDGE_{key.setting.variable}) is needed: users' tokens are encrypted with it; "
            "`openssl rand -base64 32` makes one"
        )


def _check_hash_key(values: Sequence[_Value], report: Report) -> None:
    """Without a key that nobody knows, short texts could be found by hashing guesses."""
    recorded, logged, key = _values_of(values, "record_content", "log_content", "content_hash_key")
    hashed = next((each for each in (recorded, logged) if each.value == "hashed"), None)
    if hashed and not key.value and not report.problems:
        report.refuse(
            f"{hashed.origin} = hashed needs {key.setting.key} ({key.setting.flag}, AIBRIDGE_{key.setting.variable}) "
            "beside it; `openssl rand -hex 32` makes one"
        )


def _check_actor_headers(values: Sequence[_Value], report: Report) -> None:
    """One header can't hold two things."""
    user_id, username = _values_of(values, "actor_headers.id", "actor_headers.username")
    if user_id.value and user_id.value.lower() == username.value.lower() and not report.problems:
        report.refuse(
            f"{username.origin} = {username.value} is the header of {user_id.setting.key} ({user_id.origin}) too; "
            "allowed: two names, or one of them empty"
        )


def _check_log_places(values: Sequence[_Value], report: Report) -> None:
    """A gateway that says nothing anywhere can't be helped."""
    stderr, file = _values_of(values, "log_stderr", "log_file")
    if not stderr.value and file.value is None and not report.problems:
        report.refuse(
            f"{stderr.origin} = false needs {file.setting.key} ({file.setting.flag}, AIBRIDGE_{file.setting.variable}) "
            "beside it, or log lines go nowhere"
        )


def _check_shared_limits(values: Sequence[_Value], report: Report) -> None:
    """What one process counts can't be shared."""
    shared, url = _values_of(values, "limits.shared", "database_url")
    if not shared.value:
        return
    if url.value.startswith("sqlite:") and not report.problems:
        report.refuse(
            f"{shared.origin} = true needs a database that several gateways share; allowed for database_url "
            f"({url.origin}): postgresql://..."
        )
    if not any(value.value for value in values if value.setting.key.startswith("limits.max_")):
        report.warn(f"{shared.origin} = true shares limits, but there is none: max_rps and max_concurrent are 0")


def _values_of(values: Sequence[_Value], *keys: str) -> Sequence[_Value]:
    by_key = {value.setting.key: value for value in values}
    return [by_key[key] for key in keys]


def _settings(values: Sequence[_Value]) -> Settings:
    fields: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {}
    for value in values:
        table, _, name = value.setting.key.rpartition(".")
        (tables.setdefault(table, {}) if table else fields)[name] = value.value
    defaults = Settings()
    for table, inner in tables.items():
        fields[table] = evolve(getattr(defaults, table), **inner)
    return evolve(defaults, **fields)


def _entries(values: Sequence[_Value], groups: Sequence[Resolved | ResolvedMcp]) -> list[Entry]:
    plain = [entry(value.setting.key, value.setting.kind, value.value, value.origin) for value in values]
    return plain + [line for group in groups for line in group.entries()]
