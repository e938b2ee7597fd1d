"""A request of the Messages API, asked of Bedrock's InvokeModel, and its answer as the Messages API's.

Belongs here: the question, and the answer's form. Never: signatures (a port), the body (`body`), models' names.
"""

from collections.abc import AsyncIterator

from attrs import evolve, frozen

from aibridge_core.bedrock.answers import WholeAnswer, is_coded
from aibridge_core.bedrock.body import adapted
from aibridge_core.bedrock.events import ENDING, event_of
from aibridge_core.bedrock.models import Asked
from aibridge_core.bedrock.refusals import refusal
from aibridge_core.bedrock.requests import asked_betas, runtime_request
from aibridge_core.errors import UpstreamBroken
from aibridge_core.eventstream import CONTENT_TYPE, CorruptEventStream, EventStreamDecoder, Message
from aibridge_core.ports import UpstreamAnswer
from aibridge_core.wire import AnswerHead, UpstreamRequest, header


@frozen(kw_only=True)
class InvokeModel:
    """Implements `aibridge_core.providers.api.Translation` for one request."""

    base_url: str
    asked: Asked
    edits = True

    @property
    def model(self) -> str:
        """As it is recorded."""
        return self.asked.recorded

    @property
    def profile(self) -> str:
        """The application inference profile, if the model is asked through one."""
        return self.asked.profile

    def request(self, request: UpstreamRequest) -> UpstreamRequest:
        """Raises MalformedRequest."""
        return runtime_request(
            request,
            base_url=self.base_url,
            model=self.asked.id,
            action="invoke-with-response-stream" if request.streaming else "invoke",
            body=adapted(request.body, model=self.asked.name, betas=asked_betas(request.headers)),
        )

    def answer(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """An event stream as server-sent events, an error in the API's shape; anything else as it is."""
        kind = header(answer.head.headers, b"content-type") or ""
        if kind.lower().startswith(CONTENT_TYPE):
            return SseAnswer(answer)
        failed = answer.head.status >= 400 and not is_coded(answer.head)
        return WholeAnswer(answer, refusal) if failed else answer


class SseAnswer:
    """Implements `aibridge_core.ports.UpstreamAnswer` over one that is an event stream."""

    def __init__(self, answer: UpstreamAnswer) -> None:
        self._answer = answer
        self._complete = False
        kept = tuple(pair for pair in answer.head.headers if pair[0] not in (b"content-type", b"content-length"))
        self.head: AnswerHead = evolve(answer.head, headers=(*kept, (b"content-type", b"text/event-stream")))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamBroken, also for a stream that is corrupt or ends too early."""
        decoder = EventStreamDecoder()
        async for chunk in self._answer.chunks():
            events: list[bytes] = []
            broken: CorruptEventStream | None = None
            try:
                events.extend(map(self._event, decoder.feed(chunk)))
            except CorruptEventStream as error:
                broken = error
            if data := b"".join(events):
                yield data
            if self._complete and (broken or not decoder.at_boundary):
                break  # the answer is whole: what comes behind it can't make it fail
            if broken:
                raise UpstreamBroken(f"the provider's event stream is corrupt: {broken}") from broken
        if not self._complete:
            raise UpstreamBroken("the provider's event stream ended before the answer was complete")

    def _event(self, message: Message) -> bytes:
        event = event_of(message)
        if event is None:
            return b""
        self._complete = self._complete or event.name in ENDING
        return event.raw
