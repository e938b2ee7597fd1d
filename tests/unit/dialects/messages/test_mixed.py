"""Messages that hand calls to the client and hide others: when it comes back, the model finds its own history."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.hidden_turns import HiddenTurns, OwnTurns
from aibridge_core.testing.clock import FakeClock
from unit.dialects.exchange import JSON, cuts
from unit.dialects.messages.test_turns import ask, call, event, message, text
from unit.dialects.turns import LIST, MAKE, Exchange, data_of

API = MessagesDialect()
USER = {"role": "user", "content": "hi"}
TEXT = {"type": "text", "text": "Looking."}
OURS = {"type": "tool_use", "id": "toolu_o", "name": LIST.id, "input": {"a": 1}}
THEIRS = {"type": "tool_use", "id": "toolu_c", "name": "Read", "input": {}}
TOLD = {
    "type": "tool_result",
    "tool_use_id": "toolu_o",
    "content": [{"type": "text", "text": "42"}],
    "is_error": False,
}
READ = {"type": "tool_result", "tool_use_id": "toolu_c", "content": "a file", "cache_control": {"type": "ephemeral"}}
MIXED = message(
    text(0, "Looking."), call(1, LIST.id, '{"a": 1}', "toolu_o"), call(2, "Read", "{}", "toolu_c"), output=9
)


def memory() -> OwnTurns:
    return HiddenTurns(now=FakeClock().monotonic).of("ann")


def coming_back(*content: dict[str, Any], more: Sequence[dict[str, Any]] = ()) -> bytes:
    """The client's next request: what it saw of the message, and the result of its call."""
    return ask(messages=[USER, {"role": "assistant", "content": content}, {"role": "user", "content": [READ]}, *more])


def history(request: bytes, hidden: OwnTurns) -> list[Any]:
    """What the provider gets."""
    found: list[Any] = json.loads(Exchange(API, request, hidden=hidden).sent[0])["messages"]
    return found


def test_ours_is_run_and_the_client_gets_its_own() -> None:
    """The end of the message waits for our tool, since the client may come back as soon as it has it."""
    exchange = Exchange(API, ask()).turn(MIXED)
    assert ([each.call_id for each in exchange.calls], exchange.ends) == (["toolu_o"], True)
    assert b"message_delta" not in exchange.shown
    exchange.conclude()
    assert exchange.shown == message(text(0, "Looking."), call(1, "Read", "{}", "toolu_c"), output=9)
    assert exchange.steps[-1].last  # type: ignore[union-attr]
    assert [each.tool for each in exchange.tools] == ["Read"]


@pytest.mark.parametrize(
    ("calls", "blocks"),
    [
        ([call(1, LIST.id, '{"a":1}', "toolu_o"), call(2, "Read", "{}", "toolu_c")], [TEXT, OURS, THEIRS]),
        ([call(1, "Read", "{}", "toolu_c"), call(2, LIST.id, '{"a":1}', "toolu_o")], [TEXT, THEIRS, OURS]),
    ],
)
def test_the_model_finds_its_message_as_it_was(calls: Sequence[bytes], blocks: Sequence[Any]) -> None:
    """With our call where it stood, and its result beside that of the client's, now and in every later request."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(message(text(0, "Looking."), *calls)).conclude()
    whole = [USER, {"role": "assistant", "content": blocks}, {"role": "user", "content": [TOLD, READ]}]
    assert history(coming_back(TEXT, THEIRS), hidden) == whole
    later = [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "more"}]
    assert history(coming_back(TEXT, THEIRS, more=later), hidden) == [*whole, *later]


def test_the_clients_bytes_stay() -> None:
    """Its own blocks, and everything around the message, keep white space and members nobody knows."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(MIXED).conclude()
    own = '{"type" : "tool_use","id":"toolu_c", "name":"Read","input" : {}, "new": "\\ud83d"}'
    answer = '{"role":"user","content":[ {"type":"tool_result","tool_use_id":"toolu_c"} ] }'
    request = f'{{"model":"m" ,"messages":[ {{"content": [{own}], "role":"assistant"}} , {answer}],  "x": 1.0}}'
    sent = API.intercept(request.encode(), Exchange(API, ask(), hidden=hidden).box).request.body.decode()
    assert own in sent
    assert sent.endswith('{"type":"tool_result","tool_use_id":"toolu_c"} ] }],  "x": 1.0}')
    assert [len(each["content"]) for each in json.loads(sent)["messages"]] == [2, 2]


