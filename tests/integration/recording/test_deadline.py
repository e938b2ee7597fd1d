"""Many waits of equal length: each ends in time, and only by its own deadline."""

import asyncio

import anyio
import pytest

from aibridge_adapters.deadlines import Deadlines

pytestmark = pytest.mark.anyio


async def test_a_wait_that_takes_too_long():
    """It is cancelled and becomes a TimeoutError; the task goes on."""
    deadlines = Deadlines(0.02)
    with anyio.fail_after(1):
        for _ in range(3):
            with pytest.raises(TimeoutError), deadlines.wait():
                await anyio.sleep_forever()
    assert asyncio.current_task().cancelling() == 0


async def test_what_is_over_in_time_is_left_alone():
    """Long after its deadline nothing happens to the task."""
    deadlines = Deadlines(0.01)
    for _ in range(100):
        with deadlines.wait():
            await asyncio.sleep(0)
    await anyio.sleep(0.03)
    with deadlines.wait():
        pass
    await anyio.sleep(0.03)


async def test_each_wait_has_its_own_deadline():
    """Late ones expire late, however many came before."""
    deadlines, missed = Deadlines(0.03), []

    async def one(number: int) -> None:
        await anyio.sleep(number * 0.005)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with deadlines.wait():
                await (anyio.sleep_forever() if number % 2 else asyncio.sleep(0))
        except TimeoutError:
            missed.append((number, loop.time() - began))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(one, number)
    assert [number for number, _ in missed] == [1, 3, 5, 7, 9]
    assert all(seconds >= 0.03 for _, seconds in missed)


async def test_a_cancellation_by_others_stays_one():
    """Also if it comes in the same moment as the deadline."""
    deadlines = Deadlines(0.01)
    ends: list[type[BaseException]] = []

    async def waits() -> None:
        try:
            with deadlines.wait():
                await anyio.sleep_forever()
        except BaseException as error:
            ends.append(type(error))
            raise

    loop = asyncio.get_running_loop()
    early, late = loop.create_task(waits()), loop.create_task(waits())
    await asyncio.sleep(0)
    early.cancel()
    for wait in deadlines._waits:
        wait.due = 0.0
    deadlines._look(loop)
    late.cancel()
    await asyncio.wait([early, late])
    assert ends == [asyncio.CancelledError] * 2
    assert early.cancelled()
    assert late.cancelled()


async def test_an_error_inside_is_the_error():
    """A deadline hides no other failure."""
    with pytest.raises(KeyError), Deadlines(1).wait():
        raise KeyError


async def test_nothing_is_kept_of_what_is_over():
    """The queue is empty when the waits' time has passed, so memory stays flat."""
    deadlines = Deadlines(0.01)
    for _ in range(1000):
        with deadlines.wait():
            pass
    with anyio.fail_after(1):
        while deadlines._waits:
            await anyio.sleep(0.005)


def test_another_loop_after_the_first_was_closed():
    """Deadlines go on there, though a wait on the first loop never ended."""
    deadlines, missed = Deadlines(0.01), []

    async def never_leaves() -> None:
        deadlines.wait().__enter__()

    async def waits_too_long() -> None:
        with anyio.fail_after(1):
            try:
                with deadlines.wait():
                    await anyio.sleep_forever()
            except TimeoutError:
                missed.append("in time")

    asyncio.run(never_leaves())
    asyncio.run(waits_too_long())
    assert missed == ["in time"]
