"""A shielded recorder: what a cancelled task still records is done before the task goes on."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest
from attrs import Factory, define

from aibridge_adapters.recording import ShieldedRecorder
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record, Status
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio


@define
class SlowRecorder:
    """Implements `Recorder`: each call waits for its turn on the loop before it has done anything."""

    done: list[str] = Factory(list)

    async def begin(self, start: InterceptionStart) -> None:
        await asyncio.sleep(0)
        self.done.append("begin")

    async def record(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        self.done.append("record")

    async def end(self, ended: InterceptionEnded) -> None:
        await asyncio.sleep(0)
        self.done.append("end")


async def exchange(recorder, samples, entered):
    """An exchange that is cancelled in the middle, and closes its trail as the bridge does."""
    start = samples.start()
    await recorder.begin(start)
    try:
        entered.set()
        await anyio.sleep_forever()
    except asyncio.CancelledError:
        await recorder.record([samples.record(start, FACTS[0])])
        await recorder.end(samples.ended(start, Status.CANCELLED))
        raise


async def test_in_a_cancelled_scope():
    """A scope that stays cancelled doesn't cancel the waits for records and end."""
    inner, entered = SlowRecorder(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exchange, ShieldedRecorder(inner), Samples(), entered)
        await entered.wait()
        tasks.cancel_scope.cancel()
    assert inner.done == ["begin", "record", "end"]


async def test_in_a_cancelled_task():
    """The same for a task of asyncio, which is cancelled once."""
    inner, entered = SlowRecorder(), anyio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(exchange(ShieldedRecorder(inner), Samples(), entered))
        await entered.wait()
        task.cancel()
    assert task.cancelled()
    assert inner.done == ["begin", "record", "end"]


async def test_a_request_that_never_began():
    """Needs no row: its begin is cancelled like anything else."""
    inner = SlowRecorder()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ShieldedRecorder(inner).begin(Samples().start())
    assert inner.done == []
