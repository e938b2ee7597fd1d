"""Messages with the role `system` in the middle of a conversation, for models on Bedrock that don't know them.

Belongs here: the edit. Never: other members of a body (`body`).

Source: platform.claude.com/docs, "Mid-conversation system messages". Claude Code sends them by the model that it thinks
it asks, which need not be the one that it is mapped to.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from aibridge_core.dialects.jsontext import try_read
from aibridge_core.dialects.splice import replace_items, set_member


class _Turn(msgspec.Struct):
    role: Any = None


_TURN: Final = msgspec.json.Decoder(_Turn)


def without_system_turns(body: bytes) -> bytes:
    """Such messages are the user's, at the same place and in the same words; all else keeps its bytes.

    They aren't joined to the prompt's own `system`: what stands there is the beginning of what is cached. Raises
    ValueError if the body isn't an object.
    """
    return replace_items(body, "messages", _changes) if b'"system"' in body else body


def _changes(turns: Sequence[bytes]) -> Mapping[int, bytes]:
    """The system's messages by position, as a user's."""
    found = {at: turn for at, turn in enumerate(turns) if b'"system"' in turn}
    system = {at: turn for at, turn in found.items() if (try_read(_TURN, turn) or _Turn()).role == "system"}
    return {at: set_member(turn, ("role",), b'"user"') for at, turn in system.items()}
