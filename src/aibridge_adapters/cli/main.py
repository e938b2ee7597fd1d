"""The command `aibridge`: its tree, and how a process of it ends.

Belongs here: the list of commands and exit codes. Never: what a command does.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from aibridge_adapters.cli.errors import INTERRUPTED
from aibridge_adapters.cli.group import RootGroup

PROGRAM = "aibridge"

_COMMANDS = {
    "serve": "aibridge_adapters.cli.serve_command:serve",
    "demo": "aibridge_adapters.cli.demo_commands:demo",
    "users": "aibridge_adapters.cli.user_commands:users",
    "tokens": "aibridge_adapters.cli.token_commands:tokens",
    "interceptions": "aibridge_adapters.cli.interception_commands:interceptions",
    "boundaries": "aibridge_adapters.cli.boundary_commands:boundaries",
    "providers": "aibridge_adapters.cli.provider_commands:providers",
    "mcp": "aibridge_adapters.cli.mcp_commands:mcp",
    "dumps": "aibridge_adapters.cli.dump_commands:dumps",
    "retention": "aibridge_adapters.cli.retention_commands:retention",
    "db": "aibridge_adapters.cli.db_commands:db",
    "config": "aibridge_adapters.cli.config_commands:config",
    "completion": "aibridge_adapters.cli.completion_command:completion",
}


@click.group(
    name=PROGRAM,
    cls=RootGroup,
    modules=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="aibridge", prog_name=PROGRAM)
def cli() -> None:
    """An AI gateway: it knows the person behind each request, relays it untouched, and keeps an interception of it.

    \b
    Try it without a key:         aibridge demo
    Set up:                       aibridge users create ann --role admin
                                  aibridge tokens create ann --name laptop
    Run:                          aibridge serve
    Look at what was recorded:    aibridge interceptions list

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 130 interrupted with Ctrl-C.
    Colours appear on terminals only; NO_COLOR=1 turns them off.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command of `sys.argv` and leave the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Recorded text may hold what a terminal's encoding lacks; it is shown escaped rather than lost in an error.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
