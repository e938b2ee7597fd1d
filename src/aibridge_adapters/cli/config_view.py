"""The configuration in force, as text, JSON or TOML.

Belongs here: formats. Never: the values, which come ready to be shown: secrets are masked before they get here.
"""

import json
from collections.abc import Iterable, Sequence

from aibridge_adapters.cli.safe_text import safe, safe_json
from aibridge_adapters.config_sources import Entry, Loaded, Source

_UNSET = "-"
_LISTS = ("providers.", "mcp.")
"""Keys that are lists of tables in the file, one for each name."""


def as_text(loaded: Loaded) -> str:
    """Three columns: key, value, where it comes from."""
    rows = [
        ("KEY", "VALUE", "FROM"),
        *((safe(e.key), safe(e.text) or _UNSET, safe(str(e.origin))) for e in loaded.entries),
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for key, value, origin in rows]
    return "\n".join([*lines, "", f"file: {safe(str(loaded.file)) if loaded.file else 'none'}"])


def as_json(loaded: Loaded) -> str:
    """An object with `file`, `settings`, `warnings` and `notes`; durations are in seconds, sizes in bytes."""
    settings = [
        {"key": e.key, "value": e.value, "source": e.origin.source.value, "origin": e.origin.name or None}
        for e in loaded.entries
    ]
    file = str(loaded.file) if loaded.file else None
    return safe_json(
        {"file": file, "settings": settings, "warnings": list(loaded.warnings), "notes": list(loaded.notes)}
    )


def as_toml(loaded: Loaded) -> str:
    """A file that gives these settings again; secrets and what isn't set stand in it as comments."""
    plain = [e for e in loaded.entries if "." not in e.key]
    tables = [e for e in loaded.entries if "." in e.key and not e.key.startswith(_LISTS)]
    lines = [_line(e.key, e) for e in plain]
    for table in _parents(tables):
        lines += ["", f"[{table}]", *(_line(e.key.removeprefix(f"{table}."), e) for e in _below(table, tables))]
    for parent in _parents([e for e in loaded.entries if e.key.startswith(_LISTS)]):
        kind, _, name = parent.partition(".")
        lines += ["", f"[[{kind}]]", f"name = {_quoted(name)}"]
        lines += [_line(e.key.removeprefix(f"{parent}."), e) for e in _below(parent, loaded.entries)]
    return "\n".join(lines)


def _parents(entries: Sequence[Entry]) -> Iterable[str]:
    return dict.fromkeys(e.key.rpartition(".")[0] for e in entries)


def _below(parent: str, entries: Sequence[Entry]) -> list[Entry]:
    return [e for e in entries if e.key.rpartition(".")[0] == parent]


def _line(key: str, entry: Entry) -> str:
    origin = safe(str(entry.origin))
    if not entry.text and entry.origin.source is Source.DEFAULT:
        return f"# {key} =  # not set"
    if entry.secret:
        return f"# {key} = {_quoted(entry.text)}  # {origin}; masked"
    value = entry.text if isinstance(entry.value, bool) else _quoted(entry.text)
    return f"{key} = {value}  # {origin}"


def _quoted(text: str) -> str:
    """A basic string of TOML 1.0; it escapes as JSON does, and DEL beside."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
