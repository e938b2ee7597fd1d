"""The trail for an event loop: its work is done in threads, and changes are written in groups.

Belongs here: threads, waiting, cancellation. Never: what is read or written.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from attrs import define

from aibridge_core.records import Interception
from aibridge_jsonl.index import Entry, Index
from aibridge_jsonl.lines import Line
from aibridge_jsonl.trail import Decide, Decided, Trail

T = TypeVar("T")


@define(eq=False)
class _Change:
    decide: Decide
    outcome: Decided | None = None
    """None while it waits."""


class Database:
    """One process's way to one file. Methods belong to one event loop, and raise OSError."""

    def __init__(self, path: Path) -> None:
        self._trail = Trail(path)
        self._one_thread = threading.Lock()
        """Whoever has it may use the trail."""
        self._turn = anyio.Lock()
        self._waiting: list[_Change] = []

    async def open(self) -> None:
        """Make the file if it is missing, and read it."""
        await anyio.to_thread.run_sync(self._trail.open)

    async def close(self) -> None:
        """Nothing can be asked for afterwards; what was asked for before has been done."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close)

    async def read(self, query: Callable[[Index], T]) -> T:
        """What `query` says of everything that is there now. Raises what `query` raises."""
        return await anyio.to_thread.run_sync(lambda: self._with_trail(query, alone=False))

    async def change(self, decide: Decide) -> Sequence[Line]:
        """The lines that were appended; they are on the disk. It is done even if the caller is cancelled.

        Whoever comes while a group is being written waits for the next one, and its one flush serves all of them.
        Raises what `decide` raises.
        """
        change = _Change(decide)
        self._waiting.append(change)
        with anyio.CancelScope(shield=True):
            async with self._turn:
                if change.outcome is None:
                    group, self._waiting = self._waiting, []
                    await anyio.to_thread.run_sync(self._write, group)
        assert change.outcome is not None
        if isinstance(change.outcome, Exception):
            raise change.outcome
        return change.outcome

    async def alone(self, work: Callable[[], T]) -> T:
        """What `work` answers, done while no other process reads or writes."""
        return await anyio.to_thread.run_sync(lambda: self._with_trail(lambda _: work(), alone=True))

    async def compact(self) -> None:
        """Write the file anew without what doesn't count any more; everybody else waits."""
        await self.alone(self._trail.compact)

    def whole(self, entry: Entry) -> Interception:
        """The interception with its records. Only for use in a query."""
        return self._trail.whole(entry)

    # From here on: worker threads.

    def _with_trail(self, work: Callable[[Index], T], *, alone: bool) -> T:
        with self._one_thread, self._trail.up_to_date(alone=alone) as index:
            return work(index)

    def _write(self, group: Sequence[_Change]) -> None:
        outcomes: Sequence[Decided]
        try:
            decisions = [change.decide for change in group]
            outcomes = self._with_trail(lambda _: self._trail.append(decisions), alone=True)
        except Exception as error:  # whatever it is: nobody may take this group for written
            outcomes = [error] * len(group)
        for change, outcome in zip(group, outcomes, strict=True):
            change.outcome = outcome

    def _close(self) -> None:
        with self._one_thread:
            self._trail.close()
