"""Token counts as both OpenAI APIs report them: one total, with parts of it broken out.

Belongs here: taking the parts out of the total, so that no token is counted twice. Never: the names that one API
gives its counts.
"""

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from aibridge_core.dialects.jsontext import count_or_none, text_or
from aibridge_core.records import TokenUsage

Place = tuple[str, ...]
"""Where a count stands in a usage object: names from the outside in."""


@frozen(kw_only=True)
class Layout:
    """Where one API puts its counts. Of several places for the same count, the first that holds one is taken."""

    input: tuple[Place, ...]
    """All input tokens, with cached ones."""
    output: tuple[Place, ...]
    cached: tuple[Place, ...]
    written: tuple[Place, ...]
    """Input tokens that were written to the provider's cache."""
    extra: tuple[tuple[str, Place], ...]
    """Counts that are recorded under a name of their own, if the provider reports them; a reported zero is kept."""


def token_usage(
    usage: Any, layout: Layout, *, response_id: str, model: str, service_tier: Any, partial: bool
) -> Iterable[TokenUsage]:
    """What a usage object says: one record, or none if it counts neither input nor output.

    `partial`: a later, higher count may have been lost. Input is never below zero; where a provider reports more
    cached tokens than input tokens, `metadata["input_clamped"]` says that it was cut off there.
    """
    total, output = _count(usage, layout.input), _count(usage, layout.output)
    if total is None and output is None:
        return ()
    cached, written = _count(usage, layout.cached) or 0, _count(usage, layout.written) or 0
    uncached = (total or 0) - cached - written
    extra = {name: count for name, place in layout.extra if (count := _count(usage, (place,))) is not None}
    metadata = {
        "service_tier": text_or(service_tier),
        "partial": partial,
        "input_clamped": uncached < 0,
    }
    return (
        TokenUsage(
            response_id=response_id,
            input_tokens=max(0, uncached),
            output_tokens=output or 0,
            cache_read_input_tokens=cached,
            cache_write_input_tokens=written,
            extra=extra,
            model=model,
            metadata={name: value for name, value in metadata.items() if value},
        ),
    )


def _count(usage: Any, places: Iterable[Place]) -> int | None:
    for place in places:
        value = usage
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        if (count := count_or_none(value)) is not None:
            return count
    return None
