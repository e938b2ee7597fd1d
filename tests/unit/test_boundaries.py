"""The place of a request in a firewall session, and lines of firewalls' audit logs."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aibridge_core.boundaries import (
    MAX_SEQUENCE_NUMBER,
    FirewallPlace,
    InvalidFirewallPlace,
    NetworkCall,
    place_of_request,
)
from aibridge_core.boundary_lines import MAX_LINE, MAX_TEXT, InvalidLine, read_line
from aibridge_core.wire import Headers

SESSION = "f17e0000-0000-4000-8000-00000000000a"
PLACE = FirewallPlace(session_id=SESSION, sequence_number=7)
LINE = {
    "session_id": SESSION,
    "sequence_number": 7,
    "event_time": "2026-01-16T00:11:39.388607657Z",
    "decision": "allow",
    "http_method": "GET",
    "http_url": "https://dev.example.com/x?y=1",
    "matched_rule": "domain=dev.example.com",
}
CALL = NetworkCall(
    place=PLACE,
    made_at=datetime(2026, 1, 16, 0, 11, 39, 388607, tzinfo=UTC),
    allowed=True,
    method="GET",
    url="https://dev.example.com/x?y=1",
    matched_rule="domain=dev.example.com",
)


def headers(session: str | None, number: str | None) -> Headers:
    named = ((b"x-coder-agent-firewall-session-id", session), (b"x-coder-agent-firewall-sequence-number", number))
    return tuple((name, value.encode()) for name, value in named if value is not None)


def line(**changes: Any) -> bytes:
    """LINE, with fields replaced, or left out where the value is `...`."""
    return json.dumps({name: value for name, value in {**LINE, **changes}.items() if value is not ...}).encode()


def test_both_headers_name_a_place() -> None:
    """Session in either case, number from zero to the largest; without both there is no firewall."""
    assert place_of_request(headers(SESSION.upper(), " 7 ")) == PLACE
    for number in (0, MAX_SEQUENCE_NUMBER):
        assert place_of_request(headers(SESSION, str(number))) == FirewallPlace(
            session_id=SESSION, sequence_number=number
        )
    assert place_of_request(headers(None, None)) is None


@pytest.mark.parametrize(
    ("session", "number", "why"),
    [
        (SESSION, None, "sequence-number is missing"),
        (None, "7", "session-id is missing"),
        ("", "7", "not a UUID"),
        (SESSION[:-1], "7", "not a UUID"),
        (f"{{{SESSION}}}", "7", "not a UUID"),
        (SESSION, "", "not a non-negative integer"),
        (SESSION, "-1", "not a non-negative integer"),
        (SESSION, "7.0", "not a non-negative integer"),
        (SESSION, "1_0", "not a non-negative integer"),
        (SESSION, "²", "not a non-negative integer"),
        (SESSION, "9" * 5000, "not a non-negative integer"),
        (SESSION, str(MAX_SEQUENCE_NUMBER + 1), "too large"),
    ],
)
def test_other_headers_name_none(session: str | None, number: str | None, why: str) -> None:
    """Half a pair, or one that isn't what it should be, is told apart from no firewall at all."""
    with pytest.raises(InvalidFirewallPlace, match=why):
        place_of_request(headers(session, number))


@pytest.mark.parametrize(
    "text",
    [
        line(),
        json.dumps({"ts": "x", "level": "INFO", "msg": "boundary_request", "fields": LINE}).encode(),
        line(decision=..., allowed=True),
        line(decision=...),
        line(sequence_number="7", event_time="2026-01-16T01:11:39.388607+01:00", decision="ALLOWED"),
        line(http_url=..., http_method=..., http_request={"method": "GET", "url": CALL.url}),
        line(
            http_url=..., http_method=..., event_time=..., detail=CALL.url, method="GET", captured_at=LINE["event_time"]
        ),
        line(http_url="https://user:secret@dev.example.com/x?y=1"),
    ],
)
def test_the_same_call_in_many_forms(text: bytes) -> None:
    """Whatever the names, wherever the fields; credentials in a URL are not kept."""
    assert read_line(text) == CALL


def test_a_denied_call() -> None:
    """Said by the decision, or by the lack of a rule where nothing else says it."""
    for text in (line(decision="deny", matched_rule=...), line(decision=..., matched_rule=None)):
        assert read_line(text) == NetworkCall(
            place=PLACE, made_at=CALL.made_at, allowed=False, method="GET", url=CALL.url
        )


def test_known_fields_become_metadata() -> None:
    """Others don't: nobody knows what they hold. Long texts are cut."""
    call = read_line(
        line(owner="ann", workspace_id="w", cookie="secret", trace=7, url=CALL.url + "x" * MAX_TEXT, http_url=...)
    )
    assert call is not None
    assert (call.metadata, len(call.url)) == ({"owner": "ann", "workspace_id": "w"}, MAX_TEXT)


@pytest.mark.parametrize("text", [b"", b"  \n", b'{"msg": "listening", "fields": {"port": 1}}'])
def test_lines_about_something_else(text: bytes) -> None:
    """A whole service log can be given."""
    assert read_line(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"boundary_request owner=joe decision=allow", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b'{"session_id": "' + b"[" * 100, "not a JSON object"),
        (b"\xff", "not a JSON object"),
        (b'{"a": "' + b"x" * MAX_LINE + b'"}', "longer than"),
        (line(session_id=...), "session_id is missing"),
        (line(session_id=7), "session_id is not a text"),
        (line(session_id="x"), "not a UUID"),
        (line(sequence_number=...), "sequence_number is missing"),
        (line(sequence_number=True), "sequence_number is not a non-negative integer"),
        (line(sequence_number=-1), "not a non-negative integer"),
        (line(sequence_number=1.5), "not a non-negative integer"),
        (line(event_time=...), "event_time is missing"),
        (line(event_time="yesterday"), "event_time is not a time"),
        (line(event_time="2026-01-16T00:11:39"), "event_time is not a time"),
        (line(event_time=..., created_at="0001-01-01T00:00:00+23:59"), "created_at is not a time"),
        (line(http_url=...), "http_url is missing"),
        (line(decision="maybe"), "neither allow nor deny"),
    ],
)
def test_what_is_wrong_with_a_line(text: bytes, why: str) -> None:
    """The message names the field and what it should be."""
    with pytest.raises(InvalidLine, match=why):
        read_line(text)
