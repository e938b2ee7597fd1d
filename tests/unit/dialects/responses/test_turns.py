"""Calls of ours run between turns of the Responses API; the client sees one response without them."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import Refused
from aibridge_core.dialects.responses import ResponsesDialect
from aibridge_core.dialects.responses.continuations import MAX_KEPT, Continuations
from aibridge_core.errors import MalformedRequest, TooManyTools, UpstreamRefused
from aibridge_core.tools import Tool, Toolbox
from aibridge_core.wire import AnswerHead
from unit.dialects.exchange import JSON, sse
from unit.dialects.turns import BOX, LIST, MAKE, Exchange, data_of

API = ResponsesDialect()
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
READ = '{"type": "function",  "name": "Read"}'


def ask(**more: Any) -> bytes:
    return json.dumps({"model": "m-1", "stream": True, "input": [USER], **more}).encode()


def call(name: str = LIST.id, number: int = 1, arguments: str = '{"a":1}', **more: Any) -> dict[str, Any]:
    who = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": name}
    return {**who, "arguments": arguments, "status": "completed", **more}


def message(text: str, number: int = 1) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": content}


def reasoning(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{number}", "summary": [], **more}


def events_of(item: dict[str, Any], index: int) -> Sequence[dict[str, Any]]:
    """An item as it is streamed."""
    place = {"output_index": index}
    added = {"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress"}}
    done = {"type": "response.output_item.done", **place, "item": item}
    middle = {"type": "response.output_text.delta", "item_id": item["id"], "delta": "piece"}
    if item["type"] == "function_call":
        middle = {"type": "response.function_call_arguments.delta", "item_id": item["id"], "delta": item["arguments"]}
    elif item["type"] == "reasoning":
        texts = [part["text"] for part in item["summary"]]
        middles = [{"type": "response.reasoning_summary_text.delta", **place, "delta": text} for text in texts]
        return [added, *middles, done]
    return [added, {**middle, **place}, done]


def response(
    id: str, output: Sequence[Any], *, kind: str = "completed", tokens: int = 5, **more: Any
) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": tokens}
    return {"id": id, "model": "m-1", "status": kind, "output": list(output), "usage": usage, **more}


def opening(id: str) -> Sequence[dict[str, Any]]:
    begun = {"id": id, "model": "m-1", "status": "in_progress", "output": []}
    return [{"type": f"response.{kind}", "response": begun} for kind in ("created", "in_progress")]


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def stream(id: str, *items: dict[str, Any], kind: str = "completed", tokens: int = 5) -> list[dict[str, Any]]:
    """A whole answer."""
    of_items = [event for index, item in enumerate(items) for event in events_of(item, index)]
    end = {"type": f"response.{kind}", "response": response(id, items, kind=kind, tokens=tokens)}
    return numbered(*opening(id), *of_items, end)


def wire(events: Sequence[dict[str, Any]]) -> bytes:
    return sse(*events, named=True)


FIRST = stream("resp_1", message("Looking.", 1), call())
LAST = stream("resp_2", message("It is 42.", 2), tokens=7)


def test_tools_are_spliced_in_last_and_nothing_else_changes() -> None:
    """The client's own tools keep their bytes; calls come one at a time."""
    body = b'{"model":"m-1" , "tools":[ ' + READ.encode() + b' ],"input":"x",  "y": 1.0}'
    sent = API.intercept(body, BOX).request.body
    assert READ.encode() in sent
    assert sent.endswith(b'"input":"x",  "y": 1.0}')
    read: dict[str, Any] = json.loads(sent)
    assert [tool["name"] for tool in read["tools"]] == ["Read", LIST.id, MAKE.id]
    assert read["parallel_tool_calls"] is False
    schema = {"type": "object", "properties": {}, "required": ["a"]}
    told = {"type": "function", "name": LIST.id, "description": "Lists.", "parameters": schema, "strict": False}
    assert read["tools"][1] == told


def test_the_pattern_of_models_without_tools_is_for_messages_only() -> None:
    """Clients of this API don't use small models for chores of their own."""
    box = Toolbox(tools=[LIST], never_for=re.compile("mini"))
    assert LIST.id.encode() in API.intercept(ask(model="m-mini"), box).request.body


def test_too_many_tools_and_tools_of_a_wrong_type() -> None:
    """Neither can be sent."""
    many = Toolbox(tools=[Tool(server="s", server_url="", name=f"t{n}", input_schema={}) for n in range(128)])
    with pytest.raises(TooManyTools, match="129 tools"):
        API.intercept(ask(tools=[{"type": "web_search"}]), many)
    with pytest.raises(MalformedRequest, match="`tools` is not a list"):
        API.intercept(ask(tools="web_search"), BOX)


