"""What a scripted provider has received, for tests to assert on.

Belongs here: one request as it came, and how its answer ended. Never: answers.
"""

from typing import Any

import anyio
import msgspec
from attrs import define, field

Headers = tuple[tuple[bytes, bytes], ...]


@define(kw_only=True, eq=False)
class ReceivedRequest:
    """One request. `headers` and `body` are the bytes on the wire."""

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    """Still in its content coding, if it has one."""
    json: Any = None
    """The body decoded; None if it isn't JSON."""
    status: int = 0
    """What it was answered with; 0 as long as no answer has begun."""
    abandoned: bool = False
    """Whether the client went away before its answer was complete."""
    _ended: anyio.Event = field(factory=anyio.Event, init=False)

    def header(self, name: str) -> str | None:
        """The first value of a header; None if it is absent."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)

    async def ended(self) -> None:
        """Return when nothing more will be sent in answer to it."""
        await self._ended.wait()

    def end(self) -> None:
        """Wake those who wait for the end; the provider says so."""
        self._ended.set()


def decode_json(body: bytes) -> Any:
    """The JSON value, or None."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
