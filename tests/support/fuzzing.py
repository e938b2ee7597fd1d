"""What any bytes must not do to a parser: one function per parser, used by hypothesis and by atheris alike.

Belongs here: a property that holds for all bytes, and seeds from which a fuzzer begins. Never: a single case; those are
tests of their parser.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
from attrs import evolve, frozen

from aibridge_adapters.codings import Codings
from aibridge_adapters.dumps.text import AnswerBody
from aibridge_adapters.http.strict import MAX_HEAD
from aibridge_core.boundaries import InvalidFirewallPlace, place_of_request
from aibridge_core.boundary_lines import InvalidLine, read_line
from aibridge_core.clients import Signals, classify
from aibridge_core.cooldown import LONGEST, cooldown
from aibridge_core.dialects import jsontext, splice
from aibridge_core.dialects.api import Relay
from aibridge_core.dialects.registry import DIALECTS
from aibridge_core.dialects.responses.frames import as_event, asks, ends_response
from aibridge_core.dialects.responses.refusals import refusal
from aibridge_core.dispatch import client_deadline
from aibridge_core.errors import BridgeError
from aibridge_core.eventstream import CorruptEventStream, EventStreamDecoder, Message, encode
from aibridge_core.headers import NOT_TO_CLIENT, NOT_UPSTREAM, accepted_codings, for_client, for_upstream
from aibridge_core.providers.registry import KINDS, provider
from aibridge_core.routing import Router
from aibridge_core.search import InvalidSearch, parse_clients, parse_interceptions, parse_models
from aibridge_core.sessions import session_id
from aibridge_core.sse import SseScanner
from aibridge_core.wire import AnswerHead, Headers
from support import http1 as http1_reading

STREAM = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),))
JSON = AnswerHead(status=200, headers=((b"content-type", b"application/json"),))
SECRET = b"sk-a-secret-of-somebody"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@frozen(kw_only=True)
class Target:
    """A parser and how to begin."""

    run: Callable[[bytes], None]
    """Raises AssertionError, or whatever the parser must not raise."""
    seeds: tuple[bytes, ...]


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """The first byte says how long the pieces are into which the rest is cut."""
    if not data:
        return b"", []
    size, rest = data[0] % 40 + 1, data[1:]
    return rest, [rest[start : start + size] for start in range(0, len(rest), size)]


def sse(data: bytes) -> None:
    """Nothing gets lost, and cuts don't matter."""
    rest, cut = pieces(data)
    scanner, whole = SseScanner(max_event=4096), SseScanner(max_event=4096)
    events = [event for piece in cut for event in scanner.feed(piece)]
    assert b"".join(event.raw for event in events) + scanner.rest == rest
    once = whole.feed(rest)
    if len(rest) <= 4096:
        assert [(e.name, e.data) for e in events if e.data] == [(e.name, e.data) for e in once if e.data]


def jsontext_reading(data: bytes) -> None:
    """Whatever JSON a strict decoder takes is read the same."""
    value = jsontext.try_read_any(data)
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        assert value == msgspec.json.decode(data)


def splicing(data: bytes) -> None:
    """One member changes, all others stay; what is no object is refused."""
    try:
        before = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    try:
        inserted = msgspec.json.decode(splice.set_member(data, ["new", "inner"], b"[1]"))
        removed = msgspec.json.decode(splice.remove_member(data, "a"))
    except ValueError:
        assert not isinstance(before, dict) or not isinstance(before.get("new", {}), dict | None)
        return
    assert isinstance(before, dict)
    inner = {**(before.get("new") or {}), "inner": [1]}
    assert inserted == {**before, "new": inner}
    assert removed == {name: value for name, value in before.items() if name != "a"}


def requests(data: bytes) -> None:
    """A dialect reads a request or refuses it; without tools of ours, two of them never change its bytes."""
    for name, dialect in DIALECTS.items():
        try:
            interceptor = dialect.intercept(data)
        except BridgeError as error:
            assert error.status in (400, 501), error
            json.loads(dialect.refuse(error))
            continue
        if name != "chat_completions":
            assert interceptor.request.body == data


