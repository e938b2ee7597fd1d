"""Every record of the audit trail as a log line, for systems that collect logs.

Belongs here: a recorder that says what it is about to store. Never: what stands in a line (`record_fields`). A line is
written before its record is stored, so that a record that gets lost has been said all the same.
"""

import logging
from collections.abc import Callable, Sequence

from aibridge_adapters.telemetry.logs.lines import RecordLine
from aibridge_adapters.telemetry.logs.record_fields import Fields, Whose, end_fields, fact_fields, start_fields, whose
from aibridge_core.ports import Clock, Recorder
from aibridge_core.records import ErrorType, InterceptionEnded, InterceptionStart, Record, Status

LOGGER = "aibridge.records"
MESSAGE = "interception log"
"""Of every such line. Those who collect them search for it."""

_log = logging.getLogger(LOGGER)


class RecordLog:
    """Implements `aibridge_core.ports.Recorder` over another one. `redact` takes content out of the lines alone."""

    def __init__(self, inner: Recorder, *, redact: Callable[[Record], Record], clock: Clock) -> None:
        self._inner = inner
        self._redact = redact
        self._clock = clock
        self._running: dict[str, Whose] = {}

    async def begin(self, start: InterceptionStart) -> None:
        """As the inner recorder. A request that goes no further for want of its record gets an end in the log."""
        of = whose(start)
        self._say(start_fields(start, of.person))
        try:
            await self._inner.begin(start)
        except BaseException as error:
            self._say(end_fields(self._refused(start, error), of))
            raise
        self._running[start.id] = of

    async def record(self, records: Sequence[Record]) -> None:
        """As the inner recorder."""
        for record in records:
            if of := self._running.get(record.interception_id):
                self._say(fact_fields(self._redact(record), of))
        await self._inner.record(records)

    async def end(self, ended: InterceptionEnded) -> None:
        """As the inner recorder; the first end of an interception is the one that counts."""
        if of := self._running.pop(ended.id, None):
            self._say(end_fields(ended, of))
        await self._inner.end(ended)

    def _refused(self, start: InterceptionStart, error: BaseException) -> InterceptionEnded:
        failed = isinstance(error, Exception)
        return InterceptionEnded(
            id=start.id,
            ended_at=self._clock.now(),
            status=Status.FAILED if failed else Status.CANCELLED,
            error_type=ErrorType.SERVER_ERROR if failed else "",
            error_message="refused: its start could not be recorded" if failed else "the client left before it began",
        )

    def _say(self, fields: Fields) -> None:
        if _log.isEnabledFor(logging.INFO):
            _log.handle(RecordLine(LOGGER, MESSAGE, fields, at=self._clock.now().timestamp()))
