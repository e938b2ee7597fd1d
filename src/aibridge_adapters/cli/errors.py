"""What goes wrong at the command line, as one line on standard error and an exit code.

Belongs here: the words of failures that many commands share. Never: a traceback for something a user can mend.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 130 interrupted with Ctrl-C,
141 the reader of the output went away.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from aibridge_core.errors import BridgeError, StoreError, StoreUnavailable
from aibridge_core.identity import IdentityError

FAILED, USAGE, INCOMPLETE, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 130, 141


class Failure(click.ClickException):
    """The command could not do its work; the message says why and what to do."""

    exit_code = FAILED


class Misuse(click.ClickException):
    """The command was asked for something impossible; unlike `click.UsageError` it prints its one line only."""

    exit_code = USAGE


class Incomplete(click.ClickException):
    """Nothing failed, and yet not all was done; the message says what is missing."""

    exit_code = INCOMPLETE


class ReaderGone(click.ClickException):
    """Whoever read the output has enough of it, as `head` does after ten lines. Nothing to say, nobody to hear it."""

    exit_code = BROKEN_PIPE

    def show(self, file: IO[Any] | None = None) -> None:
        """Point standard output nowhere, so that the interpreter's last flush doesn't complain about the pipe."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (IdentityError, "{}"),  # written for people
    (StoreUnavailable, "the database does not answer: {}"),
    (StoreError, "the database can't be used: {}"),
    (BridgeError, "{}"),  # public messages
)


@contextmanager
def failures_in_words(*kinds: type[Exception]) -> Iterator[None]:
    """Turn the errors of the application into Failures; anything else is a defect and keeps its traceback.

    `kinds` are further errors whose text is written for people.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone("") from error
    except Exception as error:
        cause = _only(error)
        for kind, words in (*_WORDS, *((kind, "{}") for kind in kinds)):
            if isinstance(cause, kind):
                raise Failure(words.format(cause)) from error
        if isinstance(cause, click.ClickException):
            raise cause from None
        raise


def _only(error: Exception) -> Exception:
    """What a task group wrapped, if it is a single error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
