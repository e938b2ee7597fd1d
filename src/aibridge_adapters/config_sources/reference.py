"""Writes the tables into `docs/reference/configuration.md`, so that the page can't disagree with the program.

Belongs here: Markdown made from the tables. Never: prose; that stands in the page, around the marked blocks.
Run it with `python -m aibridge_adapters.config_sources.reference docs/reference/configuration.md`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aibridge_adapters.config_sources.mcp_fields import MCP_FIELDS
from aibridge_adapters.config_sources.names import DORMANT, OWN_PREFIX
from aibridge_adapters.config_sources.provider_types import FIELDS, PROVIDER_TYPES, RESERVED_NAMES
from aibridge_adapters.config_sources.setting import Setting
from aibridge_adapters.config_sources.table import SETTINGS

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """The page with the present tables between its marks. Raises KeyError for a mark that names no table."""
    return _BLOCK.sub(lambda block: block[1] + "\n" + _TABLES[block[2]]() + "\n" + block[3], page)


def _settings() -> str:
    return "\n".join(_setting(setting) for setting in SETTINGS)


def _setting(setting: Setting) -> str:
    names = [OWN_PREFIX + name for name in (setting.variable, *setting.aliases)]
    names += [*([f"{OWN_PREFIX}{setting.variable}_FILE"] * setting.kind.secret)]
    keys = [setting.key, *([f"{setting.key}_file"] * setting.kind.secret)]
    flags = [setting.flag, *([f"--no-{setting.flag[2:]}"] * setting.kind.switch)]
    default = setting.default_text
    rows = (
        ("Flag", _codes(flags) if setting.kind.switch else f"`{setting.flag} {_metavar(setting)}`"),
        ("Environment", _codes(names)),
        ("File key", _codes(keys)),
        ("Default", (default if setting.shown_default else f"`{default}`") if default else "none"),
        ("Unit", setting.unit),
        ("Allowed", setting.kind.allowed),
    )
    lines = [f"- {title}: {text}" for title, text in rows if text]
    return "\n".join([f"### {setting.key}", "", setting.meaning, "", *lines, ""])


def _metavar(setting: Setting) -> str:
    return "FILE" if setting.kind.secret else setting.kind.metavar


def _provider_fields() -> str:
    rows = ((f"`{row.name}`", f"`{OWN_PREFIX}PROVIDER_<N>_{row.variable}`", row.meaning) for row in FIELDS.values())
    return _table(("File key", "Environment", "Meaning"), rows)


def _mcp_fields() -> str:
    rows = ((f"`{row.name}`", f"`{OWN_PREFIX}MCP_<N>_{row.variable}`", row.meaning) for row in MCP_FIELDS.values())
    return _table(("File key", "Environment", "Meaning"), rows)


def _provider_types() -> str:
    rows = (
        (
            f"`{row.name}`",
            row.meaning,
            _base_url(row.base_url, row.left_out),
            f"no: {row.left_out}" if row.left_out else "yes",
        )
        for row in PROVIDER_TYPES.values()
    )
    return _table(("Type", "What it is", "Default base URL", "Served in this version"), rows)


def _base_url(default: str, left_out: str) -> str:
    return f"`{default}`" if default else ("" if left_out else "has to be given")


def _reserved_names() -> str:
    return _table(("Name", "Why"), ((f"`{name}`", reason) for name, reason in RESERVED_NAMES.items()))


def _dormant() -> str:
    return _table(("Names, without prefix", "In this version"), ((row.shown, row.consequence) for row in DORMANT))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


_TABLES: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "provider_fields": _provider_fields,
    "provider_types": _provider_types,
    "reserved_names": _reserved_names,
    "mcp_fields": _mcp_fields,
    "dormant": _dormant,
}


def main(arguments: Sequence[str]) -> None:
    """Rewrite the named page."""
    page = Path(arguments[0])
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
