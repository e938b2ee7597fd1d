"""How requests wait for the limits that replicas share, and what happens when no answer comes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from attrs import Factory, define

from aibridge_adapters.admission import SharedAdmission, Terms
from aibridge_core.errors import AtCapacity, LimitsUnavailable, RateLimited, StoreUnavailable
from aibridge_core.limits import Limits
from aibridge_core.sharing import Question, Ruling
from aibridge_core.testing.memory_shared_limits import MemorySharedLimits, SharedCounts
from aibridge_core.testing.shared_limits_contract import limits

pytestmark = pytest.mark.anyio


SHORT = 0.05
"""A timeout, in seconds."""


@define
class Way:
    """Implements `aibridge_core.sharing.SharedLimits` over another one, at the end of a way that can be closed."""

    inner: MemorySharedLimits
    open: anyio.Event = Factory(anyio.Event)
    defect: Exception | None = None

    def close(self) -> None:
        self.open = anyio.Event()

    async def rule(self, question: Question, *, within: float) -> Ruling:
        with anyio.move_on_after(within):
            await self.open.wait()
            if self.defect:
                raise self.defect
            return await self.inner.rule(question, within=within)
        raise StoreUnavailable("the database is slow")

    async def tidy(self, *, lease: float) -> None:
        """Nothing to do."""


@define
class Replica:
    """One that runs."""

    admission: SharedAdmission
    way: Way

    @property
    def questions(self) -> list[Question]:
        return self.way.inner.questions


@asynccontextmanager
async def replica(
    bounds: Limits,
    counts: SharedCounts | None = None,
    *,
    name: str = "one",
    refuses: bool = False,
    timeout: float = 10.0,
) -> AsyncIterator[Replica]:
    """Its first question has been answered."""
    counts = counts or SharedCounts()
    way = Way(MemorySharedLimits(counts, name))
    way.open.set()
    terms = Terms(limits=bounds, timeout=timeout, refuses=refuses, lease=20.0, probe=0.02)
    admission = SharedAdmission(terms, way, counts.clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(admission.run)
        await until(lambda: way.inner.questions)
        way.inner.questions.clear()
        yield Replica(admission, way)
        tasks.cancel_scope.cancel()


async def until(true: Callable[[], object]) -> None:
    """Return when it is so; fails the test after five seconds."""
    with anyio.fail_after(5):
        while not true():
            await anyio.sleep(0.002)


async def test_all_who_wait_are_one_question() -> None:
    """Whoever comes while a question is on its way is in the next one; refusals say what they say without sharing."""
    async with replica(limits(rps=30)) as one:
        one.way.close()
        results: list[str] = []

        async def ask(number: int) -> None:
            try:
                with await one.admission.admit(f"user-{number}"):
                    results.append("in")
            except RateLimited as refused:
                results.append(refused.message)

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(ask, number)
            await anyio.wait_all_tasks_blocked()
            one.way.open.set()
        assert [len(question.users) for question in one.questions] == [50]
        refusal = "the gateway takes 30 requests a second; try again later"
        assert results == ["in"] * 30 + [refusal] * 20


async def test_a_place_that_is_free_is_told_of() -> None:
    """Soon, though this replica has nothing to ask; so that another one can let somebody in."""
    counts = SharedCounts()
    bounds = limits(concurrent=1)
    async with replica(bounds, counts) as one, replica(bounds, counts, name="two") as two:
        place = await one.admission.admit("ann")
        with place, pytest.raises(AtCapacity, match="capacity of 1 "):
            await two.admission.admit("bob")
        await until(lambda: counts.running["one"][None] == 0)
        with await two.admission.admit("bob"):
            assert two.admission.running == 1


@pytest.mark.parametrize("when", ["before the question", "while it is on its way", "in the moment of the answer"])
async def test_a_client_that_leaves_while_it_waits(when: str) -> None:
    """Its place is free again, if it got one."""
    counts = SharedCounts()
    async with replica(limits(concurrent=1), counts) as one:
        one.way.close()
        waiting = asyncio.get_running_loop().create_task(one.admission.admit("ann"))
        if when == "while it is on its way":
            await anyio.wait_all_tasks_blocked()
            waiting.cancel()
        elif when == "before the question":
            await asyncio.sleep(0)
            waiting.cancel()
        else:
            await anyio.wait_all_tasks_blocked()
            asyncio.get_running_loop().call_soon(_cancel_when, one.admission, waiting)
        one.way.open.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: counts.running["one"].get(None, 0) == 0 and one.admission.running == 0)
        with await one.admission.admit("bob"):
            pass


def _cancel_when(admission: SharedAdmission, waiting: "asyncio.Task[object]") -> None:
    """Cancel a task as soon as it has been let in, before it runs."""
    if admission.running:
        waiting.cancel()
    else:
        asyncio.get_running_loop().call_soon(_cancel_when, admission, waiting)


async def test_a_rate_that_is_used_up_is_known() -> None:
    """Nobody is asked about it until its second is over; and then it is all there."""
    counts = SharedCounts()
    async with replica(limits(rps=1), counts) as one:
        with await one.admission.admit("ann"):
            pass
        for _ in range(5):
            with pytest.raises(RateLimited):
                await one.admission.admit("bob")
        assert (len(one.questions), one.admission.counters.known) == (2, 4)
        counts.clock.turn(1.0)
        with await one.admission.admit("bob"):
            pass


async def test_without_an_answer_a_replica_keeps_its_share() -> None:
    """Whoever waits, waits once; the others don't. What runs already counts. The log has one line."""
    counts = SharedCounts()
    bounds = limits(concurrent=4)
    async with replica(bounds, counts, name="two"), replica(bounds, counts, timeout=SHORT) as one:
        with await one.admission.admit("ann"):
            assert one.admission.replicas == 2
            one.way.close()
            began = anyio.current_time()
            with await one.admission.admit("bob"):
                assert 0.03 < anyio.current_time() - began < 1.0
                for _ in range(100):
                    with pytest.raises(AtCapacity, match="capacity of 2 "):
                        await one.admission.admit("eve")
                assert not one.admission.shared
            assert one.admission.counters.alone == 101


