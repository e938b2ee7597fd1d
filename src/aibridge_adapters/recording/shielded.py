"""Protection from cancellation.

Belongs here: one decorator. Never: a database, or what happens without one.
"""

from collections.abc import Sequence

import anyio
from attrs import frozen

from aibridge_core.ports import Recorder
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record


@frozen
class ShieldedRecorder:
    """Lets `record` and `end` finish although the request's task is cancelled, as the Recorder port promises."""

    _inner: Recorder

    async def begin(self, start: InterceptionStart) -> None:
        """As the inner recorder. A request that is cancelled before it began needs no row."""
        await self._inner.begin(start)

    async def record(self, records: Sequence[Record]) -> None:
        """As the inner recorder, shielded."""
        with anyio.CancelScope(shield=True):
            await self._inner.record(records)

    async def end(self, ended: InterceptionEnded) -> None:
        """As the inner recorder, shielded."""
        with anyio.CancelScope(shield=True):
            await self._inner.end(ended)
