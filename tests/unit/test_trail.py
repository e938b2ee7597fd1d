"""The end of an interception is written whatever happens while its records are."""

import asyncio
from collections.abc import Sequence

import pytest
from attrs import Factory, define

from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import CountingIds
from aibridge_core.testing.samples import Samples
from aibridge_core.trail import Trail

pytestmark = pytest.mark.anyio


@define
class FullRecorder:
    """Implements `Recorder`; taking records takes for ever, or fails."""

    failure: RecordingFailed | None = None
    ends: list[InterceptionEnded] = Factory(list)

    async def begin(self, start: InterceptionStart) -> None:
        pass

    async def record(self, records: Sequence[Record]) -> None:
        if self.failure:
            raise self.failure
        await asyncio.Event().wait()

    async def end(self, ended: InterceptionEnded) -> None:
        self.ends.append(ended)


def trail(recorder: FullRecorder) -> Trail:
    return Trail(Samples().start(), recorder=recorder, clock=FakeClock(), new_id=CountingIds())


def interceptor():
    return MessagesDialect().intercept(b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}')


async def test_a_client_that_leaves_while_records_wait() -> None:
    """Nobody comes back for the end, so it is written before the cancellation goes on."""
    recorder = FullRecorder()
    task = asyncio.get_running_loop().create_task(trail(recorder).close(interceptor()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [ended.status for ended in recorder.ends] == [Status.COMPLETED]


async def test_records_that_are_refused() -> None:
    """The caller learns of it."""
    recorder = FullRecorder(failure=RecordingFailed("full"))
    with pytest.raises(RecordingFailed):
        await trail(recorder).close(interceptor())
