"""How the writer of a storage gets on, for whoever wants to know. Never: how it is shown.

Everything here belongs to the event loop.
"""

from collections.abc import Callable

from attrs import Factory, define, frozen


@frozen(kw_only=True)
class Commit:
    """A group of works that were written together, or found to be unwritable."""

    seconds: float
    """Until the fate of all was known."""
    committed: int
    """Works: starts, batches of records, ends."""
    failed: int


@define
class Writing:
    """What waits, and whom to tell of each commit. Listeners must be quick and must not fail."""

    works: int = 0
    """Put, and neither written nor given up."""
    weight: int = 0
    """About how much memory they take, in bytes."""
    listeners: list[Callable[[Commit], None]] = Factory(list)

    def put(self, weight: int) -> int:
        """One more waits; the weight of all that do."""
        self.works += 1
        self.weight += weight
        return self.weight

    def done(self, commit: Commit, weight: int) -> None:
        """These wait no longer."""
        self.works -= commit.committed + commit.failed
        self.weight -= weight
        for listener in self.listeners:
            listener(commit)
