"""A storage adapter is found by the URL scheme under which a distribution declares it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import Settings
from aibridge_adapters.config_sources import ConfigError, load_settings
from aibridge_adapters.storage import Storage, StorageConfigError, StorageNotOpened, open_storage
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.memory import MemoryStorage
from integration.storage_example.conftest import Install

pytestmark = pytest.mark.anyio

GOOD = """
from contextlib import asynccontextmanager
from aibridge_core.testing.memory import MemoryStorage

asked = []

@asynccontextmanager
async def open_storage(url, *, clock, owner):
    asked.append((url, clock, owner))
    yield MemoryStorage(owner=owner)
    asked.append("left")
"""

CLOCK = FakeClock()


def opened(url: str):
    return open_storage(url, clock=CLOCK, owner="gateway-1")


async def test_a_plugin_serves_its_scheme(install: Install) -> None:
    """It gets the whole URL, the clock and the owner, whatever case the scheme is in; it is left in good order."""
    install("good-storage", "good = good_storage:open_storage", good_storage=GOOD)
    for url in ("good://host/db?x=1", "GOOD://host"):
        async with opened(url) as storage:
            assert isinstance(storage, MemoryStorage)
            assert storage.owner == "gateway-1"
    assert sys.modules["good_storage"].asked == [
        ("good://host/db?x=1", CLOCK, "gateway-1"),
        "left",
        ("GOOD://host", CLOCK, "gateway-1"),
        "left",
    ]


async def test_a_plugin_is_imported_for_its_own_scheme_only(install: Install, tmp_path) -> None:
    """A broken plugin harms nobody who doesn't use it."""
    install("broken-storage", "broken = broken_storage:open_storage", broken_storage="1 / 0")
    install("good-storage", "good = good_storage:open_storage", good_storage=GOOD)
    async with opened("good://"), opened(f"sqlite:///{tmp_path}/a.db"):
        assert "broken_storage" not in sys.modules


BROKEN = {
    "a module that isn't there": ("missing_module:open_storage", "", "can't be imported: ModuleNotFoundError"),
    "a module that fails": ("broken_storage:open_storage", "1 / 0", "can't be imported: ZeroDivisionError"),
    "a name that isn't there": ("broken_storage:open", "", "can't be imported: AttributeError"),
    "no function": ("broken_storage:open_storage", "open_storage = 7", "names a value of type int instead of a"),
    "another signature": (
        "broken_storage:open_storage",
        "def open_storage(url, clock): ...",
        "can't be called as open_storage(url, clock=..., owner=...): got an unexpected keyword argument 'owner'",
    ),
    "a coroutine": (
        "broken_storage:open_storage",
        "async def open_storage(url, *, clock, owner): ...",
        "returned a value of type coroutine instead of an asynchronous context; is @asynccontextmanager missing?",
    ),
    "a generator": (
        "broken_storage:open_storage",
        "async def open_storage(url, *, clock, owner): yield",
        "is @asynccontextmanager missing?",
    ),
    "nothing": ("broken_storage:open_storage", "def open_storage(url, *, clock, owner): ...", "it returned None"),
    "half a storage": (
        "broken_storage:open_storage",
        GOOD.replace("yield MemoryStorage(owner=owner)", "yield MemoryStorage(owner=owner).recorder"),
        "what it opened, a value of type MemoryRecorder, has no recorder, store, leases, identity",
    ),
}