@given(size=st.integers(1, 900))
def test_one_response_for_the_client(size: int) -> None:
    """One beginning, contiguous numbers and places, one end with everything visible; for any cut of the bytes."""
    exchange = Exchange(API, ask(), size=size).turn(wire(FIRST))
    assert [(each.tool, each.call_id, each.item_id, each.arguments) for each in exchange.calls] == [
        (LIST, "call_1", "fc_1", '{"a":1}')
    ]
    assert exchange.shown == wire(FIRST[:5])
    following = exchange.answer()
    output = {"type": "function_call_output", "call_id": "call_1"}
    text = '{"content":[{"type":"text","text":"42"}]}'
    assert following["input"] == [USER, message("Looking.", 1), call(), {**output, "output": text}]
    exchange.turn(wire(LAST))
    everything = response("resp_1", [message("Looking.", 1), message("It is 42.", 2)], tokens=7)
    assert data_of(exchange.shown) == numbered(
        *opening("resp_1"),
        *events_of(message("Looking.", 1), 0),
        *events_of(message("It is 42.", 2), 1),
        {"type": "response.completed", "response": everything},
    )
    assert exchange.steps[-1].last  # type: ignore[union-attr]
    assert exchange.tokens == [(10, 5), (10, 7)]
    assert exchange.tools == []  # the relay records them with their results


@pytest.mark.parametrize(
    "events",
    [
        stream("resp_1", reasoning(), message("x"), call("Read")),
        stream("resp_1", reasoning(), reasoning(2, summary=[{"type": "summary_text", "text": "Hm"}]), message("x")),
        stream("resp_1", message("x"), reasoning(), kind="incomplete"),
        [{**event, "output_index": 7} if "output_index" in event else event for event in stream("r", call("Read"))],
    ],
)
def test_an_answer_without_a_call_of_ours_is_relayed_byte_for_byte(events: Sequence[dict[str, Any]]) -> None:
    """A call of the client's own tool passes as ever."""
    assert Exchange(API, ask()).turn(wire(events)).shown == wire(events)


@pytest.mark.parametrize(("store", "pieces"), [(False, [1, 1, 0, 0, 2, 2, 1]), (True, [0, 0, 0, 0, 4, 2, 1])])
def test_text_is_live_and_so_is_reasoning_that_shows_some(store: bool, pieces: Sequence[int]) -> None:
    """Only reasoning that shows nothing waits for what it leads to, and the beginning of a response that is stored."""
    summary = [{"type": "summary_text", "text": "Hm"}]
    interceptor = Exchange(API, ask(store=store)).interceptor
    interceptor.begin_turn(AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),)))
    events = numbered(*opening("r"), *events_of(reasoning(), 0), *events_of(reasoning(2, summary=summary), 1))
    shown = [b"".join(step.data for step in interceptor.feed(sse(event, named=True))) for event in events]  # type: ignore[union-attr]
    assert [len(data_of(each)) for each in shown] == pieces


def test_a_first_turn_that_shows_nothing_leaves_the_response_to_the_next() -> None:
    """Then the client knows it by the id under which the provider has the whole conversation."""
    exchange = Exchange(API, ask()).turn(wire(stream("resp_1", reasoning(), call())))
    assert exchange.shown == b""
    exchange.answer()
    assert exchange.turn(wire(LAST)).shown == wire(LAST)


def test_what_is_not_stored_begins_at_once() -> None:
    """Nobody can go on with it by its id, so any id will do."""
    exchange = Exchange(API, ask(store=False)).turn(wire(stream("resp_1", call())))
    assert exchange.shown == wire(FIRST[:2])
    exchange.answer()
    exchange.turn(wire(LAST))
    assert {event["response"]["id"] for event in data_of(exchange.shown) if "response" in event} == {"resp_1"}


def test_a_client_goes_on_with_the_last_turn_of_what_it_saw_as_one_response() -> None:
    """The first turn's response, whose id it knows, ends with a call that only the next turn's input answers."""
    api = ResponsesDialect()
    exchange = Exchange(api, ask()).turn(wire(FIRST))
    exchange.answer()
    exchange.turn(wire(LAST))
    assert data_of(exchange.shown)[-1]["response"]["id"] == "resp_1"
    following = b'{"model":"m","previous_response_id" : "resp_1","input":[]}'
    assert api.intercept(following).request.body == following.replace(b"resp_1", b"resp_2")
    assert api.intercept(ask(previous_response_id="resp_9")).request.body == ask(previous_response_id="resp_9")


