"""The environment as a source.

Belongs here: finding our variables among all others, under every prefix. Never: reading `os.environ` (it is passed in).
An empty variable counts as not given, since many tools can't leave one out.
"""

import re
from collections.abc import Mapping

from attrs import Factory, define, field

from aibridge_adapters.config_sources.drafts import Group, SourceValues, shorthand_groups
from aibridge_adapters.config_sources.names import OWN_PREFIX, dormant, is_foreign, no_effect, split_prefix, unknown
from aibridge_adapters.config_sources.origins import Given, Origin, Source
from aibridge_adapters.config_sources.provider_types import DORMANT_FIELD, FIELDS
from aibridge_adapters.config_sources.report import Report
from aibridge_adapters.config_sources.table import BY_VARIABLE, SETTINGS

_INDEXED = re.compile(r"PROVIDER_(0|[1-9]\d{0,8})_([A-Z0-9_]+)", re.ASCII)
_SHORTHAND = re.compile(r"(ANTHROPIC|OPENAI)_(KEY|KEY_FILE|BASE_URL)|(BEDROCK)_(\w+)")
_SECRET_FILES = {f"{setting.variable}_FILE": setting for setting in SETTINGS if setting.kind.secret}

type_of_shorthand = {"ANTHROPIC": "anthropic", "OPENAI": "openai", "BEDROCK": "anthropic"}


def read_environment(environ: Mapping[str, str], report: Report) -> SourceValues:
    """What the variables say; names nobody knows are reported."""
    reader = _Reader(report=report)
    for name, value in sorted(environ.items()):
        split = split_prefix(name)
        if split is not None and value.strip() and not is_foreign(name, value.strip()):
            reader.take(*split, value.strip())
    return SourceValues(
        settings=reader.settings, groups=[*reader.indexed_groups(), *shorthand_groups(reader.shorthands)]
    )


@define(kw_only=True)
class _Reader:
    report: Report
    settings: dict[str, list[Given]] = Factory(dict)
    indexed: dict[int, dict[str, Given]] = Factory(dict)
    indexed_prefixes: dict[str, str] = Factory(dict)
    """Prefix to the first variable that has it."""
    shorthands: dict[str, dict[str, Given]] = field(factory=dict)

    def take(self, prefix: str, suffix: str, value: str) -> None:
        """Sort one variable. The order of the cases is that of `docs/reference/configuration.md`."""
        given = Given(raw=value, origin=Origin(source=Source.ENVIRONMENT, name=prefix + suffix))
        if suffix in BY_VARIABLE:
            self.settings.setdefault(BY_VARIABLE[suffix].key, []).append(given)
        elif suffix in _SECRET_FILES:
            self._take_secret_file(suffix, given)
        elif match := _INDEXED.fullmatch(suffix):
            self._take_indexed(prefix, int(match[1]), match[2].lower(), given)
        elif match := _SHORTHAND.fullmatch(suffix):
            self._take_shorthand(match[1] or match[3], suffix, given)
        elif row := dormant(suffix):
            self._warn(no_effect(given.origin.name, row, value))
        else:
            self._unknown(prefix, suffix)

    def indexed_groups(self) -> list[Group]:
        """In order of their numbers; a gap or a mixture of prefixes is refused."""
        if len(self.indexed_prefixes) > 1:
            names = " and ".join(sorted(self.indexed_prefixes.values()))
            self.report.refuse(f"{names}: providers are numbered under one prefix only, not under several")
            return []
        prefix = next(iter(self.indexed_prefixes), OWN_PREFIX)
        return [self._indexed_group(f"{prefix}PROVIDER_{number}", number) for number in self._numbers(prefix)]

    def _take_secret_file(self, suffix: str, given: Given) -> None:
        secret = self.report.secret_of(given)
        if secret is not None:
            self.settings.setdefault(_SECRET_FILES[suffix].key, []).append(secret)

    def _take_indexed(self, prefix: str, number: int, field_name: str, given: Given) -> None:
        self.indexed_prefixes.setdefault(prefix, given.origin.name)
        fields = self.indexed.setdefault(number, {})
        if field_name in FIELDS or DORMANT_FIELD.fullmatch(field_name):
            fields[field_name] = given
        else:
            self._unknown(prefix, f"PROVIDER_{number}_{field_name.upper()}")

    def _take_shorthand(self, owner: str, suffix: str, given: Given) -> None:
        field_name = (suffix if owner == "BEDROCK" else suffix.removeprefix(owner + "_")).lower()
        fields = self.shorthands.setdefault(type_of_shorthand[owner], {})
        other = fields.setdefault(field_name, given)
        if other.raw != given.raw:
            self.report.refuse(f"{other.origin} and {given.origin} are names of one setting, and they disagree")

    def _numbers(self, prefix: str) -> range:
        end = 0
        while end in self.indexed:
            end += 1
        if later := [number for number in self.indexed if number > end]:
            self.report.refuse(
                f"{prefix}PROVIDER_{end}_TYPE is missing: providers are numbered from 0 without a gap, "
                f"and there is a {prefix}PROVIDER_{min(later)}"
            )
        return range(end)

    def _indexed_group(self, place: str, number: int) -> Group:
        return Group(place=place, type_place=f"{place}_TYPE", fields=self.indexed[number])

    def _unknown(self, prefix: str, suffix: str) -> None:
        if prefix == OWN_PREFIX:  # under the other prefixes there are names that never were ours
            self.report.unknown(unknown(prefix + suffix, prefix + suffix, _known_names(suffix)))

    def _warn(self, text: str) -> None:
        if text:
            self.report.warn(text)


def _known_names(like: str) -> list[str]:
    """Candidates for "did you mean": with the number of the provider that was meant."""
    number = re.match(r"PROVIDER_(\d+)_", like)
    indexed = [f"PROVIDER_{number[1] if number else 0}_{row.variable}" for row in FIELDS.values()]
    shorthands = [f"{owner}_{part}" for owner in ("ANTHROPIC", "OPENAI") for part in ("KEY", "KEY_FILE", "BASE_URL")]
    return [OWN_PREFIX + name for name in (*BY_VARIABLE, *_SECRET_FILES, *indexed, *shorthands)]
