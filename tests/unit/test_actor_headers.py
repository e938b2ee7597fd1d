"""Telling providers who asks."""

import pytest

from aibridge_core.actor_headers import ID, NO_ACTOR_HEADERS, USERNAME, ActorHeaders, problem_with
from aibridge_core.actors import Actor

ANN = Actor(id="u-1", username="ann")
BOTH = ActorHeaders(id_name=ID, username_name=USERNAME)
KEPT = ((b"user-agent", b"x"), (b"authorization", b"Bearer sk"))


def test_the_person_is_named() -> None:
    """By id and username; everything else stays as it is."""
    assert BOTH.onto(KEPT, ANN) == (
        *KEPT,
        (b"x-ai-bridge-actor-id", b"u-1"),
        (b"x-ai-bridge-actor-metadata-username", b"ann"),
    )


def test_nobody_is_named_unless_asked_for() -> None:
    """Without names nothing changes."""
    assert NO_ACTOR_HEADERS.onto(KEPT, ANN) is KEPT


def test_an_empty_name_leaves_one_out() -> None:
    """Each can be had alone."""
    assert ActorHeaders(username_name="X-Who").onto((), ANN) == ((b"x-who", b"ann"),)


def test_a_client_cannot_say_who_it_is() -> None:
    """Its own header of that name goes, however often it stands there."""
    claimed = ((b"x-who", b"root"), *KEPT, (b"x-who", b"admin"))
    assert ActorHeaders(id_name="X-Who").onto(claimed, ANN) == (*KEPT, (b"x-who", b"u-1"))


@pytest.mark.parametrize(
    ("username", "written"),
    [
        ("ann.o'neill+1@x.org", b"ann.o'neill+1@x.org"),
        ("100%", b"100%"),
        ("Zoë Müller", b"Zo%C3%AB M%C3%BCller"),
        ("é%41", b"%C3%A9%2541"),
        ("a\r\nx-evil: 1", b"a%0D%0Ax-evil: 1"),
    ],
)
def test_any_name_can_be_written(username: str, written: bytes) -> None:
    """Plain ASCII as it is, anything else percent-encoded; a line break never ends a header."""
    actor = Actor(id="u-1", username=username)
    assert ActorHeaders(username_name="X-Who").onto((), actor) == ((b"x-who", written),)


@pytest.mark.parametrize("name", [ID, USERNAME, ID.lower(), "X-Employee", "X-Employee_1"])
def test_names_that_can_be_used(name: str) -> None:
    """The usual ones, and whatever means nothing else."""
    assert problem_with(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "X-Api-Key", "api-key", "Cookie", "Set-Cookie", "Host", "User-Agent", "Content-Type",
        "Accept-Encoding", "Connection", "TE", "Forwarded", "X-Forwarded-User", "Proxy-Authorization",
        "Coder-Session-Token", "X-AIBridge-Token", "X-Coder-AI-Governance-Token", "X-Coder-Agent-Firewall-Session-Id",
        "X-AI-Bridge-Actor-Metadata-Name", "X-Amz-Date", "Anthropic-Version", "anthropic-beta", "OpenAI-Organization",
        "ChatGPT-Account-Id", "X-Stainless-Timeout", "traceparent", "Accept", "Idempotency-Key", "Sec-WebSocket-Key",
    ],
)  # fmt: skip
def test_names_that_are_taken(name: str) -> None:
    """Credentials, framing, the gateway's own, and what a provider reads in another sense."""
    assert "reserved" in problem_with(name)


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nY", "Ünicode"])
def test_names_that_are_none(name: str) -> None:
    """What HTTP doesn't take (RFC 9110, section 5.6.2)."""
    assert problem_with(name)
