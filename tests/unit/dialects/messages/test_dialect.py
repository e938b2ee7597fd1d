"""How the gateway speaks for itself in the Messages API."""

import json

import pytest

from aibridge_core import errors
from aibridge_core.dialects.messages import MessagesDialect
from support.answers import STREAM

DIALECT = MessagesDialect()


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (errors.MalformedRequest, 400, "invalid_request_error"),
        (errors.Unauthenticated, 401, "authentication_error"),
        (errors.Forbidden, 403, "permission_error"),
        (errors.RouteNotFound, 404, "not_found_error"),
        (errors.MethodNotAllowed, 405, "invalid_request_error"),
        (errors.UnsupportedCoding, 415, "invalid_request_error"),
        (errors.RequestTooLarge, 413, "request_too_large"),
        (errors.UpgradeRefused, 426, "invalid_request_error"),
        (errors.NotSupported, 501, "not_supported"),
        (errors.NoUpstreamCredential, 502, "api_error"),
        (errors.UpstreamUnreachable, 502, "api_error"),
        (errors.UpstreamBroken, 502, "api_error"),
        (errors.UpstreamTimeout, 504, "timeout_error"),
        (errors.RecordingFailed, 503, "overloaded_error"),
        (errors.ShuttingDown, 503, "overloaded_error"),
        (errors.InternalError, 500, "api_error"),
    ],
)
def test_every_error_has_a_name_in_this_api(kind: type[errors.BridgeError], status: int, name: str) -> None:
    """Clients decide by it whether to come again."""
    refused = json.loads(DIALECT.refuse(kind("That's «why»\n")))
    assert kind.status == status
    assert refused == {"type": "error", "error": {"type": name, "message": "That's «why»\n"}}


def test_every_client_fault_is_told_so() -> None:
    """No error that is the client's own is called one of the API's, also those that are yet to come."""
    todo = [errors.ClientFault]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        assert json.loads(DIALECT.refuse(kind("x")))["error"]["type"] != "api_error", kind


def test_a_message_that_quotes_half_a_surrogate_pair() -> None:
    """Whatever a message quotes, it can be sent."""
    assert json.loads(DIALECT.refuse(errors.RouteNotFound("/\ud83d")))["error"]["message"] == "/?"


def test_an_error_inside_a_stream_is_an_event() -> None:
    """It is one event, in one line of data."""
    name, data, *blank = DIALECT.error_event(errors.UpstreamBroken("gone\n\naway")).decode().split("\n")
    assert (name, blank) == ("event: error", ["", ""])
    assert json.loads(data.removeprefix("data: "))["error"] == {"type": "api_error", "message": "gone\n\naway"}


def test_a_sign_of_life_is_due_in_a_silent_stream() -> None:
    """Between two events, and as soon as the answer has begun."""
    interceptor = DIALECT.intercept(b'{"model":"m","stream":true}')
    assert interceptor.keep_alive() == b""
    interceptor.begin_turn(STREAM)
    assert interceptor.keep_alive() == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert interceptor.edits_answers is False