def answers(data: bytes) -> None:
    """Whatever a provider says reaches the client byte for byte, cut anywhere, and breaks nothing."""
    rest, cut = pieces(data)
    for name, dialect in DIALECTS.items():
        for head, streaming in ((STREAM, b"true"), (JSON, b"false")):
            usage = b',"stream_options":{"include_usage":true}' if streaming == b"true" else b""
            ask = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"input":"hi","stream":' + streaming + usage
            interceptor = dialect.intercept(ask + b"}")
            interceptor.begin_turn(head)
            steps = [step for piece in cut for step in interceptor.feed(piece)]
            steps += interceptor.end_turn()
            assert b"".join(step.data for step in steps if isinstance(step, Relay)) == rest, name


def socket_messages(data: bytes) -> None:
    """A message of either side says what it is, or nothing; a refusal has a status, and a time that can be waited."""
    asks(data)
    assert b"\n" not in as_event(data)[:-2] and b"\r" not in as_event(data)
    if said := refusal(data):
        assert type(said.status) is int
        assert ends_response(data)
        assert 0 <= cooldown(said.headers, NOW) <= LONGEST


def eventstream(data: bytes) -> None:
    """AWS's messages are read or named as corrupted, wherever the bytes are cut, and come back as they were."""
    rest, cut = pieces(data)
    decoder, found = EventStreamDecoder(), b""
    with suppress(CorruptEventStream):
        for piece in cut:
            for message in decoder.feed(piece):
                found += message.payload
    assert len(found) <= len(rest)
    sent = Message(headers={":event-type": "chunk"}, payload=data)
    assert list(EventStreamDecoder().feed(encode(sent))) == [sent]


def search(data: bytes) -> None:
    """A search is understood or refused with a reason."""
    text = data.decode("utf-8", "replace")
    for parse in (parse_interceptions, parse_models, parse_clients):
        try:
            parse(text)
        except InvalidSearch as error:
            assert error.validations


def headers(data: bytes) -> None:
    """What mustn't pass doesn't, and no value breaks who reads it."""
    found = _headers(data)
    for central in (True, False):
        assert not {name for name, _ in for_upstream(found, central_key=central)} & set(NOT_UPSTREAM)
    assert not {name for name, _ in for_client(found)} & set(NOT_TO_CLIENT)
    for _, value in found:
        text = value.decode("latin-1")
        offered = {part.partition(";")[0].strip().lower() for part in accepted_codings(text, ["gzip"]).split(",")}
        assert offered <= {"gzip", "identity", "*"}
    assert client_deadline(found, 5.0) >= 5.0
    assert cooldown(found, NOW) >= 0
    client = classify(Signals(headers=found, session_hint=None))
    session_id(client, found, data.decode("latin-1"))
    with suppress(InvalidFirewallPlace):
        place_of_request(found)


def _headers(data: bytes) -> Headers:
    lines = [line.partition(b":") for line in data.split(b"\n")]
    return tuple((name.strip().lower(), value.strip()) for name, _, value in lines)


_BASE = "https://provider.test/base"
_ROUTER = Router([provider(name=kind, type=kind, base_url=_BASE) for kind in KINDS])


def routing(data: bytes) -> None:
    """A path leads to a route of the table below the base URL, or nowhere."""
    path = data.decode("latin-1")
    match = _ROUTER.find(path)
    _ROUTER.dialect(path)
    if match is None:
        return
    url = match.provider.url(match.path, b"")
    assert url.startswith(_BASE + "/")
    for _ in range(4):
        assert not re.search(r"[/\\]\.\.?([/\\]|$)", url), path
        url = unquote(url, "latin-1")


def firewall_lines(data: bytes) -> None:
    """A line is read or named as wrong."""
    for line in data.split(b"\n"):
        with suppress(InvalidLine):
            read_line(line)


def codings(data: bytes) -> None:
    """What isn't valid is refused, and nothing becomes larger than it may."""
    for coding in Codings.names:
        with suppress(ValueError, OverflowError):
            assert len(Codings().decode(data, coding, limit=65_536)) <= 65_536


def http1(data: bytes) -> None:
    """A request has one length, few header lines and no line within a line, wherever it is cut, and h11 agrees."""
    rest, cut = pieces(data)
    found, refused = http1_reading.read(cut)
    again, why = http1_reading.read([rest])
    assert (_whole(found), str(refused)) == (_whole(again), str(why))
    theirs, _ = http1_reading.as_h11_reads(rest)
    for request, other in zip(_whole(found), theirs, strict=False):
        assert _normal(request) == _normal(other)
        names = [name for name, _ in request.headers]
        assert not {b"content-length", b"transfer-encoding"} <= set(names)
        assert names.count(b"content-length") <= 1
        assert not any(mark in value for _, value in request.headers for mark in (b"\n", b"\r", b"\0"))
        assert sum(map(len, names)) <= MAX_HEAD
    assert len(_whole(found)) <= len(theirs)


