"""Lists on standard output: a table on a terminal, JSON otherwise.

Belongs here: formats, widths and colours. Never: what is in a list. Cells are plain text: markup in data means nothing.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from attrs import frozen
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aibridge_adapters.cli.safe_text import safe, safe_json

Row = Mapping[str, Any]
"""An entry as its JSON object."""

_GAP = 2
"""Spaces between columns."""
_WIDE = 240
"""Columns of a table that goes to a file or a pager."""

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "jsonl"]),
    help="Format. Default: table on a terminal, json otherwise.",
)


@frozen(kw_only=True)
class Column:
    """One column of a table."""

    title: str
    cell: Callable[[Row], str]
    style: Callable[[Row], str] = lambda _: ""
    """A rich style for a row's cell."""
    number: bool = False
    rank: int = 0
    """When a terminal is narrow, columns of the highest rank go first; those of rank 0 stay."""


def emit(rows: Sequence[Row], columns: Sequence[Column], output: str | None) -> None:
    """Write a list in the format that was asked for."""
    match output or ("table" if sys.stdout.isatty() else "json"):
        case "table":
            _emit_table(rows, columns)
        case "jsonl":
            for row in rows:
                click.echo(safe_json(row, indent=None))
        case _:
            click.echo(safe_json(rows))


def _emit_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    console = Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    columns = _that_fit(rows, columns, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            Text(column.title), justify="right" if column.number else "left", no_wrap=True, overflow="ellipsis"
        )
    for row in rows:
        table.add_row(*(Text(safe(column.cell(row)), style=column.style(row)) for column in columns))
    console.print(table)


def _that_fit(rows: Sequence[Row], columns: Sequence[Column], width: int) -> Sequence[Column]:
    """The columns without those of the highest ranks that would not fit."""
    widths = {
        column.title: max(map(cell_len, [column.title, *(safe(column.cell(row)) for row in rows)])) + _GAP
        for column in columns
    }
    kept = list(columns)
    while sum(widths[column.title] for column in kept) > width + _GAP and (last := max(kept, key=_rank)).rank:
        kept.remove(last)
    return kept


def _rank(column: Column) -> int:
    return column.rank
