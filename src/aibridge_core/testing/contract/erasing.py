"""The storage contract: erasing content that was kept long enough.

Belongs here: what an erasure takes, what it leaves, and what there is to erase. Never: how long anything is kept.
"""

import attrs
import pytest

from aibridge_core.content import content_of
from aibridge_core.records import (
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aibridge_core.retention import Position
from aibridge_core.testing.contract.base import ContractBase, finished, read
from aibridge_core.testing.contract.purging import PurgeableStorage, walk, whole
from aibridge_core.testing.samples import FACTS, Samples


class ErasureContract(ContractBase):
    """`Retention.find_contents` and `erase_contents`, seen through the InterceptionStore."""

    async def test_content_is_erased(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Prompts, arguments and thoughts become empty and are marked; everything else is as it was."""
        whole_one = await whole(storage, samples)
        await storage.retention.erase_contents([whole_one.start.id])
        found = await read(storage, whole_one.start)
        assert attrs.evolve(found, records=()) == attrs.evolve(whole_one, records=())
        for was, now in zip(whole_one.records, found.records, strict=True):
            assert content_of(now.fact) == ""
            if isinstance(was.fact, TokenUsage):
                assert now == was
            else:
                assert now.fact.metadata == {**was.fact.metadata, "content": "purged"}
        tools = [record.fact for record in found.records if isinstance(record.fact, ToolUsage)]
        (call,) = [record.fact for record in whole_one.records if isinstance(record.fact, ToolUsage)]
        assert tools == [attrs.evolve(call, arguments="", metadata={**call.metadata, "content": "purged"})]

    async def test_only_the_named_ones(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Others keep their content; an id that is unknown by now is no error, and a second time changes nothing."""
        one, two = await whole(storage, samples), await whole(storage, samples)
        await storage.retention.erase_contents([one.start.id, samples.new_id()])
        erased = await read(storage, one.start)
        await storage.retention.erase_contents([one.start.id])
        await storage.retention.erase_contents([])
        assert await read(storage, one.start) == erased
        assert await read(storage, two.start) == two

    async def test_what_has_no_content_gets_no_mark(self, storage: PurgeableStorage, samples: Samples) -> None:
        """An empty prompt was not erased, and a content that was never kept keeps saying so."""
        start = samples.start()
        facts = (
            PromptUsage(response_id="msg_1", prompt=""),
            PromptUsage(response_id="msg_2", prompt="", metadata={"content": "none"}),
        )
        before = await finished(storage, start, tuple(samples.record(start, f) for f in facts), samples.ended(start))
        await storage.retention.erase_contents([start.id])
        assert await read(storage, start) == before

    async def test_metadata_survives(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Whatever it holds; a mark that was there is replaced."""
        start = samples.start()
        metadata = {"big": 2**53 + 1, "deep": {"a": [None, 1.5, "é"]}, "content": "hashed"}
        record = samples.record(start, PromptUsage(response_id="", prompt="hmac-sha256:00", metadata=metadata))
        await finished(storage, start, (record,), samples.ended(start))
        await storage.retention.erase_contents([start.id])
        (erased,) = (await read(storage, start)).records
        assert erased.fact == PromptUsage(response_id="", prompt="", metadata={**metadata, "content": "purged"})

    async def test_content_is_found(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Those with content that started after the position and before the time, the oldest first."""
        made = [await whole(storage, samples) for _ in range(5)]
        ids = [each.start.id for each in made]
        plain = samples.start()
        (usage,) = [fact for fact in FACTS if isinstance(fact, TokenUsage)]
        await finished(storage, plain, (samples.record(plain, usage),), samples.ended(plain))
        assert await walk(storage, samples.clock.now()) == ids
        assert await walk(storage, made[3].start.started_at) == ids[:3]
        first = made[0].start
        position = Position(started_at=first.started_at, id=first.id)
        assert await walk(storage, samples.clock.now(), start=position) == ids[1:]
        assert await walk(storage, samples.clock.now(), start=Position(started_at=first.started_at)) == ids

    async def test_the_walk_goes_on_at_its_position(self, storage: PurgeableStorage, samples: Samples) -> None:
        """In pieces of any size it finds the same, also where several started at the same moment."""
        at = samples.clock.now()
        same = [await whole(storage, samples, started_at=at) for _ in range(4)]
        later = [await whole(storage, samples) for _ in range(3)]
        expected = [each.start.id for each in (*same, *later)]
        for limit in (1, 2, 3, 100):
            assert await walk(storage, samples.clock.now(), limit=limit) == expected

    async def test_erased_content_is_not_found(self, storage: PurgeableStorage, samples: Samples) -> None:
        """So that a walk comes to an end."""
        made = [await whole(storage, samples) for _ in range(4)]
        await storage.retention.erase_contents([made[0].start.id, made[2].start.id])
        assert await walk(storage, samples.clock.now()) == [made[1].start.id, made[3].start.id]

    @pytest.mark.parametrize("number", [0, 2, 3])
    async def test_each_kind_of_content_is_found(
        self, storage: PurgeableStorage, samples: Samples, number: int
    ) -> None:
        """A prompt alone, a tool call alone, a thought alone."""
        start = samples.start()
        await finished(storage, start, (samples.record(start, FACTS[number]),), samples.ended(start))
        assert await walk(storage, samples.clock.now()) == [start.id]

    async def test_running_content_is_not_found(self, storage: PurgeableStorage, samples: Samples) -> None:
        """What is in flight keeps its content until it has ended."""
        start = samples.start()
        await storage.recorder.begin(start)
        await storage.recorder.record([samples.prompt(start, "still running")])
        assert await walk(storage, samples.clock.now()) == []
        await storage.recorder.end(samples.ended(start))
        assert await walk(storage, samples.clock.now()) == [start.id]
