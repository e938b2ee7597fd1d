"""A request of the Messages API, asked of Bedrock's InvokeModel, and its answer as the Messages API's.

Belongs here: which model is asked at which URL, and the answer's form. Never: signatures (a port), the body (`body`).
"""

from collections.abc import AsyncIterator
from urllib.parse import quote

from attrs import evolve, frozen

from aibridge_core.bedrock.body import adapted
from aibridge_core.bedrock.events import ENDING, event_of
from aibridge_core.errors import NotSupported, UpstreamBroken
from aibridge_core.eventstream import CONTENT_TYPE, CorruptEventStream, EventStreamDecoder, Message
from aibridge_core.ports import UpstreamAnswer
from aibridge_core.wire import AnswerHead, Headers, UpstreamRequest, header

_IN_BODY = (b"anthropic-beta", b"anthropic-version")
"""Headers that Bedrock reads as members of the body."""


@frozen(kw_only=True)
class Models:
    """Which models are asked for on Bedrock, in place of those that clients name."""

    main: str = ""
    """Empty: the one that the client names, if it is one of Bedrock's."""
    small_fast: str = ""
    """For what clients ask of a small model; empty: the main one."""

    def of(self, asked: str) -> str:
        """The model for a name. Raises NotSupported if the client names none of Bedrock's and none is configured."""
        mapped = self.small_fast if "haiku" in asked and self.small_fast else self.main
        if mapped or "anthropic." in asked or asked.startswith("arn:"):
            return mapped or asked
        raise NotSupported(
            f"no model of Amazon Bedrock is configured for {asked!r}. Ask your administrator for BEDROCK_MODEL, or "
            "name one of Bedrock's own, such as global.anthropic.claude-sonnet-4-5-20250929-v1:0"
        )


@frozen(kw_only=True)
class InvokeModel:
    """Implements `aibridge_core.providers.api.Translation` for one request."""

    base_url: str
    model: str
    edits = True

    def request(self, request: UpstreamRequest) -> UpstreamRequest:
        """Raises MalformedRequest."""
        action = "invoke-with-response-stream" if request.streaming else "invoke"
        return evolve(
            request,
            url=f"{self.base_url.rstrip('/')}/model/{quote(self.model, safe='')}/{action}",
            headers=tuple(pair for pair in request.headers if pair[0] not in _IN_BODY),
            body=adapted(request.body, model=self.model, betas=asked_betas(request.headers)),
        )

    def answer(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """An event stream as server-sent events; anything else as it is."""
        kind = header(answer.head.headers, b"content-type") or ""
        return SseAnswer(answer) if kind.lower().startswith(CONTENT_TYPE) else answer


def asked_betas(headers: Headers) -> list[str]:
    """The betas that a client asks for: in headers, each with one or several."""
    values = [value.decode("latin-1") for name, value in headers if name == b"anthropic-beta"]
    return [beta.strip() for value in values for beta in value.split(",") if beta.strip()]


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
            if broken:
                raise UpstreamBroken(f"the provider's event stream is corrupt: {broken}") from broken
        if not (self._complete and decoder.at_boundary):
            raise UpstreamBroken("the provider's event stream ended before the answer was complete")

    def _event(self, message: Message) -> bytes:
        event = event_of(message)
        if event is None:
            return b""
        self._complete = self._complete or event.name in ENDING
        return event.raw
