"""Finds the commands of `aibridge` in shell code, and judges them by the command tree, without running them.

Belongs here: shell as far as documentation uses it. Never: other programs' commands.
"""

import re
import shlex
from collections.abc import Iterator, Sequence

import click

from aibridge_adapters.cli.main import PROGRAM, cli

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_SEPARATORS = re.compile(r"[;&|()<>]+")


def aibridge_commands(script: str) -> Iterator[list[str]]:
    """The arguments of each call of `aibridge`, also behind `sudo`, assignments and pipes, and inside `$(...)`."""
    for line in script.replace("\\\n", " ").splitlines():
        for inner in _SUBSTITUTION.findall(line):
            yield from aibridge_commands(inner)
        for words in map(_without_prefixes, _simple_commands(_SUBSTITUTION.sub("SUBSTITUTED", line))):
            if words and words[0].rpartition("/")[2] == PROGRAM:
                yield words[1:]


def mistake(arguments: Sequence[str]) -> str:
    """What is wrong with a call; empty if nothing is. Missing arguments are no mistake: prose leaves them out."""
    context = click.Context(cli, info_name=PROGRAM)
    command: click.Command = cli
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return f"there is no command {rest[0]!r} in {context.command_path}"
        command, rest = found, rest[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    try:
        _judge(command, context, rest)
    except click.UsageError as error:
        return error.format_message()
    return ""


def _judge(command: click.Command, context: click.Context, rest: list[str]) -> None:
    """Raises UsageError for an option that doesn't exist, and a choice or number that isn't one."""
    values, left, _ = command.make_parser(context).parse_args(rest)
    if left:
        raise click.UsageError(f"unexpected {left}")
    for parameter in command.get_params(context):
        value = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice | click.types.IntParamType) and isinstance(value, str):
            parameter.type.convert(value, parameter, context)


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if _SEPARATORS.fullmatch(word):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _without_prefixes(words: list[str]) -> list[str]:
    while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] in ("export", "exec")):
        words = words[1:]
    if words[:1] != ["sudo"]:
        return words
    words = words[1:]
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-u", "-g") else words[1:]
    return _without_prefixes(words)
