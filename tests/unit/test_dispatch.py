"""Tries before the first byte: other keys, and connections that failed."""

import pytest

from aibridge_core.actors import Credential, CredentialKind
from aibridge_core.dispatch import Dispatch, Retries, client_deadline
from aibridge_core.errors import BridgeError, KeysRateLimited, UpstreamTimeout, UpstreamUnreachable
from aibridge_core.keys import KeyPool, KeysTried, KeyWalk, OneCredential
from aibridge_core.observing import UNWATCHED
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import ScriptedAnswer, ScriptedUpstream
from aibridge_core.wire import UpstreamRequest, header

pytestmark = pytest.mark.anyio

REQUEST = UpstreamRequest(method="POST", url="https://a.example/v1", headers=((b"x-api-key", b"?"),), body=b"{}")


def credential(secret: str) -> Credential:
    return Credential(kind=CredentialKind.CENTRALIZED, header=b"x-api-key", value=secret.encode(), secret=secret)


class World:
    """A dispatch over scripted answers; pauses pass at once and are remembered."""

    def __init__(self, *answers: ScriptedAnswer, keys: int = 1, retries: int = 0) -> None:
        self.clock = FakeClock()
        self.upstream = ScriptedUpstream(*answers)
        self.pauses: list[float] = []
        self.told: list[object] = []
        pool = KeyPool("anthropic", [f"sk-{number}" for number in range(keys)], tell=self.told.append)
        self.dispatch = Dispatch(
            upstream=self.upstream,
            keys=KeyWalk(pool, "s", credential) if keys > 1 else OneCredential(credential("sk-0")),
            retries=Retries(most=retries, sleep=self._sleep, random=lambda: 1.0),
            clock=self.clock,
            watch=UNWATCHED,
            deadline=self.clock.monotonic() + 1.0,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def status(self) -> int:
        async with self.dispatch.call(REQUEST) as answer:
            return answer.head.status

    def sent_keys(self) -> list[str | None]:
        return [header(request.headers, b"x-api-key") for request in self.upstream.requests]


GOOD = ScriptedAnswer()
UNREACHABLE = ScriptedAnswer(refusal=UpstreamUnreachable("nobody there"))


def limited(seconds: int = 9) -> ScriptedAnswer:
    return ScriptedAnswer(status=429, headers=((b"retry-after", b"%d" % seconds),))


async def test_the_credential_goes_into_its_place() -> None:
    """Once, whatever stood there."""
    world = World(GOOD)
    assert await world.status() == 200
    assert [request.headers for request in world.upstream.requests] == [((b"x-api-key", b"sk-0"),)]


async def test_a_limited_key_is_passed_over() -> None:
    """The client sees the answer that another key brought; connections of the tries are closed."""
    world = World(limited(), GOOD, keys=2)
    assert await world.status() == 200
    assert sorted(map(str, world.sent_keys())) == ["sk-0", "sk-1"]
    assert world.upstream.open_exchanges == 0
    assert world.told[-1] == KeysTried(provider="anthropic", count=2)


async def test_with_one_key_every_answer_is_the_clients() -> None:
    """There is nothing else to try."""
    assert await World(limited()).status() == 429


async def test_when_no_key_is_left() -> None:
    """The shortest wait is told; later requests don't even try until it is over."""
    world = World(limited(9), limited(4), GOOD, keys=2)
    with pytest.raises(KeysRateLimited, match="retry after 4s"):
        await world.status()
    with pytest.raises(KeysRateLimited):
        await world.status()
    assert len(world.upstream.requests) == 2
    world.clock.turn(4)
    assert await world.status() == 200


async def test_a_connection_that_failed_is_tried_again() -> None:
    """After pauses that grow."""
    world = World(UNREACHABLE, UNREACHABLE, GOOD, retries=2)
    assert await world.status() == 200
    assert world.pauses == [0.25, 0.5]


async def test_tries_end() -> None:
    """With the last one's error."""
    world = World(UNREACHABLE, UNREACHABLE, UNREACHABLE, GOOD, retries=2)
    with pytest.raises(UpstreamUnreachable):
        await world.status()
    assert len(world.upstream.requests) == 3


async def test_no_try_after_the_client_has_given_up() -> None:
    """A pause that ends after the client's own deadline isn't begun."""
    world = World(*[UNREACHABLE] * 9, retries=8)
    world.clock.turn(0.6)
    with pytest.raises(UpstreamUnreachable):
        await world.status()
    assert world.pauses == [0.25]


@pytest.mark.parametrize(
    "answer",
    [ScriptedAnswer(refusal=UpstreamTimeout("silent")), ScriptedAnswer(status=503), ScriptedAnswer(status=500)],
)
async def test_nothing_else_is_tried_again(answer: ScriptedAnswer) -> None:
    """What the provider may have worked on isn't asked for twice, and its errors are the client's."""
    world = World(answer, GOOD, retries=2, keys=2)
    try:
        assert await world.status() >= 500
    except BridgeError:
        assert answer.refusal
    assert len(world.upstream.requests) == 1


@pytest.mark.parametrize(("value", "deadline"), [(b"600", 700.0), (b"", None), (b"0", None), (b"x", None)])
def test_the_sdks_say_when_they_give_up(value: bytes, deadline: float | None) -> None:
    """In seconds; nonsense is no deadline."""
    assert client_deadline(((b"x-stainless-timeout", value),), 100.0) == (deadline or float("inf"))