async def test_without_an_answer_requests_are_refused() -> None:
    """If the settings say so; clients are told to come again."""
    async with replica(limits(rps=100), refuses=True, timeout=SHORT) as one:
        one.way.close()
        for _ in range(3):
            with pytest.raises(LimitsUnavailable) as refused:
                await one.admission.admit("ann")
            assert (refused.value.status, dict(refused.value.headers)[b"retry-after"]) == (503, b"1")
        assert one.admission.counters.alone == 3


async def test_limits_are_shared_again(caplog: pytest.LogCaptureFixture) -> None:
    """Soon after the database answers, what runs by then is told; no request waited for it. The log has two lines."""
    caplog.set_level(logging.WARNING, "aibridge.limits")
    counts = SharedCounts()
    async with replica(limits(concurrent=3), counts, timeout=SHORT) as one:
        one.way.close()
        with await one.admission.admit("ann"), await one.admission.admit("bob"):
            await anyio.sleep(0.1)  # for some attempts that fail
            one.way.open.set()
            await until(lambda: one.admission.shared)
            assert counts.running["one"] == {None: 2, "ann": 1, "bob": 1}
            with await one.admission.admit("eve"), pytest.raises(AtCapacity):
                await one.admission.admit("eve")
    assert [record.getMessage() for record in caplog.records] == [
        "limits are not shared for now, this replica keeps its share: the database is slow",
        "limits are shared again",
    ]


async def test_what_was_told_in_vain_is_told_again() -> None:
    """A place that is free doesn't stay taken because the question that said so got lost."""
    counts = SharedCounts()
    async with replica(limits(user_concurrent=1), counts, timeout=SHORT) as one:
        with await one.admission.admit("ann"):
            one.way.close()
        await until(lambda: not one.admission.shared)
        assert counts.running["one"]["ann"] == 1
        one.way.open.set()
        await until(lambda: counts.running["one"]["ann"] == 0)


async def test_a_defect_of_the_adapter(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the fallback holds."""
    async with replica(limits(rps=5)) as one:
        one.way.defect = RuntimeError("unexpected")
        with await one.admission.admit("ann"):
            pass
        assert not one.admission.shared
    assert any(record.exc_info for record in caplog.records)


async def test_at_the_end_nobody_is_left_waiting() -> None:
    """Whoever waits when the gateway ends is decided about by the fallback."""
    async with replica(limits(rps=5)) as one:
        one.way.close()
        waiting = asyncio.get_running_loop().create_task(one.admission.admit("ann"))
        await anyio.wait_all_tasks_blocked()
    with await waiting:
        assert one.admission.running == 1


async def test_everything_is_told_again_now_and_then() -> None:
    """Whoever counts may have lost it."""
    counts = SharedCounts()
    async with replica(limits(concurrent=3), counts) as one:
        with await one.admission.admit("ann"), await one.admission.admit("bob"):
            counts.running.clear()
            one.admission.refresh()
            await until(lambda: counts.running.get("one") == {None: 2, "ann": 1, "bob": 1})