def test_only_so_many_ids_are_remembered() -> None:
    """The oldest goes first; one that is used again is new."""
    known = Continuations()
    for number in range(MAX_KEPT):
        known.remember(f"shown_{number}", f"last_{number}")
    known.remember("shown_0", "last_x")
    known.remember("one more", "last_y")
    bodies = [known.applied(ask(previous_response_id=f"shown_{number}")) for number in (0, 1, 2)]
    assert [json.loads(body)["previous_response_id"] for body in bodies] == ["last_x", "shown_1", "last_2"]


def test_reasoning_that_leads_to_a_hidden_call_is_hidden_too() -> None:
    """A client that sends its history back would send it without what must follow it, which providers refuse."""
    exchange = Exchange(API, ask()).turn(wire(stream("resp_1", reasoning(1), call())))
    assert exchange.shown == b""
    assert [item["id"] for item in exchange.answer()["input"][1:3]] == ["rs_1", "fc_1"]
    exchange.turn(wire(stream("resp_2", reasoning(2), message("x"))))
    shown = data_of(exchange.shown)
    assert [event["sequence_number"] for event in shown] == list(range(len(shown)))
    assert [event["output_index"] for event in shown if "output_index" in event] == [0, 0, 1, 1, 1]
    assert [item["id"] for item in shown[-1]["response"]["output"]] == ["rs_2", "msg_1"]


def test_reasoning_goes_back_as_the_provider_can_take_it() -> None:
    """Without storage only its encrypted content says what it was; without that it can't be sent."""
    items = [reasoning(1, encrypted_content="c2VjcmV0"), reasoning(2), call()]
    for store, sent in ((False, ["rs_1", "fc_1"]), (True, ["rs_1", "rs_2", "fc_1"])):
        exchange = Exchange(API, ask(store=store)).turn(wire(stream("resp_1", *items)))
        assert [item["id"] for item in exchange.answer()["input"][1:-1]] == sent
        assert b'"encrypted_content":"c2VjcmV0"' in exchange.sent[-1]


def test_an_input_that_is_a_text() -> None:
    """It becomes the user message that it stands for, in its own bytes."""
    exchange = Exchange(API, b'{"model":"m","stream":true,"input":"h\\u00e9 \\ud83d"}').turn(wire(FIRST))
    exchange.answer()
    assert b'"input":[{"role":"user","content":"h\\u00e9 \\ud83d"},{"' in exchange.sent[-1]


def test_a_list_as_input_keeps_its_bytes() -> None:
    """The turn is written behind it."""
    body = b'{"model":"m","stream":true,"input":[ {"role":"user", "content":"hi"} ], "previous_response_id":"resp_0"}'
    exchange = Exchange(API, body).turn(wire(FIRST))
    following = exchange.answer()
    assert b'"input":[ {"role":"user", "content":"hi"} ,{' in exchange.sent[-1]
    assert following["previous_response_id"] == "resp_0"


def test_no_input_but_a_response_to_go_on_with() -> None:
    """The turn is all the input there is."""
    exchange = Exchange(API, b'{"model":"m","stream":true,"previous_response_id":"resp_0"}').turn(wire(FIRST))
    assert [item["type"] for item in exchange.answer()["input"]] == ["message", "function_call", "function_call_output"]


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_that_the_provider_keeps(conversation: Any) -> None:
    """It holds the turn already; sent again, everything would stand in it twice."""
    exchange = Exchange(API, ask(conversation=conversation)).turn(wire(FIRST))
    assert [item["type"] for item in exchange.answer()["input"]] == ["function_call_output"]


def test_what_a_provider_runs_itself_is_no_call_for_the_client() -> None:
    """The answer goes on after a call of ours beside it."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    exchange = Exchange(API, ask()).turn(wire(stream("resp_1", search, call())))
    assert (len(exchange.calls), exchange.ends) == (1, False)


def test_truncated_arguments_end_the_response_as_the_provider_did() -> None:
    """By the token limit: the call is never run, the client gets the rest, the attempt is recorded."""
    events = stream("resp_1", message("A"), call(arguments='{"a": ', status="incomplete"), kind="incomplete")
    exchange = Exchange(API, ask()).turn(wire(events))
    assert (exchange.calls, exchange.failures) == ((), [])
    end = data_of(exchange.shown)[-1]
    assert (end["type"], end["sequence_number"], end["response"]["output"]) == (
        "response.incomplete",
        5,
        [message("A")],
    )
    (tool,) = exchange.tools
    assert (tool.tool, tool.injected, tool.server_url, tool.item_id) == ("list", True, "http://mcp", "fc_1")
    assert "not a whole JSON object" in tool.invocation_error


def test_invalid_arguments_are_an_error_in_band() -> None:
    """The tool is never run; the interception fails."""
    exchange = Exchange(API, ask()).turn(wire(stream("resp_1", call(arguments="[1"))))
    assert not exchange.calls
    assert "list with arguments that are not a JSON object" in exchange.failures[0].message
    assert data_of(exchange.shown)[-1]["type"] == "error"


def test_a_response_that_fails_after_a_hidden_call() -> None:
    """The client gets the provider's error without our call; that is recorded as never run."""
    error = {"code": "server_error", "message": "oh no"}
    failed = {"type": "response.failed", "response": response("r", [call()], kind="failed", error=error)}
    exchange = Exchange(API, ask()).turn(wire(numbered(*opening("r"), *events_of(call(), 0), failed)))
    assert data_of(exchange.shown)[-1]["response"]["output"] == []
    assert exchange.failures[0].message == "oh no"
    assert exchange.tools[0].invocation_error == "not run: the answer broke off"


