"""What becomes of records, for operators: a line for each that is stored, and for each that isn't.

Belongs here: a recorder that watches another one. Never: content; `record_log` is for those who want it.
"""

import logging
from collections.abc import Mapping, Sequence

from aibridge_core.errors import RecordingFailed
from aibridge_core.ports import Recorder
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    TokenUsage,
    ToolUsage,
)

_NAMES: Mapping[type[Fact], str] = {
    PromptUsage: "prompt usage",
    TokenUsage: "token usage",
    ToolUsage: "tool usage",
    ModelThought: "model thought",
}
_SHOWN: Mapping[type[Fact], tuple[str, ...]] = {
    PromptUsage: (),
    TokenUsage: ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens"),
    ToolUsage: ("tool", "tool_call_id", "injected"),
    ModelThought: (),
}
"""Fields of each kind of fact that are no content."""

_log = logging.getLogger("aibridge.recorder")


class RecordedLines:
    """Implements `aibridge_core.ports.Recorder` over another one. Costs nothing but the calls unless `debug` is on."""

    def __init__(self, inner: Recorder) -> None:
        self._inner = inner

    async def begin(self, start: InterceptionStart) -> None:
        """As the inner recorder; who asked for it says why it failed."""
        await self._inner.begin(start)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("recorded interception", extra={"interception_id": start.id, "model": start.model})

    async def record(self, records: Sequence[Record]) -> None:
        """As the inner recorder."""
        try:
            await self._inner.record(records)
        except RecordingFailed as error:
            for record in records:
                _failed(_NAMES[type(record.fact)], record.interception_id, error)
            raise
        if _log.isEnabledFor(logging.DEBUG):
            for record in records:
                _recorded(record)

    async def end(self, ended: InterceptionEnded) -> None:
        """As the inner recorder."""
        try:
            await self._inner.end(ended)
        except RecordingFailed as error:
            _failed("interception ended", ended.id, error)
            raise
        if _log.isEnabledFor(logging.DEBUG):
            fields = {"interception_id": ended.id, "status": ended.status.value}
            _log.debug("recorded interception ended", extra=fields)


def _recorded(record: Record) -> None:
    fact = record.fact
    shown = {name: getattr(fact, name) for name in _SHOWN[type(fact)]}
    fields = {"interception_id": record.interception_id, "msg_id": fact.response_id, **shown}
    _log.debug("recorded %s", _NAMES[type(fact)], extra=fields)


def _failed(what: str, interception_id: str, error: RecordingFailed) -> None:
    _log.warning("failed to record %s", what, extra={"interception_id": interception_id, "error": error.message})
