"""Limits as whoever serves requests sees them: a way in, which is one process's own, or shared by all replicas.

Belongs here: the port, and the way in of a process that counts for itself. Never: counting (`limits`), or waiting for
an answer (`aibridge_adapters.admission`).
"""

from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen

from aibridge_core.limits import Gate
from aibridge_core.ports import Clock


class Admission(Protocol):
    """The way in: limits on requests, whoever counts them."""

    @property
    def running(self) -> int:
        """Requests of this process under way; counted only if there is a limit."""
        ...

    async def admit(self, user_id: str) -> AbstractContextManager[None]:
        """A context for a request of this person, to be entered at once; its place is free again when it is left.

        Raises RateLimited, AtCapacity, LimitsUnavailable; who is refused has used up nothing.
        """
        ...


@frozen
class OwnLimits:
    """Implements `Admission` for one process, whatever others let in."""

    _gate: Gate
    _clock: Clock

    async def admit(self, user_id: str) -> AbstractContextManager[None]:
        """At once. Raises RateLimited, AtCapacity."""
        return self._gate.admit(user_id, self._clock.monotonic())

    @property
    def running(self) -> int:
        """Requests under way; counted only if there is a limit."""
        return self._gate.running
