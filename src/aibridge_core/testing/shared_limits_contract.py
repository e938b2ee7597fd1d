"""The contract of limits that replicas share, as tests. Subclass `SharedLimitsContract` and override one fixture:

    class TestMySharedLimits(SharedLimitsContract):
        @pytest.fixture
        def world(self):
            return MyWorld()

Each test begins with empty counts. pytest and anyio are needed.

Belongs here: the rules of the SharedLimits port, seen through the port. Never: how an adapter keeps them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pytest
from attrs import field, frozen

from aibridge_core.limits import Bounds, Limit, Limits, Refused
from aibridge_core.sharing import Question, Ruling, SharedLimits

LEASE = 30.0
"""Of replicas in tests, in seconds."""


class World(Protocol):
    """Where replicas share limits."""

    async def replica(self, name: str) -> SharedLimits:
        """One that lives; always the same for a name."""
        ...

    async def kill(self, name: str) -> None:
        """It gives no sign of life for longer than its lease."""
        ...

    async def wait(self, seconds: float) -> None:
        """Time passes."""
        ...


@frozen
class Replica:
    """Asks as one replica does."""

    shared: SharedLimits
    limits: Limits
    running: dict[str, int] = field(factory=dict)
    """By user, as this replica knows it."""

    async def ask(self, *users: str) -> Sequence[Limit | None]:
        """By which limit each of these requests is refused."""
        return [each.by if each else None for each in (await self.rule(*users)).verdicts]

    async def rule(self, *users: str, changed: Mapping[str, int] | None = None) -> Ruling:
        """Everything that is answered; what is let in runs from now on."""
        self.running.update(changed or {})
        question = Question(
            limits=self.limits,
            users=users,
            running={user: self.running.get(user, 0) for user in {*users, *(changed or {})}},
            together=sum(self.running.values()),
            lease=LEASE,
        )
        ruling = await self.shared.rule(question, within=20.0)
        for user, refused in zip(users, ruling.verdicts, strict=True):
            if refused is None:
                self.running[user] = self.running.get(user, 0) + 1
        return ruling


def limits(*, rps: int = 0, concurrent: int = 0, user_rps: int = 0, user_concurrent: int = 0) -> Limits:
    """Some."""
    return Limits(
        together=Bounds(rps=rps, concurrent=concurrent), per_user=Bounds(rps=user_rps, concurrent=user_concurrent)
    )


@pytest.mark.anyio
class SharedLimitsContract:
    """The SharedLimits port."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The gateway runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def world(self) -> World:
        """Override this one."""
        raise NotImplementedError

    async def test_a_rate_is_one_for_all_replicas(self, world: World) -> None:
        """Whoever asks first gets it; a refusal says when to come back, and then there is room again."""
        one, two = [Replica(await world.replica(name), limits(rps=3)) for name in ("one", "two")]
        assert await one.ask("ann", "bob") == [None, None]
        found = (await two.rule("ann", "eve", "eve")).verdicts
        assert [each and each.by for each in found] == [None, Limit.RATE, Limit.RATE]
        assert isinstance(found[1], Refused)
        assert 0 < found[1].wait <= 1
        await world.wait(1.001)
        assert await two.ask("eve", "eve", "eve", "eve") == [None, None, None, Limit.RATE]

    async def test_a_rate_of_a_person(self, world: World) -> None:
        """Others don't suffer from it, in whatever order they come."""
        one, two = [Replica(await world.replica(name), limits(user_rps=2)) for name in ("one", "two")]
        assert await one.ask("ann") == [None]
        assert await two.ask("ann", "bob", "ann", "bob", "bob") == [None, None, Limit.USER_RATE, None, Limit.USER_RATE]

    async def test_places_are_those_of_all_replicas(self, world: World) -> None:
        """A place is free when its replica says so; saying it twice frees no second one."""
        one, two = [Replica(await world.replica(name), limits(concurrent=2)) for name in ("one", "two")]
        assert await one.ask("ann") == [None]
        assert await two.ask("bob", "bob") == [None, Limit.CONCURRENT]
        for _ in range(2):
            await one.rule(changed={"ann": 0})
        assert await two.ask("bob", "bob") == [None, Limit.CONCURRENT]
        assert await one.ask("ann") == [Limit.CONCURRENT]

    async def test_places_of_a_person(self, world: World) -> None:
        """Counted over all replicas, each person by itself."""
        one, two = [Replica(await world.replica(name), limits(user_concurrent=2)) for name in ("one", "two")]
        assert await one.ask("ann", "bob") == [None, None]
        assert await two.ask("ann", "ann", "bob") == [None, Limit.USER_CONCURRENT, None]

    async def test_a_refused_request_uses_nothing_up(self, world: World) -> None:
        """What a person is refused doesn't count for everybody, nor what everybody is refused for the person."""
        bounds = limits(rps=3, user_rps=2, concurrent=2)
        one, two = [Replica(await world.replica(name), bounds) for name in ("one", "two")]
        assert await one.ask("ann", "ann", "ann") == [None, None, Limit.USER_RATE]
        assert await two.ask("bob", "bob", "bob") == [Limit.CONCURRENT] * 3
        await one.rule(changed={"ann": 0})
        assert await two.ask("bob", "bob", "bob") == [None, Limit.RATE, Limit.RATE]

    async def test_the_order_of_refusals(self, world: World) -> None:
        """What one person can change comes first."""
        bounds = limits(rps=1, user_rps=1, concurrent=1, user_concurrent=1)
        one, two = [Replica(await world.replica(name), bounds) for name in ("one", "two")]
        assert await one.ask("ann", "ann", "bob") == [None, Limit.USER_CONCURRENT, Limit.CONCURRENT]
        await one.rule(changed={"ann": 0})
        assert await two.ask("ann", "bob") == [Limit.USER_RATE, Limit.RATE]

    async def test_places_of_a_dead_replica_are_free(self, world: World) -> None:
        """Its lease says so; if it lives all the same, its next word counts again."""
        one, two = [Replica(await world.replica(name), limits(concurrent=2)) for name in ("one", "two")]
        assert await one.ask("ann", "ann") == [None, None]
        assert (await two.rule("bob")).replicas == 2
        assert await two.ask("bob") == [Limit.CONCURRENT]
        await world.kill("one")
        ruling = await two.rule("bob", "bob", "bob")
        assert [each and each.by for each in ruling.verdicts] == [None, None, Limit.CONCURRENT]
        assert ruling.replicas == 1
        await world.replica("one")
        await one.rule(changed={"ann": 2})
        await two.rule(changed={"bob": 0})
        assert await two.ask("bob") == [Limit.CONCURRENT]

    async def test_tidying_changes_no_answer(self, world: World) -> None:
        """Whatever is forgotten, what runs is known."""
        one, two = [Replica(await world.replica(name), limits(concurrent=3)) for name in ("one", "two")]
        for count in (2, 1, 2):
            await one.rule(changed={"ann": count})
        await world.wait(6.0)
        for shared in (one.shared, two.shared, one.shared):
            await shared.tidy(lease=LEASE)
        assert await two.ask("bob", "bob") == [None, Limit.CONCURRENT]

    async def test_ids_of_people_may_be_any_text(self, world: World) -> None:
        """Long ones, and those with characters that not every database takes; none is taken for everybody."""
        one = Replica(await world.replica("one"), limits(rps=8, user_rps=1))
        users = ["a" * 5000, "a" * 4999, "nul \x00", "nul \u2400", "*", "", "user \U0001f600"]
        assert await one.ask(*users) == [None] * len(users)
        assert await one.ask(*users) == [Limit.USER_RATE] * len(users)
