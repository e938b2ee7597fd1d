"""Writes what stands about records' lines in the documentation, so that it can't disagree with the program.

Belongs here: Markdown and JSON made from the table. Never: prose; that stands in the page, around the marked block.
Run it with `python -m aibridge_adapters.telemetry.logs.reference docs/reference`.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from aibridge_adapters.telemetry.logs.record_schema import RECORD_TYPES, schema

PAGE = "log-records.md"
FOLDER = "log-records"
"""Of the schemas, beside the page."""

_BLOCK = re.compile(r"(<!-- table: records -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """The page with the present tables between its marks."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{_tables()}\n{block[2]}", page)


def schemas() -> Mapping[str, str]:
    """Name and text of each schema's file."""
    return {f"{name}.schema.json": json.dumps(schema(name), indent=2) + "\n" for name in RECORD_TYPES}


def _tables() -> str:
    return "\n".join(_table(name) for name in RECORD_TYPES)


def _table(record_type: str) -> str:
    rows = [f"| `{row.name}` | {row.kind} | {row.meaning} |" for row in RECORD_TYPES[record_type]]
    link = f"JSON Schema: [{record_type}]({FOLDER}/{record_type}.schema.json)"
    return "\n".join([f"### {record_type}", "", link, "", "| Field | Kind | Meaning |", "|---|---|---|", *rows, ""])


def main(arguments: Sequence[str]) -> None:
    """Rewrite the page and the schemas in the named folder."""
    folder = Path(arguments[0])
    page = folder / PAGE
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, text in schemas().items():
        (folder / FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
