"""A small organisation: a store in memory, a clock that stands still, and what manages users on top."""

from collections.abc import Callable
from itertools import count
from uuid import UUID

import pytest

from aibridge_adapters.identity import StoredAuthenticator, Users
from aibridge_core.testing.clock import FakeClock
from integration.identity.watched_store import WatchedStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def new_id() -> Callable[[], str]:
    numbers = count(1)
    return lambda: str(UUID(int=next(numbers)))


@pytest.fixture
def users(store: WatchedStore, clock: FakeClock, new_id: Callable[[], str]) -> Users:
    return Users(store, clock, new_id)


@pytest.fixture
def authenticator(store: WatchedStore, clock: FakeClock) -> StoredAuthenticator:
    return StoredAuthenticator(store, clock, bootstrap_token="bootstrap-secret-of-automation")
