"""Our own errors in OpenAI's shape: the official SDK, without a network, raises what its users expect."""

import inspect
import json
from collections.abc import Callable, Iterator

import httpx2
import openai
import pytest

from aibridge_core import errors
from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.dialects.openai_errors import error_body, reported
from aibridge_core.dialects.responses import ResponsesDialect
from aibridge_core.errors import BridgeError, RouteNotFound, Unauthenticated, UpstreamBroken, UpstreamTimeout

OURS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BridgeError)]


def client(status: int, body: bytes, kind: str = "application/json") -> openai.OpenAI:
    """The SDK, in front of a provider that always answers this."""
    answer = httpx2.MockTransport(lambda _: httpx2.Response(status, content=body, headers={"content-type": kind}))
    return openai.OpenAI(
        api_key="k", base_url="http://gateway", max_retries=0, http_client=httpx2.Client(transport=answer)
    )


def chat(sdk: openai.OpenAI) -> object:
    return sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def responses(sdk: openai.OpenAI) -> object:
    return sdk.responses.create(model="m", input="hi")


def chat_stream(sdk: openai.OpenAI) -> Iterator[object]:
    return iter(sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True))


def responses_stream(sdk: openai.OpenAI) -> Iterator[object]:
    return iter(sdk.responses.create(model="m", input="hi", stream=True))


@pytest.mark.parametrize(
    ("status", "error_type", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "authentication_error", "invalid_api_key"),
        (403, "permission_error", "permission_denied"),
        (404, "not_found_error", "route_not_found"),
        (405, "invalid_request_error", "method_not_allowed"),
        (413, "invalid_request_error", "request_too_large"),
        (415, "invalid_request_error", "unsupported_content_encoding"),
        (418, "invalid_request_error", None),
        (426, "invalid_request_error", "upgrade_refused"),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (500, "server_error", "internal_error"),
        (501, "invalid_request_error", "not_supported"),
        (502, "server_error", "bad_gateway"),
        (503, "server_error", "service_unavailable"),
        (504, "server_error", "timeout"),
    ],
)
def test_every_status_has_its_names(status: int, error_type: str, code: str | None) -> None:
    """They are OpenAI's where it has some."""

    class Ours(BridgeError):
        pass

    Ours.status = status
    expected = {"error": {"message": "what to do", "type": error_type, "param": None, "code": code}}
    assert json.loads(error_body(Ours("what to do"))) == expected


def test_refused_keys_are_no_bad_gateway() -> None:
    """The provider was reached: what is wrong is what it was shown, and the names say so."""
    names = json.loads(error_body(errors.KeysUnauthorized("x")))["error"]
    assert (names["type"], names["code"]) == ("api_error", "server_error")


@pytest.mark.parametrize("kind", OURS)
def test_no_error_of_ours_tells_codex_to_give_up(kind: type[BridgeError]) -> None:
    """It exits at the code `model_not_found`, which a wrong route or a restart must not cause."""
    assert b"model_not_found" not in error_body(kind("x"))


def test_a_message_that_is_no_unicode_is_said_all_the_same() -> None:
    """It may quote a request."""
    assert json.loads(error_body(RouteNotFound("no route /\ud83d")))["error"]["message"] == "no route /?"


@pytest.mark.parametrize("dialect", [ChatCompletionsDialect(), ResponsesDialect()])
@pytest.mark.parametrize("call", [chat, responses])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (errors.MalformedRequest("what to do"), openai.BadRequestError),
        (Unauthenticated("what to do"), openai.AuthenticationError),
        (errors.Forbidden("what to do"), openai.PermissionDeniedError),
        (RouteNotFound("what to do"), openai.NotFoundError),
        (errors.RecordingFailed("what to do"), openai.InternalServerError),
        (UpstreamTimeout("what to do"), openai.InternalServerError),
    ],
)
def test_the_sdk_raises_a_refusal_with_its_message(
    dialect: ChatCompletionsDialect | ResponsesDialect,
    call: Callable[[openai.OpenAI], object],
    error: BridgeError,
    raised: type[openai.APIStatusError],
) -> None:
    """People see what to do, programs the code."""
    with pytest.raises(raised, match="what to do") as caught:
        call(client(error.status, dialect.refuse(error)))
    assert caught.value.code == json.loads(error_body(error))["error"]["code"]


@pytest.mark.parametrize(
    ("dialect", "stream"),
    [(ChatCompletionsDialect(), chat_stream), (ResponsesDialect(), responses_stream)],
)
def test_the_sdk_raises_an_error_inside_a_stream(
    dialect: ChatCompletionsDialect | ResponsesDialect, stream: Callable[[openai.OpenAI], Iterator[object]]
) -> None:
    """Not a stream that just ends: that would pass for a short answer. Comments are no events."""
    body = dialect.keep_alive + dialect.error_event(UpstreamBroken("the provider's connection broke off"))
    with pytest.raises(openai.APIError, match="the provider's connection broke off"):
        next(stream(client(200, body, "text/event-stream")))


def test_the_error_event_is_one_of_the_responses_api() -> None:
    """Clients that read events by type find every field of its error event."""
    _, data = ResponsesDialect().error_event(UpstreamBroken("gone")).removesuffix(b"\n\n").split(b"\n")
    event = openai.types.responses.ResponseErrorEvent.model_validate_json(data.removeprefix(b"data: "), strict=True)
    assert (event.type, event.message, event.code, event.param) == ("error", "gone", "bad_gateway", None)


def test_our_own_errors_read_back_as_what_they_are() -> None:
    """One gateway may stand behind another."""
    kinds = {kind.status: reported(json.loads(error_body(kind("x")))["error"]).error_type for kind in OURS}
    assert kinds[400] == "bad_request"
    assert kinds[401] == "unauthorized"
    assert kinds[503] == "overloaded"
    assert kinds[504] == "timeout"
