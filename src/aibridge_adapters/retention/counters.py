"""What purges did since the process began. Never: how it is shown."""

from collections.abc import Mapping
from datetime import datetime

import attrs
from attrs import Factory, frozen

from aibridge_core.retention import Backlog, Outcome, RunReport


@frozen(kw_only=True)
class RetentionCounters:
    """Sums over all runs of this process, and how the last ones went."""

    runs: Mapping[Outcome, int] = Factory(lambda: dict.fromkeys(Outcome, 0))
    deleted: int = 0
    """Interceptions."""
    erased: int = 0
    """Interceptions whose content was erased."""
    seconds: float = 0.0
    left: Backlog = Factory(Backlog)
    """What was left when a run last counted it."""
    last_done_at: datetime | None = None
    """When a run last left nothing that was due."""

    def plus(self, report: RunReport, now: datetime) -> "RetentionCounters":
        """With one more run, which ended at `now`."""
        done = report.outcome is Outcome.DONE
        return attrs.evolve(
            self,
            runs={**self.runs, report.outcome: self.runs[report.outcome] + 1},
            deleted=self.deleted + report.deleted,
            erased=self.erased + report.erased,
            seconds=self.seconds + report.seconds,
            left=report.left or self.left,
            last_done_at=now if done else self.last_done_at,
        )


@attrs.define
class Tally:
    """The counters of one process, in the hands of whoever runs purges and whoever shows them."""

    counters: RetentionCounters = Factory(RetentionCounters)

    def add(self, report: RunReport, now: datetime) -> None:
        """Count a run."""
        self.counters = self.counters.plus(report, now)
