"""One interception's share of what has to be written, and how it is written.

Belongs here: values and their order. Never: when, or what happens if it fails.
"""

import sys
from collections.abc import Callable

from attrs import Factory, define, frozen

from aibridge_core.ports import Recorder
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    ToolUsage,
)

OVERHEAD = 1024
"""What a value takes in memory beside its long text, in bytes, roughly."""


@frozen(kw_only=True)
class Parcel:
    """What is to be written of one interception. Writing it again changes nothing: ids decide."""

    id: str
    """Of the interception."""
    start: InterceptionStart | None = None
    records: tuple[Record, ...] = ()
    ended: InterceptionEnded | None = None
    refused: bool = False
    """Nothing went upstream for it; it is written only because the database may have taken its start after all."""

    @property
    def count(self) -> int:
        """How many values it has."""
        return (self.start is not None) + len(self.records) + (self.ended is not None)

    @property
    def weight(self) -> int:
        """What it takes in memory, in bytes, roughly."""
        return OVERHEAD * self.count + sum(sys.getsizeof(_long_text(record.fact)) for record in self.records)


@define(eq=False)
class Held:
    """An interception from its start until its end is safe. Its records are held as long, for another attempt."""

    start: InterceptionStart
    records: list[Record] = Factory(list)
    ended: InterceptionEnded | None = None
    deferred: bool = False
    """A part of it waits in the backlog, so the rest has to queue up behind."""

    def parcel(self) -> Parcel:
        """As it is now."""
        return Parcel(id=self.start.id, start=self.start, records=tuple(self.records), ended=self.ended)


async def deliver(parcel: Parcel, recorder: Recorder, taken: Callable[[], None]) -> None:
    """Write a parcel in order. Calls `taken` whenever the recorder has said that something is durable.

    Raises what the recorder raises.
    """
    if parcel.start is not None:
        await recorder.begin(parcel.start)
        taken()
    if parcel.records:
        await recorder.record(parcel.records)
    if parcel.ended is not None:
        await recorder.end(parcel.ended)
        taken()


def _long_text(fact: Fact) -> str:
    match fact:
        case PromptUsage(prompt=text) | ToolUsage(arguments=text) | ModelThought(content=text):
            return text
        case _:
            return ""
