"""A provider's table says which routes exist, and where a credential stands."""

import pytest

from aibridge_core.actors import CredentialKind
from aibridge_core.errors import NoUpstreamCredential
from aibridge_core.providers.api import Provider
from aibridge_core.providers.registry import KINDS, provider
from aibridge_core.providers.routes import Mode

ANTHROPIC = provider(name="anthropic", type="anthropic", base_url="https://a.example/base/", keys=["sk-central"])
OPENAI = provider(name="openai", type="openai", base_url="https://o.example/v1/", keys=["sk-central"])
KEYLESS = provider(name="team", type="openai", base_url="https://o.example/v1")


@pytest.mark.parametrize(
    ("where", "path", "mode", "dialect"),
    [
        (ANTHROPIC, "/v1/messages", Mode.BRIDGED, "messages"),
        (ANTHROPIC, "/v1/messages/count_tokens", Mode.PASSTHROUGH, ""),
        (ANTHROPIC, "/v1/models", Mode.PASSTHROUGH, ""),
        (ANTHROPIC, "/v1/models/claude-x", Mode.PASSTHROUGH, ""),
        (ANTHROPIC, "/api/event_logging/batch", Mode.PASSTHROUGH, ""),
        (OPENAI, "/v1/chat/completions", Mode.BRIDGED, "chat_completions"),
        (OPENAI, "/v1/responses", Mode.BRIDGED, "responses"),
        (OPENAI, "/v1/responses/resp_1", Mode.PASSTHROUGH, ""),
        (OPENAI, "/v1/conversations/conv_1/items", Mode.PASSTHROUGH, ""),
        (OPENAI, "/v1/models", Mode.PASSTHROUGH, ""),
    ],
)
def test_routes(where: Provider, path: str, mode: Mode, dialect: str) -> None:
    """A path that ends with a slash stands for its subtree."""
    route = where.route(path)
    assert route is not None
    assert (route.mode, route.dialect) == (mode, dialect)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (ANTHROPIC, "/v1/organizations/users"),
        (ANTHROPIC, "/v1/messages/"),
        (ANTHROPIC, "/v1/messages/batches"),
        (ANTHROPIC, "/v1/models/../organizations"),
        (ANTHROPIC, "/v1/models/%2e%2E/organizations"),
        (ANTHROPIC, "/v1/models/..%2forganizations"),
        (ANTHROPIC, "/v1/models/..%5Corganizations"),
        (ANTHROPIC, "/"),
        (OPENAI, "/v1/completions"),
        (OPENAI, "/chat/completions"),
        (OPENAI, "/v1chat/completions"),
        (OPENAI, "/v1"),
    ],
)
def test_everything_else_is_no_route(where: Provider, path: str) -> None:
    """Nor can a subtree be left by dot segments, however they are spelt."""
    assert where.route(path) is None


def test_urls_join_the_base_and_keep_the_query() -> None:
    """The prefix that an OpenAI base URL already holds isn't doubled; the path stays percent-encoded."""
    assert ANTHROPIC.url("/v1/messages", b"beta=true") == "https://a.example/base/v1/messages?beta=true"
    assert OPENAI.url("/v1/responses", b"") == "https://o.example/v1/responses"
    assert KEYLESS.url("/v1/models/a%20b", b"x=%3D&y") == "https://o.example/v1/models/a%20b?x=%3D&y"


def test_the_central_key_is_sent_where_the_api_wants_it() -> None:
    """x-api-key for Anthropic, a bearer for OpenAI; the client's own headers don't matter."""
    headers = ((b"authorization", b"Bearer gateway-token"), (b"x-api-key", b"gateway-token"))
    chosen = ANTHROPIC.credential(headers, own=False)
    assert (chosen.kind, chosen.header, chosen.value) == (CredentialKind.CENTRALIZED, b"x-api-key", b"sk-central")
    chosen = OPENAI.credential(headers, own=False)
    assert (chosen.header, chosen.value) == (b"authorization", b"Bearer sk-central")


def test_an_own_credential_wins_and_keeps_its_header() -> None:
    """A key before a bearer; the scheme's letters don't matter."""
    both = ((b"authorization", b"bearer own-oauth"), (b"x-api-key", b"own-key"))
    chosen = ANTHROPIC.credential(both, own=True, gateway_token="tok")
    assert (chosen.kind, chosen.header, chosen.value) == (CredentialKind.BYOK, b"x-api-key", b"own-key")
    chosen = ANTHROPIC.credential(both[:1], own=True, gateway_token="tok")
    assert (chosen.header, chosen.value, chosen.hint) == (b"authorization", b"Bearer own-oauth", "o...h")


def test_the_gateway_token_is_never_taken_for_an_own_credential() -> None:
    """Clients that put it everywhere get the central key."""
    headers = ((b"authorization", b"Bearer tok"), (b"x-api-key", b"tok"))
    assert ANTHROPIC.credential(headers, own=True, gateway_token="tok").kind is CredentialKind.CENTRALIZED


@pytest.mark.parametrize("value", [b"", b"Basic abc", b"Bearer", b"Bearer  "])
def test_without_any_credential_the_request_is_refused_with_advice(value: bytes) -> None:
    """The message names the provider and the header."""
    with pytest.raises(NoUpstreamCredential, match=r'"team" has no key.*Authorization.*X-AIBridge-Token'):
        KEYLESS.credential(((b"authorization", value),), own=True)


def test_every_kind_has_places_and_a_dialect() -> None:
    """The registry holds no half kinds."""
    assert all(kind.places and kind.dialect and kind.routes for kind in KINDS.values())
    assert "sk-central" not in repr(ANTHROPIC)
