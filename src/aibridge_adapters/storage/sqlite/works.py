"""What the writer is asked to do: values that wait in its queue.

Belongs here: the kinds of work. Never: how they are done.

To keep something it is given the thing itself, in nothing around it: that is done for every record.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from attrs import frozen

from aibridge_core.records import InterceptionEnded, InterceptionStart, Record


@frozen
class Call:
    """Do anything inside the transaction; its answer is the work's outcome."""

    function: Callable[[sqlite3.Connection], Any]


Work = InterceptionStart | tuple[Record, ...] | InterceptionEnded | Call


@frozen
class Done:
    """The outcome of a work that is durable."""

    answer: Any = None


@frozen
class Failed:
    """The outcome of a work that left no trace."""

    error: Exception


Outcome = Done | Failed
