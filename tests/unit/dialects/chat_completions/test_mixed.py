"""Answers that hand calls to the client and hide others: when it comes back, the model finds its own history."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.hidden_turns import HiddenTurns, OwnTurns
from aibridge_core.testing.clock import FakeClock
from unit.dialects.chat_completions.test_turns import DONE, FIRST, ROLE, ask, blocking, chunk, fragment, usage
from unit.dialects.exchange import JSON, cuts, sse
from unit.dialects.turns import LIST, MAKE, Exchange, data_of

CHAT = ChatCompletionsDialect()
USER = {"role": "user", "content": "hi"}


def called(call_id: str, name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def told(call_id: str) -> dict[str, Any]:
    """Our tool's result, as the model gets it."""
    return {"role": "tool", "tool_call_id": call_id, "content": '{"content":[{"type":"text","text":"42"}]}'}


def saying(content: str | None, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


OURS, THEIRS = called("call_o", LIST.id), called("call_c", "Read")
READ = {"role": "tool", "tool_call_id": "call_c", "content": "a file"}
MIXED = [chunk(fragment(0, "call_o", LIST.id, "{}")), chunk(fragment(1, "call_c", "Read", "{}"))]
END = [chunk(finish="tool_calls"), usage(1, 2), DONE]
SHOWN = [chunk(fragment(0, "call_c", "Read", "{}")), chunk(finish="tool_calls"), usage(1, 2), None]


def memory() -> OwnTurns:
    return HiddenTurns(now=FakeClock().monotonic).of("ann")


def coming_back(said: dict[str, Any], *more: dict[str, Any]) -> bytes:
    """The client's next request: what it saw of the answer, and the result of its call."""
    return ask(messages=[USER, said, READ, *more])


def history(request: bytes, hidden: OwnTurns) -> list[Any]:
    """What the provider gets."""
    found: list[Any] = json.loads(Exchange(CHAT, request, hidden=hidden).sent[0])["messages"]
    return found


@pytest.mark.parametrize("end", [END, END[:2], END[:1]])
def test_ours_is_run_and_the_client_gets_its_own(end: Sequence[Any]) -> None:
    """Counted as if it were the only one; the end waits for our tool. Some providers leave out parts of it."""
    exchange = Exchange(CHAT, ask()).turn(sse(*MIXED, *end))
    assert ([each.call_id for each in exchange.calls], exchange.ends) == (["call_o"], True)
    assert data_of(exchange.shown) == SHOWN[:1]
    exchange.conclude()
    assert data_of(exchange.shown) == SHOWN[: len(end) + 1]
    assert exchange.steps[-1].last  # type: ignore[union-attr]
    assert [each.tool for each in exchange.tools] == ["Read"]


@pytest.mark.parametrize("calls", [[OURS, THEIRS], [THEIRS, OURS], [OURS, THEIRS, called("call_m", MAKE.id)]])
def test_the_model_finds_its_message_as_it_was(calls: Sequence[Any]) -> None:
    """With our calls where they stood, and their results in front of the client's, now and in every later request."""
    hidden = memory()
    pieces = [fragment(at, each["id"], each["function"]["name"], "{}") for at, each in enumerate(calls)]
    Exchange(CHAT, ask(), hidden=hidden).turn(sse(*map(chunk, pieces), *END)).conclude()
    results = [told(each["id"]) for each in calls if each is not THEIRS]
    whole = [USER, saying(None, *calls), *results, READ]
    assert history(coming_back(saying(None, THEIRS)), hidden) == whole
    assert history(coming_back(saying(None, THEIRS), USER), hidden) == [*whole, USER]


@pytest.mark.parametrize(
    "request_",
    [
        coming_back(saying(None, called("call_x", "Read"))),
        ask(messages=[USER, saying(None, THEIRS), {**READ, "tool_call_id": "call_x"}]),
        ask(messages=[USER, {**saying(None), "tool_calls": "call_c"}, READ]),
        ask(messages=[USER, READ, "call_c"]),
    ],
)
def test_a_history_without_the_call_and_its_result_is_left_alone(request_: bytes) -> None:
    """Whatever else it is: nothing is put where providers wouldn't take it."""
    hidden = memory()
    Exchange(CHAT, ask(), hidden=hidden).turn(sse(*MIXED, *END)).conclude()
    assert history(request_, hidden) == json.loads(request_)["messages"]


@pytest.mark.parametrize(
    ("seen", "first", "second"),
    [
        ("Looking.Found.", "Looking.", "Found."),
        ("Looking.", "Looking.", None),
        ("Found.", None, "Found."),
        (None, None, None),
    ],
)
def test_a_turn_that_was_hidden_before_the_clients_call(seen: Any, first: Any, second: Any) -> None:
    """One message for the client is two for the model, each with its own text, if the client kept that."""
    hidden = memory()
    exchange = Exchange(CHAT, ask(), hidden=hidden).turn(FIRST)
    exchange.answer()
    exchange.turn(sse(chunk({"content": "Found."}), chunk(fragment(0, "call_c", "Read", "{}")), *END))
    assert not exchange.calls
    assert history(coming_back(saying(seen, THEIRS)), hidden) == [
        USER,
        saying(first, called("call_1", LIST.id, '{"a": 1}')),
        told("call_1"),
        saying(second, THEIRS),
        READ,
    ]


def test_the_clients_bytes_stay() -> None:
    """Its own calls, and everything around the message, keep white space and members nobody knows."""
    hidden = memory()
    Exchange(CHAT, ask(), hidden=hidden).turn(sse(*MIXED, *END)).conclude()
    own = '{"id" : "call_c", "new": "\\ud83d", "function":{"name":"Read", "arguments":"{}"}}'
    tail = '{"role" : "tool","tool_call_id":"call_c" }],  "x": 1.0}'
    request = f'{{"model":"m" ,"messages":[ {{"tool_calls": [{own}], "role":"assistant"}} , {tail}'
    sent = CHAT.intercept(request.encode(), Exchange(CHAT, ask(), hidden=hidden).box).request.body.decode()
    assert own in sent
    assert sent.endswith(tail)


def test_blocking_answers_hide_their_earlier_turns_whole() -> None:
    """The client has the last one alone, so the first comes back with its text, whatever the last one begins with."""
    hidden = memory()
    exchange = Exchange(CHAT, ask(stream=False), hidden=hidden)
    exchange.turn(blocking(saying("Hm", OURS), "tool_calls"), JSON)
    exchange.answer()
    make = called("call_m", MAKE.id)
    exchange.turn(blocking(saying("Hm, found", make, THEIRS), "tool_calls"), JSON)
    assert exchange.shown == b""
    exchange.conclude()
    seen = json.loads(exchange.shown)["choices"][0]["message"]
    assert seen == saying("Hm, found", THEIRS)
    assert history(coming_back(seen), hidden) == [
        USER,
        saying("Hm", OURS),
        told("call_o"),
        saying("Hm, found", make, THEIRS),
        told("call_m"),
        READ,
    ]


def test_a_call_of_ours_that_was_not_run_is_not_put_back() -> None:
    """It has no result, and providers take no call without one."""
    hidden = memory()
    exchange = Exchange(CHAT, ask(), hidden=hidden).turn(FIRST)
    exchange.answer()
    exchange.turn(sse(*MIXED, chunk(finish="length"), DONE))
    found = history(coming_back(saying("Looking.", THEIRS)), hidden)
    assert [[call["id"] for call in each.get("tool_calls", ())] for each in found] == [
        [],
        ["call_1"],
        [],
        ["call_c"],
        [],
    ]


def test_calls_that_the_provider_counts() -> None:
    """The same id means another call in another conversation, or later in this one; arguments may be spaced anew."""
    hidden = memory()
    mixed = [chunk(fragment(0, "call_o", LIST.id, "{}")), chunk(fragment(1, "call_c", "Read", '{"b":1,"a":2}'))]
    Exchange(CHAT, ask(), hidden=hidden).turn(sse(*mixed, *END)).conclude()
    another = coming_back(saying(None, called("call_c", "Read", '{"a":3}')))
    assert history(another, hidden) == json.loads(another)["messages"]
    same = saying(None, called("call_c", "Read", '{"a": 2, "b": 1}'))
    later = coming_back(same, saying(None, called("call_c", "Write")), READ)
    assert [len(each.get("tool_calls", ())) for each in history(later, hidden)] == [0, 2, 0, 0, 1, 0]


@pytest.mark.parametrize("arguments", ["", "{}", "{ }"])
def test_a_call_without_arguments_is_known_however_it_is_written(arguments: str) -> None:
    """Providers write nothing, or an empty object."""
    hidden = memory()
    Exchange(CHAT, ask(), hidden=hidden).turn(sse(*MIXED, *END)).conclude()
    found = history(coming_back(saying(None, called("call_c", "Read", arguments))), hidden)
    assert [len(each.get("tool_calls", ())) for each in found] == [0, 2, 0, 0]


@given(st.data())
def test_any_cut_of_the_bytes_gives_the_same(data: st.DataObject) -> None:
    """The client's chunks, and what the model finds later."""
    hidden = memory()
    exchange = Exchange(CHAT, ask(), hidden=hidden).turn_in(data.draw(cuts(FIRST)))
    exchange.answer()
    second = sse(chunk(ROLE), chunk({"content": "Found."}), *MIXED, *END)
    exchange.turn_in(data.draw(cuts(second))).conclude()
    both = usage(11, 7)
    assert data_of(exchange.shown) == [
        chunk(ROLE),
        chunk({"content": "Looking."}),
        chunk({"content": "Found."}),
        *SHOWN[:2],
        both,
        None,
    ]
    found = history(coming_back(saying("Looking.Found.", THEIRS)), hidden)
    assert [len(each.get("tool_calls", ())) for each in found] == [0, 1, 0, 2, 0, 0]
