"""What waits together is written together; one bad row harms no other; nothing that people send is too odd to keep."""

import anyio
import attrs
import pytest

from aibridge_adapters.storage import Limits
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionFilter, Page, PromptUsage, Status, TokenUsage, ToolUsage
from aibridge_core.testing.contract.base import completed, finished, read
from aibridge_core.testing.samples import ANN, Samples
from integration.postgres.opening import opened, raw, rows

pytestmark = pytest.mark.anyio

TOO_LARGE = TokenUsage(response_id="msg_1", input_tokens=2**63, output_tokens=0)
"""A number that no column takes."""


async def test_who_waits_together_is_committed_together(postgres_url):
    """Fifty starts at once take a few transactions, not fifty."""
    samples = Samples()
    transactions = "SELECT count(DISTINCT xmin::text) FROM interceptions"
    async with opened(postgres_url) as storage, anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(storage.recorder.begin, samples.start())
    ((count,),) = await rows(postgres_url, transactions)
    assert count <= 3


async def test_a_record_shares_the_transaction_of_its_end(postgres_url):
    """Records don't hurry: what nobody waits for yet is written with what somebody waits for."""
    samples = Samples()
    start = samples.start()
    async with opened(postgres_url) as storage:
        await storage.recorder.begin(start)
        await storage.recorder.record([samples.prompt(start, "first")])
        await anyio.sleep(0)  # the writer could take it now
        await storage.recorder.end(samples.ended(start))
    transactions = "SELECT xmin::text FROM user_prompts UNION SELECT xmin::text FROM interceptions"
    assert len(await rows(postgres_url, transactions)) == 1


async def test_a_bad_record_is_lost_alone(postgres_url):
    """A record that can't be kept fails the end of its own interception; all beside it is kept, also its siblings."""
    samples = Samples()
    starts = [samples.start() for _ in range(20)]
    bad = starts[7]
    async with opened(postgres_url) as storage:
        async with anyio.create_task_group() as tasks:
            for start in starts:
                tasks.start_soon(storage.recorder.begin, start)
        for start in starts:
            sibling, odd = samples.prompt(start, "kept"), samples.record(start, TOO_LARGE)
            await storage.recorder.record([sibling, odd] if start is bad else [sibling])
        failed = []

        async def end(start):
            try:
                await storage.recorder.end(samples.ended(start))
            except RecordingFailed as error:
                failed.append((start, str(error)))

        async with anyio.create_task_group() as tasks:
            for start in starts:
                tasks.start_soon(end, start)
        assert failed == [(bad, f"a record of interception {bad.id} was not kept")]
        for start in starts:
            found = await read(storage, start)
            assert (found.status, [record.fact.prompt for record in found.records]) == (Status.COMPLETED, ["kept"])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "not a uuid"},
        {"provider": "x" * 3_000_000},  # beyond what an index holds, however well it is compressed
        {"started_at": Samples().clock.now().replace(tzinfo=None)},
    ],
    ids=["id", "size", "time"],
)
async def test_a_bad_start_is_refused_alone(postgres_url, change):
    """A start that can't be kept is an error for its caller; those that wait with it are kept."""
    samples = Samples()
    good = [samples.start() for _ in range(10)]
    bad = attrs.evolve(samples.start(), **change)
    async with opened(postgres_url) as storage:

        async def refused(start):
            with pytest.raises(RecordingFailed, match="can't hold this"):
                await storage.recorder.begin(start)

        async with anyio.create_task_group() as tasks:
            for start in (*good[:5], bad, *good[5:]):
                tasks.start_soon(refused if start is bad else storage.recorder.begin, start)
        assert await storage.store.count(InterceptionFilter()) == len(good)


async def test_what_was_written_never_shows_in_a_log(postgres_url, caplog):
    """The server's messages may quote values; ours don't."""
    samples = Samples()
    async with opened(postgres_url) as storage:
        start = samples.start(id="secret-7f3a")
        with pytest.raises(RecordingFailed) as caught:
            await storage.recorder.begin(start)
    assert "secret-7f3a" not in caplog.text + str(caught.value)
    assert "InvalidTextRepresentation (22P02)" in caplog.text


