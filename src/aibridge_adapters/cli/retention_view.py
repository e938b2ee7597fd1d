"""What a purge did or would do, in words and as JSON.

Belongs here: sentences and fields. Never: exit codes.
"""

from typing import Any

from aibridge_adapters.config_sources.values import show_period
from aibridge_core.retention import Backlog, Outcome, RetentionPolicy, RunReport

_FOR_EVER = "Interceptions are kept for ever, and their contents with them."


def due_in_words(policy: RetentionPolicy, due: Backlog) -> str:
    """A sentence."""
    if not policy.purges:
        return _FOR_EVER
    would = _parts(policy, due.interceptions, due.contents, due.network_calls, delete="delete", erase="erase")
    return f"Would {would}. Nothing was changed."


def due_json(policy: RetentionPolicy, due: Backlog) -> dict[str, Any]:
    """Fields of the same."""
    return {
        "dry_run": True,
        **_periods(policy),
        "interceptions_due": due.interceptions,
        "contents_due": due.contents,
        "network_calls_due": due.network_calls,
    }


def report_in_words(policy: RetentionPolicy, report: RunReport) -> str:
    """A sentence or two."""
    if not policy.purges:
        return _FOR_EVER
    done = _parts(policy, report.deleted, report.erased, report.network_calls, delete="deleted", erase="erased")
    words = f"{done[0].upper()}{done[1:]}, in {report.seconds:,.1f} s."
    if report.outcome is not Outcome.OUT_OF_TIME:
        return words
    return f"{words} The time is over{_left_in_words(report.left)}."


def report_json(policy: RetentionPolicy, report: RunReport) -> dict[str, Any]:
    """Fields of the same; what is left is null if nobody counted it."""
    left = report.left
    return {
        "dry_run": False,
        **_periods(policy),
        "outcome": report.outcome.value,
        "deleted": report.deleted,
        "erased": report.erased,
        "network_calls_deleted": report.network_calls,
        "seconds": round(report.seconds, 3),
        "interceptions_left": left.interceptions if left else None,
        "contents_left": left.contents if left else None,
        "network_calls_left": left.network_calls if left else None,
        "error": report.error or None,
    }


def _left_in_words(left: Backlog | None) -> str:
    if left is None:
        return ""
    return f": {_count(left.interceptions)} left to delete, {_count(left.contents)} to look at for content"


def _periods(policy: RetentionPolicy) -> dict[str, str]:
    return {"retention": show_period(policy.interceptions), "prompt_retention": show_period(policy.contents)}


def _parts(policy: RetentionPolicy, interceptions: int, contents: int, calls: int, *, delete: str, erase: str) -> str:
    parts = []
    if policy.interceptions:
        parts.append(f"{delete} {_count(interceptions)} older than {show_period(policy.interceptions)}")
    if policy.contents and policy.contents != policy.interceptions:
        parts.append(f"{erase} the content of {_count(contents)} older than {show_period(policy.contents)}")
    if calls:
        parts.append(f"{delete} {calls:,} network call{'' if calls == 1 else 's'} of agents")
    return ", ".join(parts)


def _count(n: int) -> str:
    return f"{n:,} interception{'' if n == 1 else 's'}"
