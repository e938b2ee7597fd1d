"""When a gateway purges, and what it says about it.

Belongs here: the rhythm and the log lines. Never: the way of a run.
"""

import logging
from typing import Any

import attrs

from aibridge_adapters.retention.batches import Sleep
from aibridge_adapters.retention.counters import Tally
from aibridge_adapters.retention.purge import Purge
from aibridge_core.ports import Clock
from aibridge_core.retention import Outcome, RetentionPolicy, RunReport

DAY = 86_400.0
"""In seconds."""

_log = logging.getLogger("aibridge.retention")


@attrs.frozen(kw_only=True)
class Rhythm:
    """All times in seconds."""

    first: float = 60.0
    """From the start of the gateway to its first run: whoever sees in the log that the period is wrong can stop it."""
    every: float = 600.0
    """From the start of a run to that of the next."""
    budget: float = 300.0
    """Longest time of a run."""
    least: float = 60.0
    """Shortest time between the end of a run and the start of the next; also how soon one that left something is
    followed by another."""


async def keep_purging(
    purge: Purge, policy: RetentionPolicy, *, tally: Tally, clock: Clock, sleep: Sleep, rhythm: Rhythm | None = None
) -> None:
    """Purge for ever; ends by being cancelled. A run that fails is logged, and the next one tries again."""
    rhythm = rhythm or Rhythm()
    _log_policy(policy)
    await sleep(rhythm.first)
    while True:
        begun = clock.monotonic()
        report = await _run(purge, policy, rhythm.budget)
        tally.add(report, clock.now())
        log_run(report)
        unfinished = report.outcome is Outcome.OUT_OF_TIME
        await sleep(max(rhythm.least, 0.0 if unfinished else rhythm.every - (clock.monotonic() - begun)))


async def _run(purge: Purge, policy: RetentionPolicy, budget: float) -> RunReport:
    """No defect may end all further runs unnoticed."""
    try:
        return await purge.run(policy, budget=budget)
    except Exception as error:
        _log.exception("a retention run met an unexpected error")
        return RunReport(outcome=Outcome.FAILED, error=type(error).__name__)


def log_run(report: RunReport) -> None:
    """One line about a run: a warning if it failed."""
    fields: dict[str, Any] = {
        "outcome": report.outcome.value,
        "deleted": report.deleted,
        "erased": report.erased,
        "network_calls_deleted": report.network_calls,
        "seconds": round(report.seconds, 3),
    }
    if report.left is not None:
        fields |= {"interceptions_left": report.left.interceptions, "contents_left": report.left.contents}
    if report.error:
        fields["error"] = report.error
    _log.log(logging.WARNING if report.outcome is Outcome.FAILED else logging.INFO, "retention run", extra=fields)


def _log_policy(policy: RetentionPolicy) -> None:
    kept = f"{policy.interceptions / DAY:g}d" if policy.interceptions else "for ever"
    contents = f"{policy.contents / DAY:g}d" if policy.contents else "as long as interceptions"
    _log.info("retention", extra={"interceptions": kept, "contents": contents})
