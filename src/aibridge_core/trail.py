"""What is written of one interception: its facts, then exactly one end.

Belongs here: stamping facts and deciding the outcome. Never: how records are stored.
"""

from collections.abc import Sequence

from aibridge_core.actors import without_secrets
from aibridge_core.dialects.api import Failed, Finished, Interceptor, Observed, Relay, Step
from aibridge_core.errors import BridgeError
from aibridge_core.keys import Keys
from aibridge_core.observing import UNWATCHED, Phase, Watch
from aibridge_core.ports import Clock, NewId, Recorder
from aibridge_core.records import (
    MAX_ERROR_MESSAGE,
    ErrorType,
    Fact,
    InterceptionEnded,
    InterceptionStart,
    PromptUsage,
    Record,
    Status,
)


class Trail:
    """The open end of one interception. It is closed once; whatever comes later changes nothing."""

    def __init__(
        self,
        start: InterceptionStart,
        *,
        recorder: Recorder,
        clock: Clock,
        new_id: NewId,
        watch: Watch = UNWATCHED,
        keys: Keys | None = None,
    ) -> None:
        """`keys`: what pays; the end says with which one if it is another than the start says."""
        self._id = start.id
        self._recorder = recorder
        self._clock = clock
        self._new_id = new_id
        self._watch = watch
        self._keys = keys
        self._facts: list[Fact] = []
        self._failure: Failed | None = None
        self._prompted = False
        self._closed = False

    def observe(self, steps: Sequence[Step]) -> bytes:
        """Take facts and failures out of steps; returns the bytes that they would relay."""
        relayed = []
        for step in steps:
            if isinstance(step, Observed):
                self._take(step.fact)
            elif isinstance(step, Failed):
                self.fail(step)
            elif isinstance(step, Finished):
                self._watch.finished(step.reasons)
            elif isinstance(step, Relay):
                relayed.append(step.data)
        return b"".join(relayed)

    def fail(self, failure: Failed | BridgeError) -> None:
        """Remember why the interception failed; the first reason counts."""
        if isinstance(failure, BridgeError):
            failure = Failed(failure.error_type, failure.message)
        if not self._failure:
            self._failure = Failed(failure.error_type, self._safe(failure.message))
            self._watch.failed(self._failure)

    def _safe(self, message: str) -> str:
        """Some providers quote the key that they refuse. The client gets their answer as it is; nobody else does."""
        return without_secrets(message, self._keys.secrets) if self._keys else message

    def _take(self, fact: Fact) -> None:
        self._facts.append(fact)
        self._watch.observed(fact)

    @property
    def failure(self) -> str:
        """The message of the failure so far; empty if there is none."""
        return self._failure.message if self._failure else ""

    async def close(self, interceptor: Interceptor, status: Status | None = None) -> None:
        """Write everything and the end. Raises RecordingFailed.

        `status` overrides what the facts say: completed, or failed if a failure was seen.
        """
        if self._closed:
            return
        self._closed = True
        try:
            await self.flush(interceptor)
        except Exception:
            raise
        except BaseException:  # cancelled: the records are in the recorder's hands, and nobody comes back for the end
            await self._end(status)
            raise
        await self._end(status)

    async def flush(self, interceptor: Interceptor) -> None:
        """Write the facts so far; the exchange goes on. Raises RecordingFailed."""
        now = self._clock.now()
        prompt = interceptor.request.prompt
        if prompt is not None and not self._prompted:
            said = PromptUsage(response_id=interceptor.response_id, prompt=prompt)
            self._facts.insert(0, said)
            self._watch.observed(said)
        self._prompted = True
        facts, self._facts = self._facts, []
        records = [Record(id=self._new_id(), interception_id=self._id, created_at=now, fact=fact) for fact in facts]
        if records:
            await self._recorder.record(records)

    async def _end(self, status: Status | None) -> None:
        ended = self._ended(status)
        self._watch.ended(ended)
        with self._watch.during(Phase.END):
            await self._recorder.end(ended)

    def _ended(self, status: Status | None) -> InterceptionEnded:
        failure = self._failure
        if status is Status.CANCELLED:
            failure = None
        elif status is Status.INTERRUPTED:
            failure = Failed(ErrorType.UNKNOWN, "the gateway shut down before the answer was complete")
        return InterceptionEnded(
            id=self._id,
            ended_at=self._clock.now(),
            status=status or (Status.FAILED if failure else Status.COMPLETED),
            error_type=failure.error_type if failure else "",
            error_message=failure.message[:MAX_ERROR_MESSAGE] if failure else "",
            credential_hint=self._keys.hint if self._keys else "",
        )
