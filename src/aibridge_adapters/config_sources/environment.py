"""The environment as a source.

Belongs here: finding our variables among all others, under every prefix. Never: reading `os.environ` (it is passed in).
An empty variable counts as not given, since many tools can't leave one out, unless its kind says what empty means.
"""

import re
from collections.abc import Mapping

from attrs import Factory, define, field

from aibridge_adapters.config_sources.drafts import SourceValues, shorthand_groups
from aibridge_adapters.config_sources.mcp_fields import MCP_FIELDS
from aibridge_adapters.config_sources.names import OWN_PREFIX, dormant, is_foreign, no_effect, split_prefix, unknown
from aibridge_adapters.config_sources.numbered import Numbered
from aibridge_adapters.config_sources.origins import Given, Origin, Source
from aibridge_adapters.config_sources.provider_types import DORMANT_FIELD, FIELDS
from aibridge_adapters.config_sources.report import Report
from aibridge_adapters.config_sources.table import BY_VARIABLE, SETTINGS

_INDEXED = re.compile(r"(PROVIDER|MCP)_(0|[1-9]\d{0,8})_([A-Z0-9_]+)", re.ASCII)
_SHORTHAND = re.compile(r"(ANTHROPIC|OPENAI)_(KEY|KEY_FILE|BASE_URL)|(BEDROCK)_(\w+)")
_SECRET_FILES = {f"{setting.variable}_FILE": setting for setting in SETTINGS if setting.kind.secret}
_MAY_BE_EMPTY = {variable for variable, setting in BY_VARIABLE.items() if setting.kind.empty}

type_of_shorthand = {"ANTHROPIC": "anthropic", "OPENAI": "openai", "BEDROCK": "anthropic"}


def read_environment(environ: Mapping[str, str], report: Report) -> SourceValues:
    """What the variables say; names nobody knows are reported."""
    reader = _Reader(report=report)
    for name, value in sorted(environ.items()):
        split = split_prefix(name)
        if split is not None and (value.strip() or split[1] in _MAY_BE_EMPTY) and not is_foreign(name, value.strip()):
            reader.take(*split, value.strip())
    return SourceValues(
        settings=reader.settings,
        groups=[*reader.providers.groups(report), *shorthand_groups(reader.shorthands)],
        mcp=reader.mcp.groups(report),
    )


@define(kw_only=True)
class _Reader:
    report: Report
    settings: dict[str, list[Given]] = Factory(dict)
    providers: Numbered = Factory(lambda: Numbered(kind="PROVIDER", what="providers", first_field="TYPE"))
    mcp: Numbered = Factory(lambda: Numbered(kind="MCP", what="MCP servers", first_field="NAME"))
    shorthands: dict[str, dict[str, Given]] = field(factory=dict)

    def take(self, prefix: str, suffix: str, value: str) -> None:
        """Sort one variable. The order of the cases is that of `docs/reference/configuration.md`."""
        given = Given(raw=value, origin=Origin(source=Source.ENVIRONMENT, name=prefix + suffix))
        if suffix in BY_VARIABLE:
            self.settings.setdefault(BY_VARIABLE[suffix].key, []).append(given)
        elif suffix in _SECRET_FILES:
            self._take_secret_file(suffix, given)
        elif match := _INDEXED.fullmatch(suffix):
            self._take_indexed(prefix, match, given)
        elif match := _SHORTHAND.fullmatch(suffix):
            self._take_shorthand(match[1] or match[3], suffix, given)
        elif row := dormant(suffix):
            self._warn(no_effect(given.origin.name, row, value))
        else:
            self._unknown(prefix, suffix)

    def _take_secret_file(self, suffix: str, given: Given) -> None:
        secret = self.report.secret_of(given)
        if secret is not None:
            self.settings.setdefault(_SECRET_FILES[suffix].key, []).append(secret)

    def _take_indexed(self, prefix: str, match: re.Match[str], given: Given) -> None:
        kind, number, name = match[1], int(match[2]), match[3].lower()
        known = name in MCP_FIELDS if kind == "MCP" else name in FIELDS or bool(DORMANT_FIELD.fullmatch(name))
        fields = (self.mcp if kind == "MCP" else self.providers).group(prefix, number, given)
        if known:
            fields[name] = given
        else:
            self._unknown(prefix, f"{kind}_{number}_{match[3]}")

    def _take_shorthand(self, owner: str, suffix: str, given: Given) -> None:
        field_name = (suffix if owner == "BEDROCK" else suffix.removeprefix(owner + "_")).lower()
        if owner == "BEDROCK" and field_name not in FIELDS:
            self._unknown(given.origin.name.removesuffix(suffix), suffix)
            return
        fields = self.shorthands.setdefault(type_of_shorthand[owner], {})
        other = fields.setdefault(field_name, given)
        if other.raw != given.raw:
            self.report.refuse(f"{other.origin} and {given.origin} are names of one setting, and they disagree")

    def _unknown(self, prefix: str, suffix: str) -> None:
        if prefix == OWN_PREFIX:  # under the other prefixes there are names that never were ours
            self.report.unknown(unknown(prefix + suffix, prefix + suffix, _known_names(suffix)))

    def _warn(self, text: str) -> None:
        if text:
            self.report.warn(text)


def _known_names(like: str) -> list[str]:
    """Candidates for "did you mean": with the number of the provider or server that was meant."""
    match = re.match(r"(?:PROVIDER|MCP)_(\d+)_", like)
    number = match[1] if match else 0
    indexed = [f"PROVIDER_{number}_{row.variable}" for row in FIELDS.values()]
    indexed += [f"MCP_{number}_{row.variable}" for row in MCP_FIELDS.values()]
    shorthands = [f"{owner}_{part}" for owner in ("ANTHROPIC", "OPENAI") for part in ("KEY", "KEY_FILE", "BASE_URL")]
    return [OWN_PREFIX + name for name in (*BY_VARIABLE, *_SECRET_FILES, *indexed, *shorthands)]
