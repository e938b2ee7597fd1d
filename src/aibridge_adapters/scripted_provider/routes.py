"""What a scripted provider serves where, and how its requests and errors look there.

Belongs here: the table of routes. Never: HTTP itself (app) or what is answered (a script).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from aibridge_adapters.scripted_provider import openai_errors
from aibridge_adapters.scripted_provider.chat_completions import request as chat_request
from aibridge_adapters.scripted_provider.chat_completions.answer import ChatCompletionsAnswer
from aibridge_adapters.scripted_provider.messages import answer as messages_answer
from aibridge_adapters.scripted_provider.messages import request as messages_request
from aibridge_adapters.scripted_provider.messages.answer import MessagesAnswer
from aibridge_adapters.scripted_provider.responses import request as responses_request
from aibridge_adapters.scripted_provider.responses.answer import ResponsesAnswer
from aibridge_adapters.scripted_provider.values import Answer, HttpFailure, Turn
from aibridge_adapters.scripted_provider.wire import EPOCH, AnswerForm, NewId

Json = dict[str, Any]


@frozen(kw_only=True)
class Vendor:
    """Whose manners a route has."""

    request_id_header: str
    limit_headers: Mapping[str, str]
    """Of every answer, as the real API sends them."""
    failure: Callable[[HttpFailure, str, str | None], Json]
    """The body of an error, from the failure, a request id and the parameter at fault."""


ANTHROPIC = Vendor(
    request_id_header="request-id",
    limit_headers={
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:01:00Z",
    },
    failure=messages_answer.failure_body,
)

OPENAI = Vendor(
    request_id_header="x-request-id",
    limit_headers={
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "4000",
        "x-ratelimit-remaining-requests": "3999",
        "x-ratelimit-reset-requests": "60s",
    },
    failure=openai_errors.failure_body,
)


@frozen(kw_only=True)
class Conversing:
    """A route that is answered by the script."""

    read: Callable[[Mapping[str, Any]], Turn]
    form: Callable[[Turn, Answer, NewId], AnswerForm]


@frozen(kw_only=True)
class Telling:
    """A route with a fixed rule. `tell`: from the request's JSON, its path's last segment and its query."""

    tell: Callable[[Any, str, str], Json]


@frozen(kw_only=True)
class Route:
    """One line of the table. `path`: how the path ends, whatever the base path is."""

    method: str
    path: re.Pattern[str]
    vendor: Vendor
    serves: Conversing | Telling


CLAUDE, GPT = "claude-scripted-1", "gpt-scripted-1"
"""The models that are listed; any name is accepted."""


def _count_tokens(body: Any, _: str, __: str) -> Json:
    usage = messages_request.cost(body)
    return {"input_tokens": usage.input + usage.cache_read + usage.cache_write}


def _anthropic_model(name: str) -> Json:
    return {"type": "model", "id": name, "display_name": "Scripted", "created_at": "2026-01-01T00:00:00Z"}


def _openai_model(name: str) -> Json:
    return {"id": name, "object": "model", "created": EPOCH, "owned_by": "aibridge"}


def _anthropic_models(_: Any, __: str, ___: str) -> Json:
    return {"data": [_anthropic_model(CLAUDE)], "has_more": False, "first_id": CLAUDE, "last_id": CLAUDE}


def _openai_models(_: Any, __: str, query: str) -> Json:
    # Codex asks with its version for a catalogue of another form; an empty one makes it keep its own.
    if "client_version=" in query:
        return {"models": []}
    return {"object": "list", "data": [_openai_model(GPT)]}


def _route(method: str, path: str, vendor: Vendor, serves: Conversing | Telling) -> Route:
    return Route(method=method, path=re.compile(rf"(?:/.*)?/{path}/?"), vendor=vendor, serves=serves)


_MESSAGES = Conversing(read=messages_request.read, form=MessagesAnswer)
_CHAT = Conversing(read=chat_request.read, form=ChatCompletionsAnswer)
_RESPONSES = Conversing(read=responses_request.read, form=ResponsesAnswer)

ROUTES = (
    _route("POST", "messages", ANTHROPIC, _MESSAGES),
    _route("POST", "messages/count_tokens", ANTHROPIC, Telling(tell=_count_tokens)),
    _route("POST", "chat/completions", OPENAI, _CHAT),
    _route("POST", "responses", OPENAI, _RESPONSES),
    # Both vendors list their models under one path; the header that Anthropic requires tells them apart.
    _route("GET", "models", ANTHROPIC, Telling(tell=_anthropic_models)),
    _route("GET", "models", OPENAI, Telling(tell=_openai_models)),
    _route("GET", "models/[^/]+", ANTHROPIC, Telling(tell=lambda _, name, __: _anthropic_model(name))),
    _route("GET", "models/[^/]+", OPENAI, Telling(tell=lambda _, name, __: _openai_model(name))),
)


def vendor_of(path: str, *, says_anthropic_version: bool) -> Vendor:
    """Whose manners a request expects, whether or not there is a route for it."""
    return ANTHROPIC if says_anthropic_version or re.search(r"/messages(?:/|$)", path) else OPENAI


def find_route(method: str, path: str, vendor: Vendor) -> Route | HttpFailure:
    """The route of a request, or why there is none."""
    here = [route for route in ROUTES if route.vendor is vendor and route.path.fullmatch(path)]
    if not here:
        return HttpFailure(status=404, message=f"The scripted provider doesn't serve {path}.")
    for route in here:
        if route.method == method:
            return route
    return HttpFailure(status=405, message=f"{path} takes {here[0].method}, not {method}.")
