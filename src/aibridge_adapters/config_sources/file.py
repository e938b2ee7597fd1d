"""`aibridge.toml` as a source. Belongs here: reading TOML and finding our keys in it. Never: which file it is."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import Factory, define

from aibridge_adapters.config_sources.drafts import Group, SourceValues, shorthand_groups
from aibridge_adapters.config_sources.fields import BEDROCK_FIELDS
from aibridge_adapters.config_sources.mcp_fields import MCP_FIELDS
from aibridge_adapters.config_sources.names import dormant, no_effect, unknown
from aibridge_adapters.config_sources.origins import Given, Origin, Source
from aibridge_adapters.config_sources.provider_types import DORMANT_FIELD, FIELDS
from aibridge_adapters.config_sources.report import Report
from aibridge_adapters.config_sources.table import BY_KEY, SETTINGS

_TABLES = {setting.key.partition(".")[0] for setting in SETTINGS if "." in setting.key}
_SECRET_FILES = {f"{setting.key}_file": setting for setting in SETTINGS if setting.kind.secret}
_SHORTHANDS = {
    f"{owner}_{part}": (owner, part) for owner in ("anthropic", "openai") for part in ("key", "key_file", "base_url")
} | {name: ("anthropic", name) for name in BEDROCK_FIELDS}

_PATH_FIELDS = ("key_file", "keys_file", "token_file", "dump_dir", "bedrock_access_key_secret_file")


def read_file(path: Path | None, report: Report) -> SourceValues:
    """What the file says; keys nobody knows are reported. No file says nothing."""
    if path is None:
        return SourceValues()
    reader = _Reader(path=path, report=report)
    reader.take_all(_parsed(path, report))
    return SourceValues(
        settings=reader.settings, groups=[*reader.groups, *shorthand_groups(reader.shorthands)], mcp=reader.mcp
    )


def _parsed(path: Path, report: Report) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        report.refuse(f"{path}: the file can't be read: {error.strerror}")
    except UnicodeDecodeError:
        report.refuse(f"{path}: the file is not UTF-8 text")
    except tomllib.TOMLDecodeError as error:
        report.refuse(f"{path}: the file is not TOML: {error}")
    return {}


@define(kw_only=True)
class _Reader:
    path: Path
    report: Report
    settings: dict[str, list[Given]] = Factory(dict)
    groups: list[Group] = Factory(list)
    mcp: list[Group] = Factory(list)
    shorthands: dict[str, dict[str, Given]] = Factory(dict)

    def take_all(self, document: Mapping[str, object]) -> None:
        """Sort every key of the file."""
        for key, value in document.items():
            if key == "providers":
                self._take_tables(key, value, self._take_provider)
            elif key == "mcp":
                self._take_tables(key, value, self._take_mcp)
            elif key in _TABLES and isinstance(value, dict):
                for inner, inner_value in value.items():
                    self._take(f"{key}.{inner}", inner_value)
            else:
                self._take(key, value)

    def _take(self, key: str, value: object) -> None:
        given = self._given(key, value)
        if value == "" and not (key in BY_KEY and BY_KEY[key].kind.empty):
            return
        if key in BY_KEY:
            raw = self._beside(value) if BY_KEY[key].kind.path else value
            self._add(key, Given(raw=raw, origin=given.origin))
        elif key in _SECRET_FILES:
            secret = self.report.secret_of(Given(raw=self._beside(value), origin=given.origin))
            self._add(_SECRET_FILES[key].key, secret)
        elif key in _SHORTHANDS:
            owner, part = _SHORTHANDS[key]
            self.shorthands.setdefault(owner, {})[part] = self._field(part, given)
        else:
            self._take_no_setting(key, value, given.origin.name)

    def _take_no_setting(self, key: str, value: object, where: str) -> None:
        if key in _TABLES:
            self.report.refuse(f"{where} is not a table; allowed: [{key}] with keys below it")
        elif row := dormant(key.upper().replace(".", "_")):
            if warning := no_effect(where, row, value):
                self.report.warn(warning)
        else:
            self.report.unknown(unknown(where, key, [*BY_KEY, *_SECRET_FILES, *_SHORTHANDS, "providers", "mcp"]))

    def _take_tables(self, key: str, value: object, take: Callable[[str, Mapping[str, object]], None]) -> None:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.report.refuse(f"{self.path}: {key} is not a list of tables; allowed: [[{key}]] for each")
            return
        for number, item in enumerate(value):
            take(f"{key}[{number}]", item)

    def _take_provider(self, place: str, item: Mapping[str, object]) -> None:
        fields = self._fields(place, item, lambda key: key in FIELDS or bool(DORMANT_FIELD.fullmatch(key)), FIELDS)
        place = f"{self.path}: {place}"
        self.groups.append(Group(place=place, type_place=f"{place}.type", fields=fields))

    def _take_mcp(self, place: str, item: Mapping[str, object]) -> None:
        fields = self._fields(place, item, MCP_FIELDS.__contains__, MCP_FIELDS)
        place = f"{self.path}: {place}"
        self.mcp.append(Group(place=place, type_place=f"{place}.name", fields=fields))

    def _fields(
        self, place: str, item: Mapping[str, object], known: Callable[[str], bool], names: Iterable[str]
    ) -> dict[str, Given]:
        fields = {}
        for key, value in item.items():
            given = self._given(f"{place}.{key}", value)
            if not known(key):
                self.report.unknown(unknown(given.origin.name, key, names))
            elif value != "":
                fields[key] = self._field(key, given)
        return fields

    def _given(self, key: str, value: object) -> Given:
        return Given(raw=value, origin=Origin(source=Source.FILE, name=f"{self.path}: {key}"))

    def _field(self, name: str, given: Given) -> Given:
        return Given(raw=self._beside(given.raw), origin=given.origin) if name in _PATH_FIELDS else given

    def _beside(self, value: object) -> object:
        """A relative path counts from the folder of the file, wherever the gateway is started."""
        if isinstance(value, str) and value and not value.startswith("~"):
            return str(self.path.parent / value)
        return value

    def _add(self, key: str, given: Given | None) -> None:
        if given is not None:
            self.settings.setdefault(key, []).append(given)
