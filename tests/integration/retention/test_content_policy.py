"""What is recorded of people's words, and what stays out of the database."""

import hashlib
import hmac
from pathlib import Path

import pytest

from aibridge_adapters.content_policy import with_policy
from aibridge_adapters.storage import open_storage
from aibridge_core.content import content_of
from aibridge_core.records import Fact, Interception, ModelThought, PromptUsage, TokenUsage, ToolUsage
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import read
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef" * 4
OTHER_KEY = "f" * 64


async def recorded(policy: str, *facts: Fact, key: str = "") -> Interception:
    """As it is read back."""
    storage, samples = MemoryStorage(), Samples()
    recorder, start = with_policy(storage.recorder, policy, key=key), samples.start()
    await recorder.begin(start)
    await recorder.record([samples.record(start, fact) for fact in facts])
    await recorder.end(samples.ended(start))
    return await read(storage, start)


async def prompt(policy: str, text: str, key: str = "") -> Fact:
    (record,) = (await recorded(policy, PromptUsage(response_id="r", prompt=text), key=key)).records
    return record.fact


async def test_full_records_everything() -> None:
    """As it came, and the recorder itself does it."""
    assert [record.fact for record in (await recorded("full", *FACTS)).records] == list(FACTS)
    recorder = MemoryStorage().recorder
    assert with_policy(recorder, "full") is recorder


async def test_none_keeps_the_rows_and_no_text() -> None:
    """How many prompts, tool calls and thoughts there were stays countable; what was called and spent stays known."""
    found = await recorded("none", *FACTS)
    assert [content_of(record.fact) for record in found.records] == [""] * 4
    _, usage, call, _ = [record.fact for record in found.records]
    assert usage == FACTS[1]
    assert isinstance(call, ToolUsage)
    assert (call.tool, call.tool_call_id, call.metadata) == (
        "Read",
        "toolu_1",
        {"namespace": "files", "content": "none"},
    )
    assert [record.fact.metadata.get("content") for record in found.records] == ["none", None, "none", "none"]


async def test_hashes_are_of_the_utf_8_text_under_the_key() -> None:
    """So that another program with the key can look for a text."""
    expected = hmac.new(KEY.encode(), "naïve 👩‍💻".encode(), hashlib.sha256).hexdigest()
    assert await prompt("hashed", "naïve 👩‍💻", KEY) == PromptUsage(
        response_id="r", prompt=f"hmac-sha256:{expected}", metadata={"content": "hashed"}
    )


async def test_equal_texts_have_equal_hashes_under_one_key() -> None:
    """And no others; without the key a guess can't be checked."""
    one = await prompt("hashed", "yes", KEY)
    assert await prompt("hashed", "yes", KEY) == one
    assert await prompt("hashed", "yes ", KEY) != one
    assert await prompt("hashed", "yes", OTHER_KEY) != one
    assert hashlib.sha256(b"yes").hexdigest() not in content_of(one)


@pytest.mark.parametrize("policy", ["hashed", "none"])
async def test_what_has_no_content_gets_no_mark(policy: str) -> None:
    """An empty prompt is empty, and token counts are never touched."""
    usage = TokenUsage(response_id="r", input_tokens=1, output_tokens=2)
    empty = PromptUsage(response_id="r", prompt="")
    assert [record.fact for record in (await recorded(policy, empty, usage, key=KEY)).records] == [empty, usage]


async def test_half_a_character_is_no_obstacle() -> None:
    """JSON can carry a lone surrogate, UTF-8 can't."""
    assert await prompt("hashed", "a\ud800", KEY) == await prompt("hashed", "a\ufffd", KEY)


@pytest.mark.parametrize("policy", ["hashed", "none"])
async def test_no_text_reaches_the_file(policy: str, tmp_path: Path) -> None:
    """Not a byte of it, in the database or beside it."""
    samples = Samples()
    secrets = ["my bank is", "account-number-7", "they seem to be in trouble"]
    facts = (
        PromptUsage(response_id="r", prompt=secrets[0]),
        ToolUsage(response_id="r", tool="Write", arguments=secrets[1]),
        ModelThought(response_id="r", content=secrets[2]),
    )
    async with open_storage(f"sqlite:///{tmp_path}/a.db", clock=FakeClock(), owner="one") as storage:
        recorder, start = with_policy(storage.recorder, policy, key=KEY), samples.start()
        await recorder.begin(start)
        await recorder.record([samples.record(start, fact) for fact in facts])
        await recorder.end(samples.ended(start))
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Write" in kept
    assert not [secret for secret in secrets if secret.encode() in kept]


@pytest.mark.parametrize(("policy", "key"), [("hashed", ""), ("hashed", "k" * 31), ("some", KEY)])
def test_what_would_protect_nobody_is_refused(policy: str, key: str) -> None:
    """A library user learns it when the recorder is made."""
    with pytest.raises(ValueError, match=r"key|full, hashed or none"):
        with_policy(MemoryStorage().recorder, policy, key=key)
