"""From what the script decided to what goes over the wire.

Belongs here: status, headers and body of a reply. Never: which answer it is.
"""

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from aibridge_adapters.scripted_provider.asgi import Reply
from aibridge_adapters.scripted_provider.routes import Vendor
from aibridge_adapters.scripted_provider.values import Answer, Fault, HttpFailure, Turn
from aibridge_adapters.scripted_provider.wire import AnswerForm, NewId, to_json

BROKEN = "The scripted provider was asked to break off here."


def answer_reply(turn: Turn, answer: Answer, form: AnswerForm, vendor: Vendor, new_id: NewId) -> Reply:
    """An answer of the script, with what goes wrong halfway."""
    cut = answer.fault is Fault.CUT
    if turn.streaming:
        pieces = _events(answer, form)
        headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
        headers += _manners(vendor, new_id("req_"))
        return Reply(status=200, headers=headers, pieces=pieces, wait=answer.wait, pace=answer.pace, cut=cut)
    if answer.fault is Fault.ERROR:
        return failure_reply(HttpFailure(status=500, message=BROKEN), vendor, new_id)
    reply = json_reply(form.body(), vendor, new_id)
    pieces = [piece[: len(piece) // 2] for piece in reply.pieces] if cut else reply.pieces
    return evolve(reply, pieces=pieces, wait=answer.wait, cut=cut)


def _events(answer: Answer, form: AnswerForm) -> Sequence[bytes]:
    events = form.events()
    half = len(events) // 2
    match answer.fault:
        case Fault.NONE:
            return events
        case Fault.CUT:
            return events[:half]
        case Fault.ERROR:
            return [*events[:half], *form.broken(BROKEN, half)]


def failure_reply(failure: HttpFailure, vendor: Vendor, new_id: NewId, parameter: str | None = None) -> Reply:
    """An error status in the API's shape."""
    request_id = new_id("req_")
    body = to_json(vendor.failure(failure, request_id, parameter))
    retry = [("retry-after", str(failure.retry_after))] if failure.retry_after is not None else []
    return _whole(failure.status, body, [*_manners(vendor, request_id), *retry])


def json_reply(value: Any, vendor: Vendor, new_id: NewId) -> Reply:
    """Any JSON with status 200."""
    return _whole(200, to_json(value), _manners(vendor, new_id("req_")))


def _whole(status: int, body: bytes, headers: list[tuple[str, str]]) -> Reply:
    size = [("content-type", "application/json"), ("content-length", str(len(body)))]
    return Reply(status=status, headers=[*size, *headers], pieces=[body])


def _manners(vendor: Vendor, request_id: str) -> list[tuple[str, str]]:
    return [(vendor.request_id_header, request_id), *vendor.limit_headers.items()]
