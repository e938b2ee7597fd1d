"""What the writer is asked to do: values that wait in its queue, and what becomes of them.

Belongs here: the kinds of work. Never: how they are done.
"""

from collections.abc import Sequence

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


Work = Begin | Keep | End
