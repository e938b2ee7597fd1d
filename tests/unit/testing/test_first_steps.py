"""Whoever subclasses the storage contract for the first time is told what is missing."""

import pytest

pytest_plugins = ["pytester"]

FILE = """
from contextlib import asynccontextmanager
import pytest
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.storage_contract import StorageContract

class TestMine(StorageContract):
    {open_storage}
"""

FIXTURE = """@pytest.fixture
    def open_storage(self):
        {body}
"""

STEPS = {
    "nothing yet": ("pass", "TestMine has to say how its storage is opened, for instance:"),
    "no context": (
        FIXTURE.format(body="return lambda owner: MemoryStorage(owner=owner)"),
        "open_storage(owner) has to be an asynchronous context; it is a MemoryStorage",
    ),
    "no opened context": (
        FIXTURE.format(body="async def opened(owner): yield MemoryStorage()\n        return opened"),
        "open_storage(owner) has to be an asynchronous context; it is a async_generator",
    ),
    "half a storage": (
        FIXTURE.format(
            body="""@asynccontextmanager
        async def opened(owner): yield MemoryStorage().recorder
        return opened"""
        ),
        "has no recorder, store, leases",
    ),
}


@pytest.mark.parametrize(("open_storage", "says"), STEPS.values(), ids=STEPS.keys())
def test_the_next_step_is_said(pytester: pytest.Pytester, open_storage: str, says: str) -> None:
    """Not by a traceback through fixtures, but in words, with what was given."""
    pytester.makepyfile(test_mine=FILE.format(open_storage=open_storage))
    done = pytester.inline_run("-p", "no:cacheprovider", "test_mine.py::TestMine::test_nothing_is_there")
    (failed,) = [report for report in done.getreports("pytest_runtest_logreport") if report.failed]
    assert says in str(failed.longrepr)
    assert "Traceback" not in str(failed.longrepr)


def test_both_sides_of_a_comparison_are_shown(pytester: pytest.Pytester) -> None:
    """A rule that isn't kept shows what was expected and what was found, as in a test file of one's own."""
    pytester.makepyfile(
        test_mine=FILE.format(
            open_storage=FIXTURE.format(
                body="""class Forgetful(type(MemoryStorage().recorder)):
            async def begin(self, start): pass

        @asynccontextmanager
        async def opened(owner):
            storage = MemoryStorage()
            object.__setattr__(storage, "recorder", Forgetful(storage.database, owner))
            yield storage
        return opened"""
            )
        )
    )
    done = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "test_mine.py::TestMine::test_a_begun_interception_is_in_flight"
    )
    done.stdout.fnmatch_lines(["*assert None == Interception(*"])
