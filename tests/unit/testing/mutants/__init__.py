"""Storages that are wrong in one way each, so that the contract can be shown to notice.

Belongs here: mistakes that a real adapter could make, by the part of the contract they are about. Never: a mistake that
no test in one process could see, such as a write that is lost when the power fails.
"""

from unit.testing.mutants import (
    contents,
    identity,
    leases,
    listing,
    network_log,
    recording,
    retention,
    threads,
    tool_credentials,
)
from unit.testing.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *recording.MUTANTS,
    *contents.MUTANTS,
    *threads.MUTANTS,
    *listing.MUTANTS,
    *leases.MUTANTS,
    *retention.MUTANTS,
    *identity.MUTANTS,
    *tool_credentials.MUTANTS,
    *network_log.MUTANTS,
)
