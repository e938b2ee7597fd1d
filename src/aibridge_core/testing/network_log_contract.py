"""The contract of a store of network calls, as tests. Add `NetworkLogContract` to a storage's test class.

Belongs here: the rules of the NetworkLog port, seen through the port. Never: how an adapter keeps them.
"""

from datetime import timedelta
from typing import Any, Protocol

import anyio
import attrs

from aibridge_core.boundaries import MAX_SEQUENCE_NUMBER, FirewallPlace, NetworkCall, NetworkLog
from aibridge_core.testing.contract.base import StorageUnderTest, completed, read
from aibridge_core.testing.samples import ANN, BEN, Samples

SESSION = "f17e0000-0000-4000-8000-000000000001"
OTHER_SESSION = "f17e0000-0000-4000-8000-000000000002"


class LoggingStorage(StorageUnderTest, Protocol):
    """A storage that also keeps network calls."""

    @property
    def network_log(self) -> NetworkLog:
        """The part that does."""


def place(number: int, session_id: str = SESSION) -> FirewallPlace:
    """A place in a firewall session."""
    return FirewallPlace(session_id=session_id, sequence_number=number)


def call(samples: Samples, number: int, session_id: str = SESSION, **changes: Any) -> NetworkCall:
    """An allowed call."""
    plain = NetworkCall(
        place=place(number, session_id),
        made_at=samples.clock.turn(1),
        allowed=True,
        method="GET",
        url="https://pypi.example.com/simple/attrs/",
        matched_rule="domain=pypi.example.com",
        process="claude",
        metadata={"workspace_id": "w-1", "nested": {"n": 1}},
    )
    return attrs.evolve(plain, **changes)


async def kept(storage: LoggingStorage, session_id: str = SESSION) -> list[NetworkCall]:
    """Everything of a session."""
    return list(await storage.network_log.calls(session_id, limit=1000))


class NetworkLogContract:
    """The NetworkLog port, and the place of an interception that it builds on."""

    async def test_a_place_is_kept(self, storage: LoggingStorage, samples: Samples) -> None:
        """An interception is read back with its place in the firewall session, from zero to the largest number."""
        for number in (0, 7, MAX_SEQUENCE_NUMBER):
            start = samples.start(firewall=place(number))
            await storage.recorder.begin(start)
            assert (await read(storage, start)).start == start
        without = samples.start()
        await storage.recorder.begin(without)
        assert (await read(storage, without)).start.firewall is None

    async def test_calls_are_kept(self, storage: LoggingStorage, samples: Samples) -> None:
        """Every field is read back as it was written, allowed or denied, to the microsecond."""
        odd = call(
            samples, 2, url="https://例え.example/?q=\u2028'\"", method="", matched_rule="", process="", metadata={}
        )
        denied = attrs.evolve(odd, allowed=False, made_at=odd.made_at + timedelta(microseconds=1))
        first = call(samples, 1)
        assert list(await storage.network_log.keep([denied, first])) == [denied.place, first.place]
        assert await kept(storage) == [first, denied]

    async def test_keeping_twice_keeps_once(self, storage: LoggingStorage, samples: Samples) -> None:
        """The first of a place counts, also within one batch; the answer says which were new."""
        first, again = call(samples, 1), call(samples, 1, url="https://changed.example.com/")
        assert list(await storage.network_log.keep([first, again])) == [place(1)]
        assert list(await storage.network_log.keep([again, call(samples, 2)])) == [place(2)]
        assert list(await storage.network_log.keep([])) == []
        assert [each.url for each in await kept(storage)] == [first.url, first.url]

    async def test_calls_between_two_numbers(self, storage: LoggingStorage, samples: Samples) -> None:
        """Strictly between, in order of their numbers whatever their times, of one session, at most so many."""
        await storage.network_log.keep([call(samples, number) for number in (9, 1, 5, 3, 10)])
        await storage.network_log.keep([call(samples, 4, OTHER_SESSION)])

        async def numbers(**limits: Any) -> list[int]:
            found = await storage.network_log.calls(SESSION, **{"limit": 10, **limits})
            return [each.place.sequence_number for each in found]

        assert await numbers() == [1, 3, 5, 9, 10]
        assert await numbers(after=1, before=9) == [3, 5]
        assert await numbers(after=3) == [5, 9, 10]
        assert await numbers(limit=2) == [1, 3]
        assert await numbers(after=10) == []

    async def test_the_next_request(self, storage: LoggingStorage, samples: Samples) -> None:
        """The nearest later interception of the same person in the same session, whenever it was recorded."""
        for number, who, session_id in (
            (9, ANN, SESSION),
            (5, ANN, SESSION),
            (3, BEN, SESSION),
            (4, ANN, OTHER_SESSION),
        ):
            await completed(storage, samples, firewall=place(number, session_id), initiator=who)
        await completed(storage, samples)
        log = storage.network_log
        assert await log.next_request(place(1), initiator_id=ANN.id) == 5
        assert await log.next_request(place(5), initiator_id=ANN.id) == 9
        assert await log.next_request(place(9), initiator_id=ANN.id) is None
        assert await log.next_request(place(1), initiator_id=BEN.id) == 3
        assert await log.next_request(place(1), initiator_id="nobody") is None

    async def test_the_requests_before(self, storage: LoggingStorage, samples: Samples) -> None:
        """For each place the nearest earlier interception of its session, in the order asked, or None."""
        made = {}
        for number, session_id in ((9, SESSION), (5, SESSION), (7, OTHER_SESSION)):
            made[number] = (await completed(storage, samples, firewall=place(number, session_id))).start.id
        places = [place(10), place(9), place(5), place(6), place(8, OTHER_SESSION), place(10)]
        found = list(await storage.network_log.requests_before(places))
        assert found == [made[9], made[5], None, made[5], made[7], made[9]]
        assert list(await storage.network_log.requests_before([])) == []

    async def test_old_calls_are_deleted(self, storage: LoggingStorage, samples: Samples) -> None:
        """Those made before a time, the oldest first, never more than asked for; a microsecond decides."""
        made = [call(samples, number) for number in (5, 4, 3, 2)]
        await storage.network_log.keep(made)
        before = made[-1].made_at
        assert await storage.network_log.count(made_before=before) == 3
        assert await storage.network_log.delete(made_before=before, limit=2) == 2
        assert await kept(storage) == [made[-1], made[-2]]
        assert await storage.network_log.delete(made_before=before, limit=2) == 1
        assert await storage.network_log.delete(made_before=before, limit=2) == 0
        assert await kept(storage) == [made[-1]]
        assert await storage.network_log.delete(made_before=before + timedelta(microseconds=1), limit=2) == 1

    async def test_many_keep_the_same(self, storage: LoggingStorage, samples: Samples) -> None:
        """Several that import one file at the same time keep each call once."""
        made = [call(samples, number) for number in range(50)]
        new: list[int] = []

        async def keep(calls: list[NetworkCall]) -> None:
            new.append(len(await storage.network_log.keep(calls)))

        async with anyio.create_task_group() as tasks:
            for calls in (made, made[::-1], made[20:]):
                tasks.start_soon(keep, calls)
        assert sum(new) == 50
        assert await kept(storage) == made
