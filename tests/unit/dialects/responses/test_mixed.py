"""Responses that hand calls to the client and hide others: when it comes back, the model finds its own history."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.responses import ResponsesDialect
from aibridge_core.hidden_turns import HiddenTurns, OwnTurns
from aibridge_core.testing.clock import FakeClock
from unit.dialects.exchange import JSON, cuts
from unit.dialects.responses.test_turns import USER, ask, call, message, reasoning, response, stream, wire
from unit.dialects.turns import LIST, MAKE, Exchange, data_of

API = ResponsesDialect()
OURS, THEIRS = call(LIST.id, 1), call("Read", 2)
READ = {"type": "function_call_output", "call_id": "call_2", "output": "a file"}
MIXED = stream("resp_1", message("Looking."), OURS, THEIRS)


def told(call_id: str = "call_1") -> dict[str, Any]:
    """Our tool's result, as the model gets it."""
    text = '{"content":[{"type":"text","text":"42"}]}'
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def memory() -> OwnTurns:
    return HiddenTurns(now=FakeClock().monotonic).of("ann")


def history(request: bytes, hidden: OwnTurns, api: ResponsesDialect = API) -> list[Any]:
    """What the provider gets."""
    found: list[Any] = json.loads(Exchange(api, request, hidden=hidden).sent[0])["input"]
    return found


def coming_back(*items: dict[str, Any]) -> bytes:
    """The client's next request: what it saw of the response, and the result of its call."""
    return ask(input=[USER, *items, READ])


def test_ours_is_run_and_the_client_gets_its_own() -> None:
    """Numbers and places run on without gaps; the end waits for our tool."""
    exchange = Exchange(API, ask()).turn(wire(MIXED))
    assert ([each.call_id for each in exchange.calls], exchange.ends) == (["call_1"], True)
    assert data_of(exchange.shown)[-1]["type"] == "response.output_item.done"
    exchange.conclude()
    shown = data_of(exchange.shown)
    assert [event["sequence_number"] for event in shown] == list(range(9))
    assert [event["output_index"] for event in shown if "output_index" in event] == [0, 0, 0, 1, 1, 1]
    assert shown[-1]["response"]["output"] == [message("Looking."), THEIRS]
    assert exchange.steps[-1].last  # type: ignore[union-attr]
    assert [each.tool for each in exchange.tools] == ["Read"]


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ([message("A"), OURS, THEIRS], [message("A"), THEIRS]),
        ([message("A"), THEIRS, OURS], [message("A"), THEIRS]),
        ([reasoning(1), OURS, reasoning(2), THEIRS], [reasoning(2), THEIRS]),
        ([THEIRS, message("A"), OURS], [THEIRS, message("A")]),
    ],
)
def test_the_model_finds_its_items_as_they_were(said: Sequence[Any], seen: Sequence[Any]) -> None:
    """Our call with its reasoning where it stood, its result before the client's, now and in every later request."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn(wire(stream("resp_1", *said))).conclude()
    assert data_of(exchange.shown)[-1]["response"]["output"] == list(seen)
    assert history(coming_back(*seen), hidden) == [USER, *said, told(), READ]
    assert history(ask(input=[USER, *seen, READ, USER]), hidden) == [USER, *said, told(), READ, USER]


def test_a_client_that_goes_on_with_the_stored_response() -> None:
    """The provider has both calls, and insists on both results."""
    api, hidden = ResponsesDialect(), memory()
    exchange = Exchange(api, ask(), hidden=hidden).turn(wire(stream("resp_0", message("Hm"), call(MAKE.id, 3))))
    exchange.answer()
    exchange.turn(wire(MIXED)).conclude()
    assert data_of(exchange.shown)[-1]["response"]["id"] == "resp_0"
    request = (
        b'{"model":"m","stream":true,"previous_response_id" : "resp_0","input":[ %s ]}' % json.dumps(READ).encode()
    )
    sent = Exchange(api, request, hidden=hidden).sent[0]
    assert b'"previous_response_id" : "resp_1"' in sent
    assert json.loads(sent)["input"] == [told(), READ]


def test_the_clients_bytes_stay() -> None:
    """Every item of its own keeps white space and members nobody knows."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(wire(MIXED)).conclude()
    own = '{"type" : "function_call","call_id":"call_2", "name":"Read", "arguments":"{ \\"a\\": 1 }", "new": "\\ud83d"}'
    tail = '{"type":"function_call_output","call_id" : "call_2"} ],  "x": 1.0}'
    request = f'{{"model":"m" ,"input":[ {{"role":"user","content":"hi"}} , {own}, {tail}'
    sent = API.intercept(request.encode(), Exchange(API, ask(), hidden=hidden).box).request.body.decode()
    assert own in sent
    assert sent.endswith(tail)
    assert [each.get("call_id") for each in json.loads(sent)["input"]] == [None, "call_1", "call_2", "call_1", "call_2"]


