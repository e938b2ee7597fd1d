"""Words in the last user prompt say what the scripted provider does."""

import pytest

from aibridge_adapters.scripted_provider import (
    MAGIC_WORDS,
    Answer,
    Api,
    Fault,
    HttpFailure,
    OfferedTool,
    Stop,
    Text,
    Thought,
    ToolCall,
    Turn,
    magic_words,
)
from aibridge_adapters.scripted_provider.plan import Plan, planned

TOOLS = (OfferedTool(name="Write"), OfferedTool(name="Read"), OfferedTool(name="Bash"))


def answer(prompt: str, **more: object) -> Answer:
    scripted = magic_words(Turn(api=Api.MESSAGES, model="m", prompt=prompt, **more))  # type: ignore[arg-type]
    assert isinstance(scripted, Answer)
    return scripted


def called(prompt: str, **more: object) -> list[str]:
    parts = answer(prompt, tools=more.pop("tools", TOOLS), **more).parts
    return [part.name for part in parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize("word", MAGIC_WORDS, ids=lambda word: word.words)
def test_every_word_of_the_table_does_something_as_it_is_told(word: object) -> None:
    """What the table shows a reader, with a value in the place of capitals, changes the plan."""
    example = word.words.replace("STATUS", "503").replace("NUMBER", "3").replace("SECONDS", "7")  # type: ignore[attr-defined]
    assert planned(f"Please, {example}!") != Plan()
    assert planned(example.upper()) != Plan()


@pytest.mark.parametrize("prompt", ["", "Hello", "a shortcut", "slowest", "rethink", "error 200", "terror 500"])
def test_other_words_do_nothing(prompt: str) -> None:
    """Only whole words count."""
    assert planned(prompt) == Plan()


def test_a_status() -> None:
    """With a second to wait where a client should try again."""
    limited = magic_words(Turn(api=Api.MESSAGES, model="m", prompt="error 429"))
    refused = magic_words(Turn(api=Api.MESSAGES, model="m", prompt="error 403"))
    assert isinstance(limited, HttpFailure) and isinstance(refused, HttpFailure)
    assert (limited.status, limited.retry_after) == (429, 1)
    assert (refused.status, refused.retry_after) == (403, None)


def test_once() -> None:
    """The second attempt is answered."""
    assert answer("cut once").fault is Fault.CUT
    assert answer("cut once", attempt=2).fault is Fault.NONE


def test_the_tool_that_is_called_is_the_most_harmless_one() -> None:
    """A real agent runs what it is told to."""
    assert called("Go") == ["Bash"]
    assert called("Go", tools=TOOLS[:2]) == ["Read"]
    assert called("Go", tools=TOOLS[:1]) == ["Write"]


def test_how_many_tools_and_which() -> None:
    """By number, by name, or none."""
    assert called("two tools") == ["Bash", "Read"]
    assert called("4 tools") == ["Bash", "Read", "Write", "Bash"]
    assert called("call Write") == ["Write"]
    assert called("no tools") == []


def test_rounds_of_tool_calls() -> None:
    """Tools are called again until there were enough rounds."""
    assert called("2 steps", rounds=1, tool_results=["so"]) == ["Bash"]
    assert called("2 steps", rounds=2, tool_results=["so"]) == []


def test_thinking() -> None:
    """By word, or because the request asks for it."""
    assert isinstance(answer("think").parts[0], Thought)
    assert isinstance(answer("Hi", wants_thoughts=True).parts[0], Thought)
    assert isinstance(answer("Hi").parts[0], Text)


def test_refusing_and_saying() -> None:
    """No tools are called in either."""
    assert answer("refuse", tools=TOOLS).stop is Stop.REFUSAL
    assert answer('say "forty-two"', tools=TOOLS).parts == [Text("forty-two")]