@pytest.mark.parametrize(
    "request_",
    [
        coming_back(TEXT, {**THEIRS, "id": "toolu_x"}),
        ask(messages=[USER, {"role": "assistant", "content": [TEXT, THEIRS]}, USER]),
        ask(messages=[USER, {"role": "assistant", "content": "Looking."}, {"role": "user", "content": [READ]}]),
        ask(messages=[{"role": "user", "content": [READ]}]),
        ask(messages="toolu_c", x_id="toolu_c"),
    ],
)
def test_a_history_without_the_call_and_its_result_is_left_alone(request_: bytes) -> None:
    """Whatever else it is: nothing is put where providers wouldn't take it."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(MIXED).conclude()
    try:
        assert history(request_, hidden) == json.loads(request_)["messages"]
    except Exception as error:
        assert "messages" in str(error)


def test_other_users_and_other_processes_know_nothing_of_it() -> None:
    """The history that the client has is one that providers take."""
    Exchange(API, ask(), hidden=memory()).turn(MIXED).conclude()
    request = coming_back(TEXT, THEIRS)
    assert history(request, memory()) == json.loads(request)["messages"]


THINKING = (
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"})
    + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
    + event("content_block_stop", index=0)
)
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
FIRST = message(THINKING, text(1, "Looking."), call(2, LIST.id, '{"a":1}', "toolu_o"))
SECOND = message(THINKING, text(1, "Found."), call(2, "Read", "{}", "toolu_c"))
FOUND = {"type": "text", "text": "Found."}


@pytest.mark.parametrize(
    ("seen", "first", "second"),
    [
        ([THOUGHT, TEXT, THOUGHT, FOUND, THEIRS], [THOUGHT, TEXT, OURS], [THOUGHT, FOUND, THEIRS]),
        ([TEXT, FOUND, THEIRS], [TEXT, OURS], [FOUND, THEIRS]),
        ([THEIRS], [OURS], [THEIRS]),
        ([FOUND, THOUGHT, TEXT, THOUGHT, FOUND, THEIRS], [FOUND, THOUGHT, TEXT, OURS], [THOUGHT, FOUND, THEIRS]),
    ],
)
def test_a_turn_that_was_hidden_before_the_clients_call(seen: Any, first: Any, second: Any) -> None:
    """One message for the client is two for the model, each with its own thinking; clients may have dropped some."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn(FIRST)
    exchange.answer()
    exchange.turn(SECOND)
    assert not exchange.calls
    assert history(coming_back(*seen), hidden) == [
        USER,
        {"role": "assistant", "content": first},
        {"role": "user", "content": [TOLD]},
        {"role": "assistant", "content": second},
        {"role": "user", "content": [READ]},
    ]


def test_blocking_messages_hide_their_earlier_turns_whole() -> None:
    """The client has the last one alone, so the first comes back with its text."""
    hidden = memory()
    exchange = Exchange(API, ask(stream=False), hidden=hidden)
    exchange.turn(json.dumps({"content": [TEXT, OURS], "stop_reason": "tool_use"}).encode(), JSON)
    exchange.answer()
    make = {"type": "tool_use", "id": "toolu_m", "name": MAKE.id, "input": {}}
    exchange.turn(json.dumps({"content": [FOUND, make, THEIRS], "stop_reason": "tool_use"}).encode(), JSON)
    assert exchange.shown == b""
    exchange.conclude()
    assert json.loads(exchange.shown)["content"] == [FOUND, THEIRS]
    assert history(coming_back(FOUND, THEIRS), hidden) == [
        USER,
        {"role": "assistant", "content": [TEXT, OURS]},
        {"role": "user", "content": [TOLD]},
        {"role": "assistant", "content": [FOUND, make, THEIRS]},
        {"role": "user", "content": [{**TOLD, "tool_use_id": "toolu_m"}, READ]},
    ]


def test_a_call_of_ours_that_was_not_run_is_not_put_back() -> None:
    """It has no result, and providers take no call without one."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn(FIRST)
    exchange.answer()
    exchange.turn(message(call(0, "Read", "{}", "toolu_c"), call(1, MAKE.id, '{"a', "toolu_m"), stop="max_tokens"))
    assert MAKE.id not in json.dumps(history(coming_back(TEXT, THEIRS), hidden))


def test_invalid_arguments_beside_a_call_of_the_client() -> None:
    """An error instead of an end: the client's call isn't the client's then, and nothing is kept."""
    hidden = memory()
    broken = message(call(0, "Read", "{}", "toolu_c"), call(1, LIST.id, '{"a', "toolu_o"))
    exchange = Exchange(API, ask(), hidden=hidden).turn(broken)
    assert not exchange.calls
    assert data_of(exchange.shown)[-1]["type"] == "error"
    assert hidden.named_in(coming_back(THEIRS)) == {}


def test_a_call_that_another_conversation_made_with_the_same_id() -> None:
    """Some providers count their calls in each conversation anew; what one hid is never put into another."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(MIXED).conclude()
    for another in ({**THEIRS, "input": {"a": 1}}, {**THEIRS, "name": "Write"}):
        assert history(coming_back(TEXT, another), hidden) == json.loads(coming_back(TEXT, another))["messages"]


def test_a_client_that_keeps_other_arguments_than_the_model_wrote() -> None:
    """An id that is one of its kind is enough."""
    hidden = memory()
    own = "toolu_01A09q90qw90lq917835lq9"
    calls = call(0, LIST.id, "{}", "toolu_o"), call(1, "Read", '{"path": "a "}', own)
    Exchange(API, ask(), hidden=hidden).turn(message(*calls)).conclude()
    said = {"role": "assistant", "content": [{**THEIRS, "id": own, "input": {"path": "a"}}]}
    request = ask(messages=[USER, said, {"role": "user", "content": [{**READ, "tool_use_id": own}]}])
    assert [len(each["content"]) for each in history(request, hidden)] == [2, 2, 2]


@given(st.data())
def test_any_cut_of_the_bytes_gives_the_same(data: st.DataObject) -> None:
    """The client's events, and what the model finds later."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn_in(data.draw(cuts(FIRST)))
    exchange.answer()
    exchange.turn_in(data.draw(cuts(MIXED))).conclude()
    shown = data_of(exchange.shown)
    assert [each.get("index") for each in shown] == [None, *[0] * 4, *[1] * 3, *[2] * 3, *[3] * 3, None, None]
    assert shown[-2]["usage"] == {"output_tokens": 14}
    assert LIST.id.encode() not in exchange.shown
    found = history(coming_back(THOUGHT, TEXT, TEXT, THEIRS), hidden)
    assert [len(each["content"]) for each in found] == [2, 3, 1, 3, 2]