async def test_texts_longer_than_an_index_row(postgres_url):
    """Clients choose models, sessions and ids of tool calls as long as they like: all are kept, found and counted."""
    samples = Samples()
    long = "".join(f"{number:x}" for number in range(20_000))
    other = long[:-1] + "!"
    async with opened(postgres_url) as storage:
        first = await completed(
            storage, samples, model=long, client_session_id=long, initiator=attrs.evolve(ANN, name=long)
        )
        await completed(storage, samples, model=other, client_session_id=other)
        await completed(storage, samples, model=long[:200], client_session_id=long[:200])
        for where in (InterceptionFilter(model=long), InterceptionFilter(session_id=long)):
            assert [each.start for each in await storage.store.list(where, Page())] == [first.start]
            assert await storage.store.count(where) == 1
        caller = samples.start()
        call = samples.tool_call(caller, long)
        await finished(storage, caller, (call,), samples.ended(caller))
        answer = await completed(storage, samples, correlating_tool_call_id=long)
        stranger = await completed(storage, samples, correlating_tool_call_id=other)
        assert (answer.thread_parent_id, stranger.thread_parent_id) == (caller.id, None)
        models = await storage.store.models(initiator_id=None, prefix=long[:50], page=Page())
        assert list(models) == sorted([long, other, long[:200]])


async def test_nul_in_what_is_searched(postgres_url):
    """U+0000 is kept as its picture, U+2400; whoever searches for one finds the other."""
    samples = Samples()
    async with opened(postgres_url) as storage:
        kept = await completed(storage, samples, model="a\x00b", client_session_id="s\x00")
        assert kept.start.model == "a\u2400b"
        for where in (InterceptionFilter(model="a\x00b"), InterceptionFilter(session_id="s\x00")):
            assert [each.start.id for each in await storage.store.list(where, Page())] == [kept.start.id]
            assert await storage.store.count(where) == 1
        assert list(await storage.store.models(initiator_id=None, prefix="a\x00", page=Page())) == ["a\u2400b"]
        assert await storage.store.find_initiator("\x00") is None
        assert await storage.identity.find_user("\x00") is None


async def test_what_looks_like_nul(postgres_url):
    """An escape that is text, not a character, stays as it is."""
    samples = Samples()
    start = samples.start(metadata={"k": "\\u0000"})
    call = samples.record(start, ToolUsage(response_id="", tool="Write", arguments='{"text": "\\u0000 \\\\u0000"}'))
    async with opened(postgres_url) as storage:
        found = await finished(storage, start, (call,), samples.ended(start))
        assert (found.start.metadata, list(found.records)) == ({"k": "\\u0000"}, [call])


async def test_a_large_record_beside_small_ones(postgres_url):
    """Ten megabytes of arguments don't keep others from being written, nor take their transaction with them."""
    samples = Samples()
    arguments = '{"content": "' + "0123456789é" * 1_000_000 + '"}'
    async with opened(postgres_url, limits=Limits(statement_timeout=30.0)) as storage:
        starts = [samples.start() for _ in range(4)]
        for start in starts:
            await storage.recorder.begin(start)
            large = ToolUsage(response_id="", tool="Write", arguments=arguments)
            await storage.recorder.record([samples.record(start, large), samples.prompt(start, "small")])
        for start in starts:
            await storage.recorder.end(samples.ended(start))
            kinds = [type(record.fact) for record in (await read(storage, start)).records]
            assert kinds == [ToolUsage, PromptUsage]


async def test_commits_are_durable_wherever(postgres_url):
    """A database set to answer before the disk does is told otherwise by each of our transactions."""
    name = "SELECT current_database()"
    async with raw(postgres_url) as other:
        (database,) = await (await other.execute(name)).fetchone() or ("",)
        await other.execute(f'ALTER DATABASE "{database}" SET synchronous_commit = off')
        await other.execute(
            "CREATE TABLE seen (setting text);"
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;"
            "CREATE TRIGGER see AFTER INSERT ON interceptions FOR EACH STATEMENT EXECUTE FUNCTION see()"
        )
    async with opened(postgres_url) as storage:
        await completed(storage, Samples())
    assert await rows(postgres_url, "SELECT DISTINCT setting FROM seen") == [("on",)]


async def test_counts_stay_right_whoever_writes(postgres_url):
    """Rows that another program inserts, changes or deletes are counted as they are."""
    samples = Samples()
    failed = InterceptionFilter(status=Status.FAILED)
    async with opened(postgres_url) as storage, raw(postgres_url) as other:
        kept = [await completed(storage, samples) for _ in range(6)]
        ids = [each.start.id for each in kept]
        await other.execute("UPDATE interceptions SET status = 'failed' WHERE id = ANY(%s::uuid[])", (ids[:3],))
        await other.execute("DELETE FROM interceptions WHERE id = ANY(%s::uuid[])", (ids[2:4],))
        assert await storage.store.count(failed) == 2
        assert await storage.store.count(InterceptionFilter()) == 4
        assert await storage.store.count(InterceptionFilter(initiator_id=ANN.id, status=Status.COMPLETED)) == 2
    assert await rows(postgres_url, "SELECT count(*) FROM user_prompts WHERE interception_id = %s", ids[2]) == [(0,)]