@pytest.mark.parametrize(
    "request_",
    [
        ask(input=[USER, {**THEIRS, "call_id": "call_x"}, {**READ, "call_id": "call_x"}]),
        ask(input=[USER, THEIRS]),
        ask(input='my call_id": "call_2"'),
        ask(input=[USER, {**READ, "type": "message"}, "call_2"]),
    ],
)
def test_a_history_without_the_result_of_the_call_is_left_alone(request_: bytes) -> None:
    """Nothing is put where providers wouldn't take it."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(wire(MIXED)).conclude()
    assert history(request_, hidden) == json.loads(request_)["input"]


FIRST = stream("resp_0", reasoning(1), message("Hm"), call(MAKE.id, 3))
SECOND = stream("resp_1", reasoning(2), message("Found", 2), THEIRS)
BEFORE = [reasoning(1), message("Hm"), call(MAKE.id, 3), told("call_3")]
AFTER = [reasoning(2), message("Found", 2), THEIRS]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([reasoning(1), message("Hm"), *AFTER], [*BEFORE, *AFTER]),
        ([message("Hm"), message("Found", 2), THEIRS], [*BEFORE[1:], *AFTER[1:]]),
        ([THEIRS], [*BEFORE[2:], THEIRS]),
    ],
)
def test_a_turn_that_was_hidden_before_the_clients_call(seen: Sequence[Any], expected: Sequence[Any]) -> None:
    """It comes back between what the client has of both; clients may have dropped some of that."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn(wire(FIRST))
    exchange.answer()
    exchange.turn(wire(SECOND))
    assert not exchange.calls
    assert history(coming_back(*seen), hidden) == [USER, *expected, READ]


def test_without_storage_reasoning_comes_back_if_it_can() -> None:
    """A provider that stores nothing knows it by its encrypted content alone."""
    hidden = memory()
    secret = reasoning(2, encrypted_content="c2VjcmV0")
    items = [reasoning(1), secret, OURS, THEIRS]
    Exchange(API, ask(store=False), hidden=hidden).turn(wire(stream("resp_1", *items))).conclude()
    assert history(coming_back(THEIRS), hidden) == [USER, secret, OURS, THEIRS, told(), READ]


def test_blocking_responses_hide_their_earlier_turns_whole() -> None:
    """The client has the last one alone, so the first comes back with its text."""
    hidden = memory()
    exchange = Exchange(API, ask(stream=False), hidden=hidden)
    exchange.turn(json.dumps(response("resp_0", [message("Hm"), call(MAKE.id, 3)])).encode(), JSON)
    exchange.answer()
    exchange.turn(json.dumps(response("resp_1", [message("Found", 2), OURS, THEIRS])).encode(), JSON)
    assert exchange.shown == b""
    exchange.conclude()
    seen = json.loads(exchange.shown)["output"]
    assert seen == [message("Found", 2), THEIRS]
    whole = [message("Hm"), call(MAKE.id, 3), told("call_3"), message("Found", 2), OURS, THEIRS, told()]
    assert history(coming_back(*seen), hidden) == [USER, *whole, READ]


def test_a_call_of_ours_that_was_not_run_is_not_put_back() -> None:
    """It has no result, and providers take no call without one."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn(wire(FIRST))
    exchange.answer()
    exchange.turn(wire(stream("resp_1", OURS, THEIRS, kind="incomplete")))
    found = history(coming_back(message("Hm"), THEIRS), hidden)
    assert found == [USER, *BEFORE[1:], THEIRS, READ]


def test_calls_that_the_provider_counts() -> None:
    """The same id means another call in another conversation, or earlier in this one; its result isn't ours either."""
    hidden = memory()
    Exchange(API, ask(), hidden=hidden).turn(wire(MIXED)).conclude()
    another = coming_back(call("Write", 2))
    assert history(another, hidden) == json.loads(another)["input"]
    first = coming_back(call("Write", 2), READ, THEIRS)
    assert history(first, hidden) == [USER, call("Write", 2), READ, OURS, THEIRS, told(), READ]


@given(st.data())
def test_any_cut_of_the_bytes_gives_the_same(data: st.DataObject) -> None:
    """The client's events, and what the model finds later."""
    hidden = memory()
    exchange = Exchange(API, ask(), hidden=hidden).turn_in(data.draw(cuts(wire(FIRST))))
    exchange.answer()
    exchange.turn_in(data.draw(cuts(wire(MIXED)))).conclude()
    shown = data_of(exchange.shown)
    assert [event["sequence_number"] for event in shown] == list(range(len(shown)))
    visible = [reasoning(1), message("Hm"), message("Looking."), THEIRS]
    assert [event["item"] for event in shown if event["type"] == "response.output_item.done"] == visible
    assert shown[-1]["response"]["output"] == visible
    assert history(coming_back(*visible), hidden) == [USER, *BEFORE, message("Looking."), OURS, THEIRS, told(), READ]
