"""What the writer is asked to do: values that wait in its queue.

Belongs here: the kinds of work. Never: how they are done.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from aibridge_core.records import InterceptionEnded, InterceptionStart, Record


@frozen
class Begin:
    """Keep a start."""

    start: InterceptionStart


@frozen
class Keep:
    """Keep records."""

    records: Sequence[Record]


@frozen
class End:
    """Keep an end."""

    ended: InterceptionEnded


@frozen
class Call:
    """Do anything else inside the transaction; its answer is the work's outcome."""

    function: Callable[[sqlite3.Connection], Any]


Work = Begin | Keep | End | Call


@frozen
class Done:
    """The outcome of a work that is durable."""

    answer: Any = None


@frozen
class Failed:
    """The outcome of a work that left no trace."""

    error: Exception


Outcome = Done | Failed
