"""What the Messages API says an answer cost.

Belongs here: the names of its counts and how later ones replace earlier ones. Never: prices, or an estimate.
"""

from typing import Any

from aibridge_core.dialects.jsontext import count_or_none
from aibridge_core.records import TokenUsage

_COUNTS = {
    "input_tokens": "input_tokens",  # without cached ones already
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cache_creation_input_tokens": "cache_write_input_tokens",
}
"""Names in the API -> names in `TokenUsage`."""

_DETAILS = {
    "cache_creation": "cache_",  # how long what was written stays cached: priced apart
    "server_tool_use": "",  # searches and fetches: priced apiece
    "output_tokens_details": "output_",  # how much of the output was thinking
}
"""Objects of further counts -> prefix of their names among the extra counts, where `_tokens` is left off."""

_LABELS = ("service_tier", "inference_geo", "speed")
"""Texts that change the price."""


class UsageCounter:
    """The counts of one answer.

    A stream's counts are cumulative (platform.claude.com/docs, "Streaming messages"): `message_delta` repeats what
    `message_start` said, grown. So each field that comes replaces the one before it, and nothing is added up.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._extra: dict[str, int] = {}
        self._labels: dict[str, str] = {}

    def replace(self, usage: Any) -> bool:
        """Take over the fields of a `usage` object that hold what they should; says whether there was a count."""
        if not isinstance(usage, dict):
            return False
        counts = {
            ours: count for theirs, ours in _COUNTS.items() if (count := count_or_none(usage.get(theirs))) is not None
        }
        self._counts.update(counts)
        self._labels.update({name: value for name in _LABELS if isinstance(value := usage.get(name), str)})
        for name, prefix in _DETAILS.items():
            if isinstance(details := usage.get(name), dict):
                self._replace_details(details, prefix)
        return bool(counts)

    def _replace_details(self, details: dict[str, Any], prefix: str) -> None:
        found = {prefix + name.removesuffix("_tokens"): count_or_none(value) for name, value in details.items()}
        self._extra.update({name: count for name, count in found.items() if count is not None})

    def fact(self, *, response_id: str, model: str, partial: bool) -> TokenUsage | None:
        """The record; None if there was no count. A missing input or output count makes it partial, too."""
        if not self._counts:
            return None
        counts = {"input_tokens": 0, "output_tokens": 0} | self._counts
        partial = partial or len(counts) > len(self._counts)
        metadata = {**self._labels, **({"partial": True} if partial else {})}
        return TokenUsage(response_id=response_id, model=model, extra=self._extra, metadata=metadata, **counts)
