"""`aibridge dumps`: looking at dumped exchanges.

Belongs here: flags and tables. Never: how dumps are written (`aibridge_adapters.dumps`).
"""

from pathlib import Path
from typing import Any

import click

from aibridge_adapters.cli.config_flags import setting_option, settings_from_flags
from aibridge_adapters.cli.errors import Failure, Misuse
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.output import Column, Row, emit, output_option
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.config import Settings
from aibridge_adapters.dumps import Dump, Folder

_COLUMNS = (
    Column(title="FILE", cell=lambda row: str(row["file"])),
    Column(title="BYTES", cell=lambda row: str(row["size"]), number=True),
    Column(title="FOLDER", cell=lambda row: str(row["folder"]), rank=1),
)


@click.group(cls=Group)
def dumps() -> None:
    """Look at exchanges with providers that were dumped for debugging.

    A gateway dumps them when AIBRIDGE_DUMP_DIR, or a provider's own `dump_dir`, names a folder. Dumps hold prompts and
    answers; keys in them are masked.
    """


@dumps.command("list")
@click.option("--contains", metavar="TEXT", default="", help="Only names with this: a provider, a model, an id.")
@setting_option("dumps.dir")
@output_option
def list_(contains: str, output: str | None, **flags: Any) -> None:
    """List the dumps, oldest first.

    \b
    aibridge dumps list
    aibridge dumps list --contains 0192f0c1-7d5e-7b7a-8a52-6d0a4a8f1c11
    """
    rows = [_row(folder, dump) for folder, dump in _found(settings_from_flags(**flags).settings, contains)]
    emit(rows, _COLUMNS, output)


@dumps.command()
@click.argument("text")
@setting_option("dumps.dir")
def show(text: str, **flags: Any) -> None:
    """Show the dumps whose name has TEXT in it: an interception's id shows all its calls in order.

    \b
    aibridge dumps show 0192f0c1-7d5e-7b7a-8a52-6d0a4a8f1c11
    """
    if not text.strip():
        raise Misuse("say which: an interception's id, or another part of a name that `aibridge dumps list` shows")
    found = _found(settings_from_flags(**flags).settings, text)
    if not found:
        raise Failure(f"no dump has {text!r} in its name; `aibridge dumps list` shows all")
    for folder, dump in found:
        click.echo(safe(f"==> {dump.path.relative_to(folder)} <=="))
        for line in _lines(dump.path):
            click.echo(safe(line))
        click.echo()


def _found(settings: Settings, text: str) -> list[tuple[Path, Dump]]:
    folders = dict.fromkeys(
        folder for folder in (settings.dumps.dir, *(each.dump_dir for each in settings.providers)) if folder
    )
    if not folders:
        raise Failure("nothing is dumped: name a folder with AIBRIDGE_DUMP_DIR or --dump-dir")
    found = [(folder, dump) for folder in folders for dump in Folder(folder).dumps()]
    return [(folder, dump) for folder, dump in found if text in dump.path.relative_to(folder).as_posix()]


def _row(folder: Path, dump: Dump) -> Row:
    return {"file": dump.path.relative_to(folder).as_posix(), "size": dump.size, "folder": str(folder)}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="backslashreplace").splitlines()
    except OSError as error:
        raise Failure(f"can't read {path}: {error.strerror}") from error
