"""Reads an answer in a content coding (gzip, br ...) on the side, while its own bytes go to the client.

Belongs here: pairing coded bytes with what their decoded form says. Never: the codings themselves (a port).
"""

from collections.abc import Sequence

from aibridge_core.dialects.api import Failed, Interceptor, Relay, Step
from aibridge_core.errors import UpstreamBroken
from aibridge_core.ports import StreamDecoder
from aibridge_core.records import ErrorType

_UNREADABLE = "the answer's content coding could not be undone"


class Undecodable:
    """Stands in for a decoder where the coding isn't known."""

    def feed(self, data: bytes) -> bytes:
        """Raises ValueError."""
        raise ValueError(f"{len(data)} bytes in an unknown content coding")


class EncodedAnswer:
    """The answer side of an interceptor over coded bytes.

    `holds`: the body isn't a stream, so its last piece waits for the records. `plain`: the client gets the decoded
    bytes, because the interceptor edits them.
    """

    def __init__(self, inner: Interceptor, decoder: StreamDecoder, *, holds: bool, plain: bool) -> None:
        self._inner = inner
        self._decoder = decoder
        self._holds = holds
        self._plain = plain
        self._held = b""
        self._blind = False

    def feed(self, data: bytes) -> Sequence[Step]:
        """A piece of the coded body. Raises UpstreamBroken if plain bytes are needed and can't be had."""
        steps = self._read(data)
        return steps if self._plain else self._paired(steps, data)

    def end_turn(self, *, broken: bool = False) -> Sequence[Step]:
        """The body is over."""
        steps = () if self._blind else self._inner.end_turn(broken=broken)
        if self._plain:
            return steps
        out, self._held = self._held, b""
        return (*_without_bytes(steps), Relay(out, last=not broken)) if out else _without_bytes(steps)

    def _read(self, data: bytes) -> Sequence[Step]:
        if self._blind:
            return ()
        try:
            return self._inner.feed(self._decoder.feed(data))
        except ValueError as error:
            if self._plain:
                raise UpstreamBroken(_UNREADABLE) from error
            self._blind = True
            return (*self._inner.end_turn(broken=True), Failed(ErrorType.UNKNOWN, _UNREADABLE))

    def _paired(self, steps: Sequence[Step], data: bytes) -> Sequence[Step]:
        last = any(isinstance(step, Relay) and step.last for step in steps)
        out = data
        if self._holds:
            out, self._held = self._held, data
        return (*_without_bytes(steps), Relay(out, last=last)) if out else _without_bytes(steps)


def _without_bytes(steps: Sequence[Step]) -> Sequence[Step]:
    return [step for step in steps if not isinstance(step, Relay)]
