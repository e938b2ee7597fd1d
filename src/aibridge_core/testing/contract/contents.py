"""The storage contract: odd contents and odd clocks.

Belongs here: texts, numbers and times at their limits. Never: what they mean.
"""

from datetime import timedelta
from typing import ClassVar

import attrs
import pytest

from aibridge_core.records import (
    InterceptionFilter,
    Metadata,
    ModelThought,
    Page,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aibridge_core.testing.contract.base import ContractBase, StorageUnderTest, completed, finished
from aibridge_core.testing.samples import ANN, Samples

TEXTS = {
    "empty": "",
    "emoji": "👩‍💻 naïve Ω≈ç√ 你好 \U0010ffff",
    "right to left": "שלום عليكم",
    "controls": "\t\r\n\x01\x1b[31m\x7f\u0085\u2028",
    "decomposed": "e\u0301 A\u030a \u212b",
    "blanks around": "  two  blanks\t\n",
    "quotes": "'; DROP TABLE interceptions; -- \" \\ % _",
    "noncharacter": "\ufffe\uffff",
}


class ContentsContract(ContractBase):
    """Text is kept as it is, but for what no UTF-8 text can hold."""

    nul_reads_as: ClassVar[str] = "\x00"
    """What U+0000 in a text becomes. A database that can't hold it overrides this and documents it."""

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
    async def test_texts(self, storage: StorageUnderTest, samples: Samples, text: str) -> None:
        """Any text is read back as it was written, wherever it stands."""
        await self._expect(storage, samples, text, text)

    async def test_nul(self, storage: StorageUnderTest, samples: Samples) -> None:
        """U+0000 is kept, or replaced by something in a documented way; what follows it is there."""
        assert self.nul_reads_as, "without a trace of U+0000 two texts become one"
        await self._expect(storage, samples, "before\x00after", f"before{self.nul_reads_as}after")

    @pytest.mark.parametrize("surrogate", ["\ud800", "\udfff"])
    async def test_lone_surrogates(self, storage: StorageUnderTest, samples: Samples, surrogate: str) -> None:
        """Half of a surrogate pair becomes U+FFFD; the rest of the text, and records beside it, are unharmed."""
        await self._expect(storage, samples, f"a{surrogate}b👍{surrogate}", "a\ufffdb👍\ufffd")

    @pytest.mark.parametrize("text", [*TEXTS.values(), "before\x00after"], ids=[*TEXTS.keys(), "nul"])
    async def test_odd_texts_are_found(self, storage: StorageUnderTest, samples: Samples, text: str) -> None:
        """A filter finds what was written with the very same text, and a beginning finds a name."""
        await completed(storage, samples, model="another", client_session_id="another")
        initiator = attrs.evolve(ANN, id=f"id {text}", username=f"name {text}")
        found = await completed(
            storage, samples, model=text, client=text, client_session_id=f"session {text}", initiator=initiator
        )
        for where in (
            InterceptionFilter(model=text),
            InterceptionFilter(client=text),
            InterceptionFilter(session_id=f"session {text}"),
            InterceptionFilter(initiator_id=f"id {text}"),
        ):
            assert list(await storage.store.list(where, Page())) == [found], where
            assert await storage.store.count(where) == 1, where
        names = await storage.store.models(initiator_id=f"id {text}", prefix=text[:8], page=Page())
        assert list(names) == [found.start.model]
        assert await storage.store.find_initiator(f"name {text}") == found.start.initiator.id

    async def test_surrogates_are_looked_for(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A filter that no UTF-8 text can match finds nothing, or its replacement, and is no error."""
        await completed(storage, samples, model="plain")
        assert list(await storage.store.list(InterceptionFilter(model="\ud800"), Page())) == []
        assert await storage.store.count(InterceptionFilter(session_id="\ud800")) == 0
        assert list(await storage.store.models(initiator_id="\ud800", prefix="\ud800", page=Page())) == []
        assert await storage.store.find_initiator("\ud800") is None

    @pytest.mark.parametrize("text", ["toolu_👍", "toolu_\x00_1", "toolu_\ud800", "'\"\\%_"])
    async def test_odd_ids_of_calls_link(self, storage: StorageUnderTest, samples: Samples, text: str) -> None:
        """A provider may choose any text for the id of a tool call."""
        caller, other = samples.start(), samples.start()
        calls = (samples.tool_call(caller, text), samples.tool_call(other, "toolu_"))
        for start, call in zip((caller, other), calls, strict=True):
            await finished(storage, start, (call,), samples.ended(start))
        assert (await completed(storage, samples, correlating_tool_call_id=text)).thread_parent_id == caller.id

    async def _expect(self, storage: StorageUnderTest, samples: Samples, written: str, expected: str) -> None:
        start = samples.start(
            initiator=type(ANN)(id="u1", username=written, name=written),
            model=written,
            user_agent=written,
            metadata={written: [written, {"deep": written}]},
        )
        records = (
            samples.record(start, PromptUsage(response_id=written, prompt=written, metadata={"k": written})),
            samples.record(start, ModelThought(response_id="msg_1", content="untouched")),
            samples.record(start, ToolUsage(response_id="", tool=written, arguments=written, invocation_error=written)),
        )
        ended = samples.ended(start, error_message=written)
        found = await finished(storage, start, records, ended)
        assert (found.start.model, found.start.user_agent, found.error_message) == (expected,) * 3
        assert (found.start.initiator.username, found.start.initiator.name) == (expected,) * 2
        assert found.start.metadata == {expected: [expected, {"deep": expected}]}
        assert [record.fact for record in found.records] == [
            PromptUsage(response_id=expected, prompt=expected, metadata={"k": expected}),
            ModelThought(response_id="msg_1", content="untouched"),
            ToolUsage(response_id="", tool=expected, arguments=expected, invocation_error=expected),
        ]

    async def test_large_arguments(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Ten megabytes of tool arguments are kept."""
        start = samples.start()
        arguments = '{"content": "' + "0123456789é" * 909_091 + '"}'
        call = samples.record(start, ToolUsage(response_id="msg_1", tool="Write", arguments=arguments))
        found = await finished(storage, start, (call,), samples.ended(start))
        assert list(found.records) == [call]

    async def test_large_numbers(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Token counts are 64 bits wide, signed; a zero is a zero."""
        start = samples.start()
        usage = TokenUsage(response_id="", input_tokens=2**63 - 1, output_tokens=0, extra={"total": 2**62})
        record = samples.record(start, usage)
        assert list((await finished(storage, start, (record,), samples.ended(start))).records) == [record]

    @pytest.mark.parametrize("metadata", [{}, {"a": None}, {"a": []}, {"a": {"b": [0.1, -1, False]}}, {"n": 2**63}])
    async def test_metadata(self, storage: StorageUnderTest, samples: Samples, metadata: Metadata) -> None:
        """Any JSON object is kept as metadata."""
        start = samples.start(metadata=metadata)
        record = samples.record(start, PromptUsage(response_id="", prompt="", metadata=metadata))
        found = await finished(storage, start, (record,), samples.ended(start))
        assert found.start.metadata == metadata
        assert list(found.records) == [record]

    async def test_clocks_that_disagree(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Times are kept as they were told, also an end or a record before the start."""
        start = samples.start()
        earlier = start.started_at - timedelta(hours=1)
        record = samples.record(start, PromptUsage(response_id="", prompt=""), created_at=earlier)
        found = await finished(storage, start, (record,), samples.ended(start, ended_at=earlier))
        assert (found.start.started_at, found.ended_at, list(found.records)) == (start.started_at, earlier, [record])

    async def test_no_time_passes(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Start and end may be the same moment."""
        start = samples.start()
        found = await finished(storage, start, (), samples.ended(start, ended_at=start.started_at))
        assert found.ended_at == found.start.started_at

    async def test_started_in_the_past(self, storage: StorageUnderTest, samples: Samples) -> None:
        """The time of the start orders the list, not the order of writing."""
        newer = await completed(storage, samples)
        older = await completed(storage, samples, started_at=newer.start.started_at - timedelta(days=400))
        assert list(await storage.store.list(InterceptionFilter(), Page())) == [newer, older]