@pytest.mark.parametrize(("value", "source", "says"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_plugin_that_cannot_be_used(install: Install, value: str, source: str, says: str) -> None:
    """The error names the distribution to uninstall or mend, the entry point, and what is wrong with it."""
    install("broken-storage", f"broken = {value}", broken_storage=source)
    with pytest.raises(StorageConfigError) as caught:
        async with opened("broken://somewhere"):
            pytest.fail("it was opened")
    assert "broken-storage 1.0" in str(caught.value)
    assert f"broken = {value}" in str(caught.value)
    assert says in str(caught.value)


async def test_what_a_plugin_raises_itself_passes(install: Install) -> None:
    """A plugin speaks to the operator with the errors of `aibridge_adapters.storage`."""
    imported = "from aibridge_adapters.storage import StorageNotOpened\n"
    source = imported + GOOD.replace("yield", "raise StorageNotOpened('the disk is asleep')\n    yield")
    install("sleepy", "sleepy = sleepy_storage:open_storage", sleepy_storage=source)
    with pytest.raises(StorageNotOpened, match="the disk is asleep"):
        async with opened("sleepy://"):
            pytest.fail("it was opened")


async def test_errors_of_the_gateway_pass_through_a_plugin(install: Install) -> None:
    """What happens inside the context reaches the plugin, and the caller, as it is."""
    install("good-storage", "good = good_storage:open_storage", good_storage=GOOD)
    with pytest.raises(KeyError):
        async with opened("good://"):
            raise KeyError("mine")


def test_two_plugins_for_one_scheme(install: Install) -> None:
    """Neither wins; the error names both distributions."""
    install("one-storage", "good = good_storage:open_storage", good_storage=GOOD)
    install("other-storage", "Good = good_storage:open_storage")
    with pytest.raises(StorageConfigError) as caught:
        opened("good://")
    assert "one-storage 1.0" in str(caught.value)
    assert "other-storage 1.0" in str(caught.value)
    assert "uninstall all but one" in str(caught.value)


@pytest.mark.parametrize("scheme", ["sqlite", "SQLite", "postgresql", "postgres"])
def test_a_bundled_scheme_stays_what_it_is(install: Install, scheme: str, tmp_path) -> None:
    """A plugin that claims one is not even listed."""
    install("impostor", f"{scheme} = good_storage:open_storage", good_storage=GOOD)
    with pytest.raises(StorageConfigError) as caught:
        opened("nobodys://")
    assert "(a plugin)" not in str(caught.value)
    opened(f"sqlite:///{tmp_path}/a.db")
    assert "good_storage" not in sys.modules


def test_an_unknown_scheme(install: Install) -> None:
    """The error says which there are, bundled and installed."""
    install("good-storage", "good = good_storage:open_storage", "not a scheme = x:y", good_storage=GOOD)
    with pytest.raises(StorageConfigError) as caught:
        opened("goood://host")
    assert "unknown database URL scheme 'goood'" in str(caught.value)
    assert "sqlite:///relative/path.db" in str(caught.value)
    assert "good://... (a plugin)" in str(caught.value)
    assert "not a scheme" not in str(caught.value)


def database_url(url: str) -> str:
    return load_settings(flags={}, environ={"AIBRIDGE_DATABASE_URL": url}, file=None).settings.database_url


def test_settings_take_what_a_plugin_serves(install: Install) -> None:
    """The URL is the plugin's business; a scheme that nobody serves is a problem that names those there are."""
    install("good-storage", "good = good_storage:open_storage", good_storage=GOOD)
    assert database_url("good://ann:hunter2@host") == "good://ann:hunter2@host"
    with pytest.raises(ConfigError) as caught:
        database_url("goood://ann:hunter2@host")
    assert 'AIBRIDGE_DATABASE_URL = "goood://...@host": no such storage is installed (plugins: good://)' in str(
        caught.value
    )
    assert "sqlite:///PATH" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_gateway_takes_a_storage_that_is_open_already() -> None:
    """The other way to bring one: no distribution, no URL; whoever opened it closes it."""
    closed = []

    @asynccontextmanager
    async def mine() -> AsyncIterator[Storage]:
        memory = MemoryStorage()
        yield Storage(recorder=memory.recorder, store=memory.store, leases=memory.leases, identity=memory.identity)
        closed.append(True)

    async with mine() as storage:
        async with gateway(Settings(database_url="nobodys://"), storage=storage) as running:
            assert running.storage is storage
            await running.users.create("ann")
        assert [user.username for user in await storage.identity.users()] == ["ann"]
        assert closed == []
    assert closed == [True]
