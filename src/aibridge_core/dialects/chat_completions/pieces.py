"""What of a chunk is the client's, when some of the calls in it are ours.

Belongs here: looking at one chunk when it comes. Never: bytes (`edits`), or what the turn comes to (`turns`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from aibridge_core.dialects.chat_completions.choices import Call, Choice
from aibridge_core.dialects.chat_completions.edits import Change
from aibridge_core.sse import SseEvent

_EMPTY: tuple[Any, ...] = (None, "", [], {})


@frozen(kw_only=True)
class Part:
    """One choice in a chunk, and what is known of the choice."""

    position: int
    source: Mapping[str, Any]
    delta: Mapping[str, Any]
    choice: Choice

    @property
    def fragments(self) -> Sequence[tuple[Mapping[str, Any], Call]]:
        """Its pieces of calls. Only before the next chunk is read."""
        found = self.delta.get("tool_calls")
        pieces = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        return list(zip(pieces, self.choice.touched, strict=False))


def parts(chunk: Mapping[str, Any], choices: Mapping[int, Choice]) -> Iterator[Part]:
    """The choices of a chunk."""
    found = chunk.get("choices")
    for position, part in enumerate(found if isinstance(found, list) else ()):
        index = part.get("index") if isinstance(part, dict) else None
        choice = choices.get(index if type(index) is int else position)
        if isinstance(part, dict) and choice:
            delta = part.get("delta")
            yield Part(position=position, source=part, delta=delta if isinstance(delta, dict) else {}, choice=choice)


@frozen(kw_only=True)
class Piece:
    """A chunk as the client may see it."""

    event: SseEvent
    changes: Mapping[int, Change]
    usage: Mapping[str, Any] | None
    has_choices: bool
    says: bool
    """Whether it holds something for the client besides the end of the answer."""
    shows_role: bool

    def worth_showing(self, *, goes_on: bool) -> bool:
        """Whether anything is left of it. `goes_on`: the answer doesn't end with this turn."""
        untouched = all(change.is_none for change in self.changes.values())
        return self.says or (not goes_on and (untouched or any(change.finishes for change in self.changes.values())))

    def changes_for(self, *, goes_on: bool) -> Mapping[int, Change]:
        """The edits; the end of a turn isn't one of the answer."""
        return {at: evolve(change, drop_finish=goes_on and change.finishes) for at, change in self.changes.items()}


def piece(
    event: SseEvent, chunk: Mapping[str, Any], found: Sequence[Part], ours: Collection[str], *, role_is_known: bool
) -> Piece:
    """Look at a chunk. `ours`: names of our tools. `role_is_known`: the client has been told in an earlier turn."""
    changes = {part.position: _change(part, ours, role_is_known=role_is_known) for part in found}
    usage = chunk.get("usage")
    return Piece(
        event=event,
        changes=changes,
        usage=usage if isinstance(usage, dict) else None,
        has_choices=bool(found),
        says=any(_says(part, changes[part.position]) for part in found),
        shows_role=not role_is_known and any(part.delta.get("role") for part in found),
    )


def _change(part: Part, ours: Collection[str], *, role_is_known: bool) -> Change:
    return Change(
        calls=_left(part, ours),
        drop_role=role_is_known and "role" in part.delta,
        finishes=bool(part.source.get("finish_reason")),
    )


def _left(part: Part, ours: Collection[str]) -> Sequence[Mapping[str, Any]] | None:
    """The client's fragments, counted without our calls; None if there is nothing to change."""
    left = [
        _moved(fragment, _before(call, part.choice, ours)) for fragment, call in part.fragments if call.name not in ours
    ]
    return None if left == [fragment for fragment, _ in part.fragments] else left


def _before(call: Call, choice: Choice, ours: Collection[str]) -> int:
    """So many of our calls began before this one."""
    return sum(each.name in ours for each in choice.begun[: _place(call, choice)])


def _place(call: Call, choice: Choice) -> int:
    return next(place for place, each in enumerate(choice.begun) if each is call)


def _moved(fragment: Mapping[str, Any], by: int) -> Mapping[str, Any]:
    index = fragment.get("index")
    return {**fragment, "index": index - by} if by and type(index) is int else fragment


def _says(part: Part, change: Change) -> bool:
    left = dict(part.delta)
    if change.calls is not None:
        left["tool_calls"] = change.calls
    if change.drop_role:
        del left["role"]
    return any(value not in _EMPTY for value in left.values())