def test_a_final_response_without_its_output() -> None:
    """Some providers leave it empty: the events say what was called, and the client gets it as it came."""
    first, last = FIRST[:-1], LAST[:-1]
    end = {"type": "response.completed", "response": response("resp_1", [])}
    exchange = Exchange(API, ask()).turn(wire(numbered(*first, end)))
    assert [item.get("id") for item in exchange.answer()["input"]] == [None, "msg_1", "fc_1", None]
    exchange.turn(wire(numbered(*last, end)))
    assert data_of(exchange.shown)[-1]["response"]["output"] == []


@pytest.mark.parametrize(
    ("content", "more", "output"),
    [
        ({"type": "text", "text": "x"}, {"is_error": True}, '{"content":[{"type":"text","text":"x"}],"isError":true}'),
        ({"type": "text", "text": "x"}, {"error": 'a "b"'}, 'the tool could not be run: "a \\"b\\""'),
        (
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {},
            [
                {
                    "type": "input_text",
                    "text": '{"content":[{"type":"image","data":"(see the image below)","mimeType":"image/png"}]}',
                },
                {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
            ],
        ),
    ],
)
def test_results_in_the_form_the_api_takes(content: dict[str, Any], more: dict[str, Any], output: Any) -> None:
    """JSON text, and images as images."""
    exchange = Exchange(API, ask()).turn(wire(FIRST))
    assert exchange.answer(content, **more)["input"][-1]["output"] == output


def test_blocking_turns_hold_everything_until_the_last() -> None:
    """Its body is the client's as it is, so that it is what the provider stores; the model's items keep their bytes."""
    exchange = Exchange(API, ask(stream=False), size=10)
    exchange.turn(json.dumps(response("resp_1", [reasoning(), call()])).encode(), JSON)
    assert exchange.shown == b""
    assert [item["type"] for item in exchange.answer()["input"][1:]] == [
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert json.dumps(call()).encode() in exchange.sent[-1]
    last = json.dumps(response("resp_2", [message("ok")], tokens=7), indent=2).encode()
    assert exchange.turn(last, JSON).shown == last
    assert exchange.tokens == [(10, 5), (10, 7)]


def test_a_blocking_response_that_is_cut_short_has_no_call_of_ours() -> None:
    """Everything else of it is the client's."""
    items = [message("A"), reasoning(), call(arguments='{"a')]
    exchange = Exchange(API, ask(stream=False))
    exchange.turn(json.dumps(response("r", items, kind="incomplete")).encode(), JSON)
    assert json.loads(exchange.shown) == response("r", [message("A")], kind="incomplete")
    assert [tool.tool for tool in exchange.tools] == ["list"]


def test_a_broken_turn_records_the_call_that_had_begun() -> None:
    """As an attempt that was never run."""
    exchange = Exchange(API, ask()).turn(wire(numbered(*opening("r"), *events_of(call(), 0)[:2])), broken=True)
    (tool,) = exchange.tools
    assert (tool.injected, tool.invocation_error) == (True, "not run: the answer broke off")
    assert tool.arguments == '{"a":1}'


def test_a_later_turn_that_fails_is_an_error_inside_the_stream() -> None:
    """The head is out, so the status can't say it."""
    exchange = Exchange(API, ask()).turn(wire(FIRST))
    exchange.answer()
    exchange.turn(b"oh no", AnswerHead(status=500))
    assert exchange.interceptor.fail(UpstreamRefused("oh no")).startswith(b"event: error\n")


def test_invalid_arguments_in_a_blocking_response_are_an_error_status() -> None:
    """SDKs raise at a status, not at an error in place of an answer; what was seen is recorded."""
    exchange = Exchange(API, ask(stream=False))
    exchange.turn(json.dumps(response("r", [call(arguments='{"a')])).encode(), JSON)
    refused = exchange.steps[-1]
    assert isinstance(refused, Refused)
    assert (refused.error.status, exchange.shown, exchange.tokens) == (502, b"", [(10, 5)])
