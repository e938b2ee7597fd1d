"""The storage contract: what is found, in which order, page by page.

Belongs here: filters, counts, pages. Never: the values that filters can have (`naming`), or how things came in.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import attrs
import pytest

from aibridge_core.errors import UnknownCursor
from aibridge_core.records import InterceptionFilter, Page, Status
from aibridge_core.testing.contract.base import ContractBase, StorageUnderTest, completed, finished
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import ANN, BEN, FACTS, Samples

EVERYTHING = InterceptionFilter()

FILTERS: Sequence[tuple[str, Any]] = (
    ("initiator_id", BEN.id),
    ("provider", "openai"),
    ("provider_name", "openai-us"),
    ("model", "gpt-5"),
    ("client", "Codex"),
    ("status", Status.FAILED),
    ("session_id", "session 1"),
)
"""Each filter with a value that some of the crowd have."""


async def crowd(*storages: StorageUnderTest, samples: Samples) -> datetime:
    """The same 96 interceptions in each storage, over nine days, of every combination; when the first one began.

    Every seventh shares its start with the one before it; some are in flight.
    """
    first = moment = samples.clock.now()
    combinations = product(
        (ANN, BEN),
        (("anthropic", "anthropic-eu"), ("openai", "openai-us"), ("openai", "openai-eu")),
        ("claude", "gpt-5"),
        ("Claude Code", "Codex"),
        (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.IN_FLIGHT),
    )
    for number, (initiator, (provider, provider_name), model, client, status) in enumerate(combinations):
        moment += timedelta(hours=0 if number % 7 == 6 else 2, minutes=23)
        start = samples.start(
            initiator=initiator,
            provider=provider,
            provider_name=provider_name,
            model=model,
            client=client,
            started_at=moment.replace(minute=0),
            client_session_id=f"session {number % 5}" if number % 2 else None,
        )
        record, ended = samples.prompt(start, f"prompt {number}"), samples.ended(start, status)
        for storage in storages:
            await storage.recorder.begin(start)
            await storage.recorder.record([record])
            if status is not Status.IN_FLIGHT:
                await storage.recorder.end(ended)
    return first


async def ids(storage: StorageUnderTest, where: InterceptionFilter = EVERYTHING, **page: Any) -> list[str]:
    """Ids of a page."""
    return [each.start.id for each in await storage.store.list(where, Page(**page))]


class ListContract(ContractBase):
    """The InterceptionStore port."""

    async def test_nothing_is_there(self, storage: StorageUnderTest) -> None:
        """An empty trail is read like any other."""
        assert list(await storage.store.list(EVERYTHING, Page())) == []
        assert await storage.store.count(EVERYTHING) == 0
        for unknown in ("0a000000-0000-4000-8000-000000000000", "no id at all", ""):
            assert await storage.store.get(unknown) is None
        assert list(await storage.store.models(initiator_id=None, prefix="", page=Page())) == []
        assert await storage.store.find_initiator("ann") is None

    async def test_the_newest_comes_first(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Lists are ordered by start, then by id, both descending; neither the end nor the order of writing counts."""
        moment = samples.clock.now()
        slow = samples.start(started_at=moment - timedelta(microseconds=1))
        await storage.recorder.begin(slow)
        tied = [await completed(storage, samples, started_at=moment) for _ in range(3)]
        newer = await completed(storage, samples, started_at=moment + timedelta(microseconds=1))
        await storage.recorder.end(samples.ended(slow))
        found = list(await storage.store.list(EVERYTHING, Page()))
        assert found[:4] == [newer, *reversed(tied)]
        assert found[4].start == slow

    @pytest.mark.parametrize(("name", "value"), FILTERS, ids=[name for name, _ in FILTERS])
    async def test_one_filter(self, storage: StorageUnderTest, samples: Samples, name: str, value: Any) -> None:
        """A filter leaves what has that value, all of it and nothing else."""
        oracle = MemoryStorage()
        await crowd(storage, oracle, samples=samples)
        where = InterceptionFilter(**{name: value})
        expected = await ids(oracle, where, limit=1000)
        assert 0 < len(expected) < 96
        assert await ids(storage, where, limit=1000) == expected
        assert await storage.store.count(where) == len(expected)

    @pytest.mark.parametrize(("name", "value"), FILTERS, ids=[name for name, _ in FILTERS])
    async def test_a_value_that_nothing_has(
        self, storage: StorageUnderTest, samples: Samples, name: str, value: Any
    ) -> None:
        """Values are compared whole, with their case, and with one field; a wildcard is a letter like any other."""
        await crowd(storage, samples=samples)
        of_others = [str(other) for _, other in FILTERS if other != value]
        absent: Sequence[Any] = (value.swapcase(), value[:-1], "%", "_" * len(value), "", *of_others)
        absent = (Status.INTERRUPTED,) if name == "status" else absent
        for other in absent:
            wanted: dict[str, Any] = {name: other}
            where = InterceptionFilter(**wanted)
            assert await ids(storage, where) == []
            assert await storage.store.count(where) == 0

    async def test_filters_together(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Any two filters, and all of them, leave what fits all; whole days, parts of days and moments alike."""
        oracle = MemoryStorage()
        first = await crowd(storage, oracle, samples=samples)
        for where in _combined(first):
            expected = await ids(oracle, where, limit=1000)
            assert await ids(storage, where, limit=1000) == expected, where
            assert await storage.store.count(where) == len(expected), where

    async def test_times_are_inclusive(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Both ends of a time filter belong to it, to the microsecond."""
        moment, step = samples.clock.now(), timedelta(microseconds=1)
        starts = [await completed(storage, samples, started_at=moment + step * number) for number in range(5)]
        where = InterceptionFilter(started_after=moment + step, started_before=moment + step * 3)
        assert await ids(storage, where) == [each.start.id for each in reversed(starts[1:4])]
        assert await storage.store.count(where) == 3
        assert await storage.store.count(InterceptionFilter(started_after=moment + step * 5)) == 0
        assert await storage.store.count(InterceptionFilter(started_before=moment - step)) == 0
        assert await storage.store.count(attrs.evolve(where, started_before=moment)) == 0

    async def test_times_of_any_zone(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A time filter means a moment, wherever its clock hangs."""
        first, second = [await completed(storage, samples) for _ in range(2)]
        for hours in (-9, 0, 13):
            zone = timezone(timedelta(hours=hours))
            until_first = InterceptionFilter(started_before=first.start.started_at.astimezone(zone))
            from_second = InterceptionFilter(started_after=second.start.started_at.astimezone(zone))
            assert await ids(storage, until_first) == [first.start.id]
            assert await ids(storage, from_second) == [second.start.id]
            assert [await storage.store.count(where) for where in (until_first, from_second)] == [1, 1]

    async def test_a_page_is_of_interceptions(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Limits and counts are of interceptions, however many records each has; a list shows what `get` shows."""
        made = []
        for number in (0, 5, 1, 0, 12):
            start = samples.start()
            records = tuple(samples.record(start, fact) for fact in (FACTS * 3)[:number])
            made.append(await finished(storage, start, records, samples.ended(start)))
        newest_first = made[::-1]
        assert list(await storage.store.list(EVERYTHING, Page())) == newest_first
        for offset in range(5):
            found = await storage.store.list(EVERYTHING, Page(limit=2, offset=offset))
            assert list(found) == newest_first[offset : offset + 2]
        assert await storage.store.count(EVERYTHING) == 5

    @pytest.mark.parametrize(
        "where",
        [EVERYTHING, *(InterceptionFilter(**{name: value}) for name, value in FILTERS)],
        ids=["all", *(name for name, _ in FILTERS)],
    )
    async def test_pages_by_offset(
        self, storage: StorageUnderTest, samples: Samples, where: InterceptionFilter
    ) -> None:
        """`offset` skips, `limit` ends; pages joined are the list, and beyond its end there is nothing."""
        await crowd(storage, samples=samples)
        everything = await ids(storage, where, limit=1000)
        for offset in range(0, len(everything) + 2, 3):
            assert await ids(storage, where, limit=5, offset=offset) == everything[offset : offset + 5]
        assert await ids(storage, where, offset=10_000) == []
        assert await storage.store.count(where) == len(everything)

    async def test_an_offset_among_times(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Offsets count what the time filter leaves, not what lies outside it."""
        first = await crowd(storage, samples=samples)
        for days in (1, 2.3, 5):
            where = InterceptionFilter(
                started_after=first + timedelta(days=1.1), started_before=first + timedelta(days=1.1 + days)
            )
            everything = await ids(storage, where, limit=1000)
            assert len(everything) > 5
            for offset in range(0, len(everything) + 2, 2):
                assert await ids(storage, where, limit=4, offset=offset) == everything[offset : offset + 4]

    @pytest.mark.parametrize(
        "where",
        [EVERYTHING, *(InterceptionFilter(**{name: value}) for name, value in FILTERS)],
        ids=["all", *(name for name, _ in FILTERS)],
    )
    async def test_pages_by_cursor(
        self, storage: StorageUnderTest, samples: Samples, where: InterceptionFilter
    ) -> None:
        """Walking with `after_id` sees everything once, ties included; the last page is empty."""
        await crowd(storage, samples=samples)
        everything = await ids(storage, where, limit=1000)
        seen = await ids(storage, where, limit=7)
        for _ in range(len(everything) // 7 + 1):
            seen += await ids(storage, where, limit=7, after_id=seen[-1])
        assert seen == everything
        assert await ids(storage, where, limit=7, after_id=seen[-1]) == []

    async def test_a_walk_while_more_comes(self, storage: StorageUnderTest, samples: Samples) -> None:
        """What begins during a walk neither repeats nor hides a row."""
        before = [await completed(storage, samples) for _ in range(6)]
        seen = await ids(storage, limit=3)
        await completed(storage, samples)
        assert seen + await ids(storage, limit=10, after_id=seen[-1]) == [each.start.id for each in reversed(before)]

    async def test_a_cursor_outside_the_filter(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A cursor is a place in the order; it need not match the filter itself."""
        older = await completed(storage, samples, model="a")
        cursor = await completed(storage, samples, model="b")
        await completed(storage, samples, model="a")
        assert await ids(storage, InterceptionFilter(model="a"), after_id=cursor.start.id) == [older.start.id]

    async def test_a_cursor_among_times(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A cursor and a time filter both bound a page, whichever is the narrower, down to the same moment."""
        first = await crowd(storage, samples=samples)
        everything = await storage.store.list(EVERYTHING, Page(limit=1000))
        newest, oldest = everything[30].start.started_at, everything[60].start.started_at
        for where in (
            InterceptionFilter(started_after=oldest, started_before=newest),
            InterceptionFilter(started_before=newest, initiator_id=BEN.id),
            InterceptionFilter(started_before=newest, status=Status.COMPLETED),
            InterceptionFilter(started_after=oldest, model="gpt-5"),
            InterceptionFilter(started_after=first, started_before=newest, session_id="session 1"),
        ):
            wanted = await ids(storage, where, limit=1000)
            for place in (0, 10, 27, 28, 29, 30, 31, 32, 33, 45, 59, 60, 61, 90):
                behind = {each.start.id for each in everything[place + 1 :]}
                page = await ids(storage, where, limit=4, after_id=everything[place].start.id)
                assert page == [each for each in wanted if each in behind][:4]

    async def test_an_unknown_cursor(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A cursor that names nothing is an error, not an empty page."""
        await completed(storage, samples)
        for unknown in ("0a000000-0000-4000-8000-000000000000", "no id at all", ""):
            with pytest.raises(UnknownCursor):
                await storage.store.list(EVERYTHING, Page(after_id=unknown))


def _combined(first: datetime) -> list[InterceptionFilter]:
    days = [first + timedelta(days=days) for days in (-1, 0, 0.4, 2.6, 4, 6.1, 12)]
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [*days, midnight, midnight + timedelta(days=3), midnight + timedelta(days=4, microseconds=-1)]
    times: list[dict[str, Any]] = [
        {"started_after": low, "started_before": high} for low in moments for high in moments
    ]
    times += [{"started_after": moment} for moment in moments] + [{"started_before": moment} for moment in moments]
    values: list[dict[str, Any]] = [{name: value} for name, value in FILTERS]
    pairs = [{**one, **other} for one in values for other in values if one != other]
    some_times = times[:: len(times) // 12]
    in_flight = {"status": Status.IN_FLIGHT, "started_after": days[2], "started_before": days[4]}
    combined = [
        *pairs,
        *times,
        *({**value, **time} for value in values for time in some_times),
        dict(FILTERS),
        in_flight,
    ]
    return [InterceptionFilter(**each) for each in combined]
