"""Writes docs/reference/cli.md from the commands themselves; `--check` only says whether it is current.

Belongs here: the form of the page. Never: texts about a command; they stand in its help.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from aibridge_adapters.cli.main import PROGRAM, cli

PAGE = Path(__file__).parent / "reference" / "cli.md"
COMMAND_LINE = "python docs/generate_cli_reference.py"
_WIDTH = 100
_HEAD = f"""\
# Command line

Every command with `--help`, as the program prints it. This page is generated: `{COMMAND_LINE}`.

| Exit code | Meaning |
|---|---|
| 0 | done |
| 1 | failed; standard error says why, after `Error:` |
| 2 | wrong usage: an unknown flag, a value that can't be meant |
| 130 | interrupted with Ctrl-C (`serve` ends in good order on the first one, with 0) |
| 141 | whoever read the output went away, as `head` does |

Lists are tables on a terminal and JSON elsewhere; `--output` says otherwise. Results go to standard output, words about
them to standard error. `NO_COLOR=1` turns colours off. What people typed is shown with control characters escaped.

| Variable | Meaning |
|---|---|
| `AIBRIDGE_URL` | gateway that `aibridge interceptions` asks; default `http://127.0.0.1:4001` |
| `AIBRIDGE_TOKEN` | token for it |
| `AIBRIDGE_...` | settings of `serve`, `users`, `tokens`, `retention`, `config`: [configuration](configuration.md) |
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections(cli, click.Context(cli, info_name=PROGRAM, **cli.context_settings))])


def _sections(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """A command and everything below it, in the order of their help."""
    ctx.terminal_width = _WIDTH
    yield f"## `{ctx.command_path}`\n\n```text\n{command.get_help(ctx)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None and not below.hidden:
                yield from _sections(below, click.Context(below, parent=ctx, info_name=name))


def main() -> None:
    """Write the page, or compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE.name} is not current: run {COMMAND_LINE}")


if __name__ == "__main__":
    main()
