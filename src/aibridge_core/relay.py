"""The relay loop: one upstream answer to one client, for every dialect, streaming or not.

Belongs here: the order of things between two connections and the audit trail. Never: what the bytes mean.
"""

from collections.abc import Sequence
from typing import Protocol

from aibridge_core.dialects.api import Interceptor, Relay, Step
from aibridge_core.encoded import EncodedAnswer, Undecodable
from aibridge_core.headers import for_client
from aibridge_core.ports import ContentCodings, Reply, Upstream
from aibridge_core.trail import Trail
from aibridge_core.wire import AnswerHead, UpstreamRequest, header


class Answering(Protocol):
    """The answer side of an interceptor, or of one that reads coded bytes."""

    def feed(self, data: bytes) -> Sequence[Step]: ...

    def end_turn(self, *, broken: bool = False) -> Sequence[Step]: ...


class RelayLoop:
    """One exchange. Raises what its ports raise; `break_off` takes what was seen by then."""

    def __init__(self, interceptor: Interceptor, trail: Trail, reply: Reply, codings: ContentCodings) -> None:
        self._interceptor = interceptor
        self._trail = trail
        self._reply = reply
        self._codings = codings
        self._answering: Answering = interceptor

    async def run(self, upstream: Upstream, request: UpstreamRequest) -> None:
        """Send the request, relay the answer, close the trail before its last piece goes out."""
        async with upstream.open(request) as answer:
            await self._begin(answer.head)
            feed, send = self._answering.feed, self._reply.send
            async for chunk in answer.chunks():
                for step in feed(chunk):
                    if type(step) is Relay and not step.last:
                        await send(step.data)
                    else:
                        await self._take(step)
            for step in self._answering.end_turn():
                await self._take(step)
        await self._trail.close(self._interceptor)
        await self._reply.finish()

    def break_off(self) -> bytes:
        """The exchange ended early: take the facts so far; returns the bytes that were held back."""
        return self._trail.observe(self._answering.end_turn(broken=True))

    async def _take(self, step: Step) -> None:
        data = self._trail.observe((step,))
        if isinstance(step, Relay):
            if step.last:
                await self._trail.close(self._interceptor)
            await self._reply.send(data)

    async def _begin(self, head: AnswerHead) -> None:
        interceptor = self._interceptor
        interceptor.begin_turn(head)
        coding = (header(head.headers, b"content-encoding") or "identity").lower()
        plain = interceptor.edits_answers and head.status < 400
        drop = [b"content-length"] if plain else []
        if coding != "identity":
            decoder = self._codings.decoder(coding) if coding in self._codings.names else Undecodable()
            self._answering = EncodedAnswer(interceptor, decoder, holds=not _is_stream(head), plain=plain)
            drop += [b"content-encoding"] if plain else []
        injects = coding == "identity" or plain
        await self._reply.start(
            AnswerHead(status=head.status, headers=for_client(head.headers, drop=drop)),
            keep_alive=interceptor.keep_alive if injects and _is_stream(head) else None,
        )


def _is_stream(head: AnswerHead) -> bool:
    return (header(head.headers, b"content-type") or "").lower().startswith("text/event-stream")
