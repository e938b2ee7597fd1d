"""From a path to a provider and its route, or to an error that says what exists."""

import pytest

from aibridge_core.errors import MethodNotAllowed, RouteNotFound
from aibridge_core.providers.registry import provider
from aibridge_core.providers.routes import Mode
from aibridge_core.routing import Router

ROUTER = Router(
    [
        provider(name="anthropic", type="anthropic", base_url="https://a.example"),
        provider(name="team-b", type="openai", base_url="https://b.example/v1"),
    ]
)


def test_a_route_is_found_by_the_providers_name() -> None:
    """The name is the first segment, the rest is the kind's table."""
    match = ROUTER.resolve("POST", "/team-b/v1/responses")
    assert (match.provider.name, match.path, match.dialect.name) == ("team-b", "/v1/responses", "responses")
    match = ROUTER.resolve("GET", "/anthropic/v1/models")
    assert (match.route.mode, match.dialect.name) == (Mode.PASSTHROUGH, "messages")


@pytest.mark.parametrize("path", ["/nosuch/v1/messages", "/anthropic/v1/admin", "/anthropic", "/", "//v1/messages"])
def test_unknown_ways_name_the_route_and_the_providers(path: str) -> None:
    """So that a wrong base URL can be seen from the message."""
    with pytest.raises(RouteNotFound) as caught:
        ROUTER.resolve("POST", path)
    assert caught.value.message == f"route not supported: POST {path}. Configured providers: anthropic, team-b"


@pytest.mark.parametrize(
    ("path", "meant", "change"),
    [
        ("/team-b/chat/completions", "/team-b/v1/chat/completions", "Put /v1 at the end of"),
        ("/anthropic/messages", "/anthropic/v1/messages", "Put /v1 at the end of"),
        ("/anthropic/v1/v1/messages", "/anthropic/v1/messages", "Take /v1 off the end of"),
    ],
)
def test_a_base_url_that_is_off_by_its_version_is_put_right(path: str, meant: str, change: str) -> None:
    """Clients disagree on who adds `/v1`, and the error says which way it was here."""
    with pytest.raises(RouteNotFound) as caught:
        ROUTER.resolve("POST", path)
    assert f" Did you mean {meant}? {change} the client's base URL. " in caught.value.message


@pytest.mark.parametrize("path", ["/v1/anthropic/messages", "/v1/anthropic/v1/messages"])
def test_a_version_before_the_providers_name_gets_no_advice_about_the_end(path: str) -> None:
    """Neither one more nor one less at the end of the base URL would help."""
    with pytest.raises(RouteNotFound) as caught:
        ROUTER.resolve("POST", path)
    assert "Did you mean" not in caught.value.message


def test_without_providers_the_message_says_so() -> None:
    """An empty configuration is a likely reason."""
    with pytest.raises(RouteNotFound, match="Configured providers: none"):
        Router([]).resolve("GET", "/anthropic/v1/models")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_bridged_routes_take_post(method: str) -> None:
    """Passthrough routes take any method."""
    with pytest.raises(MethodNotAllowed, match=f"takes POST, not {method}"):
        ROUTER.resolve(method, "/anthropic/v1/messages")
    assert ROUTER.resolve(method, "/anthropic/v1/models")


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/anthropic/v1/nothing", "messages"),
        ("/team-b/v1/responses", "responses"),
        ("/team-b/v1/nothing", "chat_completions"),
        ("/nosuch/v1/messages", "messages"),
        ("/nosuch/v1/responses", "chat_completions"),
        ("/", "chat_completions"),
    ],
)
def test_errors_speak_the_clients_dialect(path: str, dialect: str) -> None:
    """Even where no route exists."""
    assert ROUTER.dialect(path).name == dialect


def test_providers_can_be_exchanged() -> None:
    """A match that was found goes on with its provider; the next one is found among the new ones."""
    old = provider(name="team-b", type="openai", base_url="https://old.example/v1")
    new = provider(name="team-b", type="openai", base_url="https://new.example/v1")
    router = Router([old])
    running = router.resolve("POST", "/team-b/v1/responses")
    router.replace([new])
    assert running.provider is old
    assert router.resolve("POST", "/team-b/v1/responses").provider is new
    assert router.providers == [new]
