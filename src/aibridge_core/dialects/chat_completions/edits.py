"""Edits of answers for clients that mustn't see calls of ours: some members of a choice change, the rest stays.

Belongs here: bytes of chunks and whole answers. Never: which call is whose (`turns`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen

from aibridge_core.dialects.splice import find_member, map_items, remove_member, set_member


@frozen(kw_only=True)
class Change:
    """What is changed in one choice."""

    calls: Sequence[Mapping[str, Any]] | None = None
    """What is left of its tool calls; None leaves them as they are."""
    drop_role: bool = False
    finishes: bool = False
    """Whether the choice ends here."""
    drop_finish: bool = False

    @property
    def is_none(self) -> bool:
        """Whether nothing is changed."""
        return self.calls is None and not self.drop_role and not self.drop_finish


def changed(data: bytes, changes: Mapping[int, Change], *, place: str = "delta") -> bytes:
    """An answer, or a chunk of one, with changes by the position of the choice. `place`: where a choice says things."""

    def change(position: int, choice: bytes) -> bytes:
        found = changes.get(position)
        return choice if found is None or found.is_none else _choice(choice, found, place)

    return map_items(data, "choices", change) if changes else data


def _choice(source: bytes, change: Change, place: str) -> bytes:
    if change.drop_finish:
        source = set_member(source, ["finish_reason"], b"null")
    said = find_member(source, place)
    if said is None or source[said.start : said.start + 1] != b"{":
        return source
    inner = source[said.start : said.end]
    if change.calls:
        inner = set_member(inner, ["tool_calls"], msgspec.json.encode(change.calls))
    elif change.calls is not None:
        inner = remove_member(inner, "tool_calls")
    if change.drop_role:
        inner = remove_member(inner, "role")
    return source[: said.start] + inner + source[said.end :]


def summed(spent: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """Two usage objects as one: numbers are added, also in objects within; of anything else the later counts."""
    total = dict(spent)
    for name, value in usage.items():
        before = total.get(name)
        if isinstance(value, dict):
            total[name] = summed(before if isinstance(before, dict) else {}, value)
        elif _is_number(value):
            total[name] = value + (before if _is_number(before) else 0)
        elif value is not None or name not in total:
            total[name] = value
    return total


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
