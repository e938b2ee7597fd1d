"""The storage contract notices what is wrong with a storage, and says nothing of one that is right."""

from collections.abc import Sequence

import pytest

from unit.testing.mutants import MUTANTS
from unit.testing.mutants.mutant import Mutant

pytest_plugins = ["pytester"]

SUITES = """
import pytest
from aibridge_core.testing.storage_contract import (
    NetworkLogContract, RetentionContract, StorageContract, ToolCredentialsContract
)
from unit.testing.mutants import MUTANTS
from unit.testing.mutants.mutant import Mutant


def suite(mutant):
    class Suite(StorageContract, RetentionContract, ToolCredentialsContract, NetworkLogContract):
        @pytest.fixture
        def open_storage(self):
            return mutant.opener()

    return Suite


for number, mutant in enumerate(MUTANTS):
    globals()[f"TestMutant{number}"] = suite(mutant)

TestRight = suite(Mutant(mistake="none", caught_by=""))
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Runs tests of `SUITES`; the failures, as pytest reports them."""
    pytester.makepyfile(test_suites=SUITES)

    def failures(*tests: str) -> Sequence[pytest.TestReport]:
        ids = [f"test_suites.py::{test}" for test in tests]
        done = pytester.inline_run("-q", "--tb=no", "-p", "no:cacheprovider", *ids)
        return [report for report in done.getreports("pytest_runtest_logreport") if report.failed]

    return failures


def test_every_mistake_is_noticed(run) -> None:
    """A storage with one mistake fails the test that is about the rule it breaks, and fails it properly."""
    wanted = {f"TestMutant{number}::{mutant.caught_by}": mutant for number, mutant in enumerate(MUTANTS)}
    failed = run(*wanted)
    assert [report.nodeid for report in failed if report.when != "call"] == []
    noticed = {report.nodeid.partition("::")[2].partition("[")[0] for report in failed}
    assert [mutant.mistake for test, mutant in wanted.items() if test not in noticed] == []


def test_what_is_right_passes_the_same_tests(run) -> None:
    """So it was the mistake that they noticed."""
    assert run(*(f"TestRight::{name}" for name in sorted({mutant.caught_by for mutant in MUTANTS}))) == []


def test_mistakes_are_told_apart() -> None:
    """Each has a name and a storage of its own."""
    assert len({mutant.mistake for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(type(mutant), *parts(mutant)) for mutant in MUTANTS}) == len(MUTANTS) >= 90


def parts(mutant: Mutant) -> Sequence[object]:
    return (
        mutant.database,
        mutant.recorder,
        mutant.store,
        mutant.leases,
        mutant.identity,
        mutant.retention,
        mutant.tool_credentials,
        mutant.network_log,
    )
