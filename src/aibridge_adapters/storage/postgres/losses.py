"""Records that were not kept, until the end of their interception tells somebody.

Belongs here: remembering. Never: deciding what is lost.
"""

from aibridge_core.errors import RecordingFailed

MAX_REMEMBERED = 10_000
"""Most interceptions whose losses are remembered."""


class Losses:
    """By interception."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, interception_id: str) -> None:
        """A record of it was not kept."""
        self._ids[interception_id] = None
        if len(self._ids) > MAX_REMEMBERED:  # lost after their end, so nobody will ask
            del self._ids[next(iter(self._ids))]

    def claim(self, interception_id: str) -> RecordingFailed | None:
        """What to tell whoever ends the interception. Once: they may write everything again, and end it again."""
        if interception_id not in self._ids:
            return None
        del self._ids[interception_id]
        return RecordingFailed(f"a record of interception {interception_id} was not kept")
