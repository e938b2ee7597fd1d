"""The storage contract: which request continues which, and which session it belongs to.

Belongs here: parents, roots, sessions. Never: how a dialect finds the tool call that a request answers.
"""

import pytest

from aibridge_core.records import Interception, InterceptionFilter, Page
from aibridge_core.testing.contract.base import ContractBase, StorageUnderTest, completed, finished, read
from aibridge_core.testing.samples import Samples


async def caller(storage: StorageUnderTest, samples: Samples, tool_call_id: str, **changes: object) -> Interception:
    """An interception whose model made that tool call."""
    start = samples.start(**changes)
    return await finished(storage, start, (samples.tool_call(start, tool_call_id),), samples.ended(start))


def lineage(interception: Interception) -> tuple[str | None, str | None]:
    """Parent and root."""
    return interception.thread_parent_id, interception.thread_root_id


class ThreadContract(ContractBase):
    """A request that carries a tool's result continues the interception whose model made the call."""

    async def test_a_root_has_no_parent(self, storage: StorageUnderTest, samples: Samples) -> None:
        """An interception that answers no tool call begins a thread and, unless told otherwise, a session."""
        root = await completed(storage, samples)
        assert lineage(root) == (None, None)
        assert root.session_id == root.start.id

    async def test_a_chain(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Every link knows its parent; all know the root, and are of its session."""
        root = await caller(storage, samples, "toolu_1")
        second = await caller(storage, samples, "toolu_2", correlating_tool_call_id="toolu_1")
        third = await caller(storage, samples, "toolu_3", correlating_tool_call_id="toolu_2")
        assert lineage(second) == (root.start.id, root.start.id)
        assert lineage(third) == (second.start.id, root.start.id)
        assert {root.session_id, second.session_id, third.session_id} == {root.start.id}

    async def test_two_continue_one(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Several requests may answer the same call, as retries do; all have the same parent."""
        root = await caller(storage, samples, "toolu_1")
        retries = [await completed(storage, samples, correlating_tool_call_id="toolu_1") for _ in range(2)]
        assert [lineage(each) for each in retries] == [(root.start.id, root.start.id)] * 2

    async def test_an_unknown_call(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A call that nobody saw begins a thread."""
        await caller(storage, samples, "toolu_1")
        orphan = await completed(storage, samples, correlating_tool_call_id="toolu_never_seen")
        assert lineage(orphan) == (None, None)
        assert orphan.session_id == orphan.start.id

    async def test_calls_without_an_id_link_nothing(self, storage: StorageUnderTest, samples: Samples) -> None:
        """An empty id is no id."""
        await caller(storage, samples, "")
        assert lineage(await completed(storage, samples, correlating_tool_call_id="")) == (None, None)
        assert lineage(await completed(storage, samples, correlating_tool_call_id=None)) == (None, None)

    async def test_the_newest_call_counts(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Providers repeat ids such as `call_1`; the newest by its own time is meant, not the last one written."""
        older, newer = samples.start(), samples.start()
        old_call, new_call = samples.tool_call(older, "call_1"), samples.tool_call(newer, "call_1")
        for start, call in ((newer, new_call), (older, old_call)):
            await finished(storage, start, (call,), samples.ended(start))
        assert lineage(await completed(storage, samples, correlating_tool_call_id="call_1"))[0] == newer.id

    @pytest.mark.parametrize("written_last", [0, 1])
    async def test_of_calls_at_one_moment_the_largest_id_counts(
        self, storage: StorageUnderTest, samples: Samples, written_last: int
    ) -> None:
        """Equal times are decided by the record's id, whichever was written last."""
        starts = [samples.start(), samples.start()]
        moment = samples.clock.turn(1)
        calls = [samples.tool_call(start, "call_1", created_at=moment) for start in starts]
        for number in (1 - written_last, written_last):
            await finished(storage, starts[number], (calls[number],), samples.ended(starts[number]))
        assert lineage(await completed(storage, samples, correlating_tool_call_id="call_1"))[0] == starts[1].id

    async def test_a_call_just_recorded(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A call is seen by whatever begins after `record` has returned, also before the caller's end."""
        parent = samples.start()
        await storage.recorder.begin(parent)
        await storage.recorder.record([samples.tool_call(parent, "toolu_1")])
        child = samples.start(correlating_tool_call_id="toolu_1")
        await storage.recorder.begin(child)
        assert lineage(await read(storage, child)) == (parent.id, parent.id)

    async def test_the_clients_session_counts_first(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A session id of the client's goes before the thread; a request without one stays with its thread's root."""
        root = await caller(storage, samples, "toolu_1", client_session_id="session 7")
        named = await completed(storage, samples, correlating_tool_call_id="toolu_1", client_session_id="session 8")
        unnamed = await completed(storage, samples, correlating_tool_call_id="toolu_1")
        empty = await completed(storage, samples, client_session_id="")
        assert [root.session_id, named.session_id] == ["session 7", "session 8"]
        assert unnamed.session_id == root.start.id
        assert empty.session_id == empty.start.id

    async def test_a_session_is_found(self, storage: StorageUnderTest, samples: Samples) -> None:
        """All interceptions of a session are read by its id, the newest first."""
        first = await completed(storage, samples, client_session_id="session 7")
        await completed(storage, samples, client_session_id="session 8")
        last = await completed(storage, samples, client_session_id="session 7")
        where = InterceptionFilter(session_id="session 7")
        assert list(await storage.store.list(where, Page())) == [last, first]
        assert await storage.store.count(where) == 2

    async def test_a_threads_session_is_found(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Where the client named no session, the root's id finds the thread."""
        root = await caller(storage, samples, "toolu_1")
        await completed(storage, samples)
        child = await completed(storage, samples, correlating_tool_call_id="toolu_1")
        where = InterceptionFilter(session_id=root.start.id)
        assert list(await storage.store.list(where, Page())) == [child, root]
        assert await storage.store.count(where) == 2
