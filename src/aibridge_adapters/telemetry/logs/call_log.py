"""Every new network call of an agent as a log line, beside the records of the interception that it followed.

Belongs here: a NetworkLog that says what was new. Never: what may be sent to it, or how long calls are kept. Unlike
records, calls are said when they are durable: only the storage knows which of them it had already.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aibridge_adapters.telemetry.logs.lines import RecordLine, timestamp
from aibridge_adapters.telemetry.logs.record_log import LOGGER, MESSAGE
from aibridge_core.boundaries import FirewallPlace, NetworkCall, NetworkLog
from aibridge_core.ports import Clock

_log = logging.getLogger(LOGGER)


class CallLog:
    """Implements `aibridge_core.boundaries.NetworkLog` over another one."""

    def __init__(self, inner: NetworkLog, *, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        """As the inner log; then a line for each call that was new, in the order given."""
        new = await self._inner.keep(calls)
        if new and _log.isEnabledFor(logging.INFO):
            first = {call.place: call for call in reversed(calls)}
            asked = await self._inner.requests_before(new)
            now = self._clock.now().timestamp()
            for place, interception_id in zip(new, asked, strict=True):
                fields = call_fields(first[place], interception_id)
                _log.handle(RecordLine(LOGGER, MESSAGE, fields, at=now))
        return new

    async def calls(
        self, session_id: str, *, after: int = -1, before: int | None = None, limit: int
    ) -> Sequence[NetworkCall]:
        """As the inner log."""
        return await self._inner.calls(session_id, after=after, before=before, limit=limit)

    async def next_request(self, place: FirewallPlace, *, initiator_id: str) -> int | None:
        """As the inner log."""
        return await self._inner.next_request(place, initiator_id=initiator_id)

    async def requests_before(self, places: Sequence[FirewallPlace]) -> Sequence[str | None]:
        """As the inner log."""
        return await self._inner.requests_before(places)

    async def count(self, *, made_before: datetime) -> int:
        """As the inner log."""
        return await self._inner.count(made_before=made_before)

    async def delete(self, *, made_before: datetime, limit: int) -> int:
        """As the inner log."""
        return await self._inner.delete(made_before=made_before, limit=limit)


def call_fields(call: NetworkCall, interception_id: str | None) -> dict[str, Any]:
    """Of a network call."""
    return {
        "record_type": "network_call",
        "interception_id": interception_id or "",
        "agent_firewall_session_id": call.place.session_id,
        "agent_firewall_sequence_number": call.place.sequence_number,
        "made_at": timestamp(call.made_at),
        "decision": "allow" if call.allowed else "deny",
        "http_method": call.method,
        "http_url": call.url,
        "matched_rule": call.matched_rule,
        "process": call.process,
        "metadata": dict(call.metadata),
    }