def _whole(found: list[http1_reading.Read]) -> list[http1_reading.Read]:
    """How much of a body that breaks off was read depends on the cuts."""
    return [request for request in found if request.complete]


def _normal(request: http1_reading.Read) -> http1_reading.Read:
    """h11 hands the one coding it knows on in lower case."""
    headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in request.headers]
    return evolve(request, headers=headers)


def dump_masking(data: bytes) -> None:
    """A secret never stands in a dump, wherever the pieces end."""
    _, cut = pieces(data)
    body = AnswerBody((), [SECRET])
    assert SECRET not in b"".join([body.feed(piece) for piece in cut] + [body.end()])


_REQUEST = (
    b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\\ud83d"}],"a":1,"a":{"b":[]},"input":"x"}'
)
_EVENTS = (
    b'\x05event: message_start\ndata: {"type":"message_start","message":{"id":"1","usage":{"input_tokens":5}}}\n\n'
    b'event: message_delta\r\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":7}}\r\n\r\n',
    b'\x09data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","argu'
    b'ments":"{}"}}]}}],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n',
    b'\x0devent: response.completed\ndata: {"type":"response.completed","response":{"id":"r","output":[{"type":"funct'
    b'ion_call","call_id":"c","name":"f","arguments":"{}"}],"usage":{"input_tokens":1}}}\n\n',
)

TARGETS: Mapping[str, Target] = {
    "sse": Target(run=sse, seeds=_EVENTS),
    "jsontext": Target(run=jsontext_reading, seeds=(_REQUEST, b'"\\ud83d\\ude00\\ud83d"', b'{"a":1e400}')),
    "splicing": Target(run=splicing, seeds=(_REQUEST, b' {"new":null}', b'{"new":{"inner":0},"a":"}\\""}')),
    "requests": Target(run=requests, seeds=(_REQUEST,)),
    "answers": Target(run=answers, seeds=_EVENTS),
    "socket_messages": Target(
        run=socket_messages,
        seeds=(
            b'{"type":"error","status":429,"headers":{"retry-after":"1e9"},"error":{"resets_in_seconds":-1}}',
            b'{"type":"response.failed","response":{"error":{"code":"tokens","message":"try again in 1h2m3.5s4ms"}}}',
        ),
    ),
    "eventstream": Target(
        run=eventstream, seeds=(b"\x05" + encode(Message(headers={":event-type": "chunk"}, payload=b"{}")),)
    ),
    "search": Target(run=search, seeds=(b'initiator:me model:"a b" started_after:"2026-01-02T03:04:05Z" x',)),
    "headers": Target(
        run=headers,
        seeds=(
            b"connection: close, x-a\nx-a: 1\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\naccept-encoding: gzip;q=0, *",
            b"retry-after-ms: 1e9\nx-stainless-timeout: 60\nuser-agent: claude-cli/1.0 (external)\nhost: x",
            b"x-coder-agent-firewall-session-id: 0192f0c1-7d5e-7b7a-8a52-6d0a4a8f1c11\n"
            b"x-coder-agent-firewall-sequence-number: 7",
        ),
    ),
    "routing": Target(
        run=routing,
        seeds=(b"/anthropic/v1/messages", b"/openai/v1/models/%252e%2e/..;/x", b"//anthropic/v1/models/x\\.."),
    ),
    "firewall_lines": Target(run=firewall_lines, seeds=(b'{"session_id":"s","sequence_number":1}\n{}',)),
    "codings": Target(
        run=codings, seeds=(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", b"x\x9c", b"(\xb5/\xfd\x04\x00")
    ),
    "http1": Target(
        run=http1,
        seeds=(
            b"\x1fPOST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n0\r\nt: 1\r\n\r\n",
            b"\x13POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nabcdGET / HTTP/1.1\r\nhost: y\r\n\r\n",
        ),
    ),
    "dump_masking": Target(run=dump_masking, seeds=(b"\x03bad key " + SECRET + b"!", b"\x07sk-a-sk-a-secret-of-")),
}
