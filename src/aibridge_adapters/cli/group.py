"""Groups of commands: print their help when called alone, and load commands only when they are asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from aibridge_adapters.cli.errors import failures_in_words


class Group(click.Group):
    """A group that, called alone, prints its help on standard output and succeeds."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but no arguments at all are a question, not a mistake."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


class RootGroup(Group):
    """The group of all commands. `modules` names for each command where it is: `package.module:attribute`."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command when it is asked for; for an unknown name all, so that click can suggest a near one."""
        for name in [cmd_name] if cmd_name in self._modules else self._modules:
            if name not in self.commands:
                self.add_command(_load(self._modules[name]), name)
        return self.commands.get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, its errors put into words."""
        with failures_in_words():
            return super().invoke(ctx)


def _load(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    return command
