"""Protection from cancellation.

Belongs here: one decorator. Never: a database, or what happens without one.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import anyio
from attrs import frozen

from aibridge_core.ports import Recorder
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record

Work = Coroutine[Any, Any, None]


@frozen
class ShieldedRecorder:
    """Lets `record` and `end` finish in a task that is cancelled already, as when a client has left.

    A scope of anyio that is cancelled cancels each wait in it anew. A cancellation that comes while `record` or `end`
    waits is the inner recorder's to survive, as the Recorder port promises: a shield around each costs every request
    a dozen microseconds.
    """

    _inner: Recorder

    def begin(self, start: InterceptionStart) -> Work:
        """As the inner recorder. A request that is cancelled before it began needs no row."""
        return self._inner.begin(start)

    def record(self, records: Sequence[Record]) -> Work:
        """As the inner recorder, shielded if need be."""
        work = self._inner.record(records)
        return _shielded(work) if _is_cancelled() else work

    def end(self, ended: InterceptionEnded) -> Work:
        """As the inner recorder, shielded if need be."""
        work = self._inner.end(ended)
        return _shielded(work) if _is_cancelled() else work


def _is_cancelled() -> bool:
    """Whether the task was cancelled, by whatever means: anyio's scopes cancel tasks, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _shielded(work: Work) -> None:
    with anyio.CancelScope(shield=True):
        await work
