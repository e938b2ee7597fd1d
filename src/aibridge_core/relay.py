"""The relay loop: upstream answers to one client, for every dialect, streaming or not, with tool calls in between.

Belongs here: the order of things between two connections, the tools and the audit trail. Never: what the bytes mean.
"""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from aibridge_core.actors import Actor
from aibridge_core.dialects.api import CallTools, Interceptor, Observed, Refused, Relay, Step
from aibridge_core.dispatch import Dispatch
from aibridge_core.encoded import EncodedAnswer, Undecodable
from aibridge_core.errors import TurnLimitReached, UpstreamFault, UpstreamRefused
from aibridge_core.headers import for_client
from aibridge_core.observing import UNWATCHED, Phase, Watch
from aibridge_core.ports import ContentCodings, Reply, ToolServers, UpstreamAnswer
from aibridge_core.tools import ToolCall, ToolResult, usage_of
from aibridge_core.trail import Trail
from aibridge_core.wire import AnswerHead, UpstreamRequest, header


class Answering(Protocol):
    """The answer side of an interceptor, or of one that reads coded bytes."""

    def feed(self, data: bytes) -> Sequence[Step]: ...

    def end_turn(self, *, broken: bool = False) -> Sequence[Step]: ...


@frozen(kw_only=True)
class ToolLoop:
    """Whose tools are run, and how often the model may ask."""

    servers: ToolServers
    actor: Actor
    max_turns: int


class RelayLoop:
    """One exchange. Raises what its ports raise; `break_off` takes what was seen by then."""

    def __init__(
        self,
        interceptor: Interceptor,
        trail: Trail,
        reply: Reply,
        *,
        request: UpstreamRequest,
        codings: ContentCodings,
        tools: ToolLoop,
        dispatch: Dispatch,
        watch: Watch = UNWATCHED,
    ) -> None:
        self._interceptor = interceptor
        self._trail = trail
        self._reply = reply
        self._request = request
        self._codings = codings
        self._tools = tools
        self._dispatch = dispatch
        self._watch = watch
        self._answering: Answering = interceptor
        self._head: AnswerHead | None = None
        self._calls: Sequence[ToolCall] = ()
        self._calls_end_answer = False
        self.status: int | None = None
        """Of the client's answer, once it has begun."""
        self.coded = False
        """Whether the client's answer is in a content coding: nothing of our own can stand in it."""
        self._reading = False
        """Whether an answer has begun and is not over."""

    async def run(self) -> None:
        """Send the request, relay the answer, close the trail before its last piece goes out.

        Raises TurnLimitReached, UpstreamRefused, and whatever the interceptor refuses the answer with.
        """
        await self._turn()
        turns = 1
        while self._calls and not self._calls_end_answer:
            if turns >= self._tools.max_turns:
                self._observe([ToolResult(call=call, error="not run: too many turns") for call in self._calls])
                raise TurnLimitReached(f"the model called injected tools in {turns} turns without an answer")
            results = await self._run_tools()
            self._request = self._request.having(body=self._interceptor.resume(results))
            await self._turn()
            turns += 1
        if self._calls:
            for step in self._interceptor.conclude(await self._run_tools()):
                await self._take(step)
        await self._trail.close(self._interceptor)
        await self._start()
        await self._reply.finish()

    def break_off(self) -> bytes:
        """The exchange ended early: take the facts so far; returns the bytes that were held back."""
        return self._trail.observe(self._answering.end_turn(broken=True)) if self._reading else b""

    async def _turn(self) -> None:
        self._calls = ()
        call = self._dispatch.call(self._request)
        self._request = self._request.having(body=b"")  # not needed for as long as the answer may last
        async with call as answer:
            self._begin(answer.head)
            if self._reply.started and not self._interceptor.streams:
                await self._refused(answer)
            if self._interceptor.streams:
                await self._start()
            feed, send, fresh = self._answering.feed, self._reply.send, True
            async for chunk in answer.chunks():
                if fresh:
                    fresh = False
                    call.watched.flowing()
                for step in feed(chunk):
                    if type(step) is Relay and not step.last and not self._head:
                        await send(step.data)
                    else:
                        await self._take(step)
            self._reading = False
            for step in self._answering.end_turn():
                await self._take(step)

    async def _take(self, step: Step) -> None:
        if isinstance(step, CallTools):
            self._calls, self._calls_end_answer = step.calls, step.ends_answer
        elif isinstance(step, Refused):
            raise step.error
        elif isinstance(step, Relay):
            if step.last:
                await self._trail.close(self._interceptor)
            await self._start()
            await self._reply.send(step.data)
        else:
            self._trail.observe((step,))

    async def _refused(self, answer: UpstreamAnswer) -> None:
        """A status can't be relayed any more, so its message goes into the stream that has begun, if it comes whole."""
        broken = False
        try:
            async for chunk in answer.chunks():
                self._trail.observe(self._answering.feed(chunk))
        except UpstreamFault:  # the status has come, and says enough
            broken = True
        self._reading = False
        self._trail.observe(self._answering.end_turn(broken=broken))
        raise UpstreamRefused(self._trail.failure or f"the provider answered with status {answer.head.status}")

    async def _run_tools(self) -> Sequence[ToolResult]:
        await self._trail.flush(self._interceptor)
        try:
            with self._watch.during(Phase.CALL_TOOLS):
                results = await self._tools.servers.call(self._tools.actor, self._calls)
        except BaseException:
            self._observe([ToolResult(call=call, error="cancelled") for call in self._calls])
            raise
        self._observe(results)
        return results

    def _observe(self, results: Sequence[ToolResult]) -> None:
        self._trail.observe([Observed(usage_of(result)) for result in results])

    def _begin(self, head: AnswerHead) -> None:
        """Choose how the answer is read. The client's head is that of the first answer of which it gets bytes."""
        interceptor = self._interceptor
        interceptor.begin_turn(head)
        self._reading = True
        self._answering = interceptor
        coding = (header(head.headers, b"content-encoding") or "identity").lower()
        plain = interceptor.edits_answers and head.status < 400
        drop = [b"content-length"] if plain else []
        if coding != "identity":
            decoder = self._codings.decoder(coding) if coding in self._codings.names else Undecodable()
            self._answering = EncodedAnswer(interceptor, decoder, holds=not interceptor.streams, plain=plain)
            drop += [b"content-encoding"] if plain else []
        if not self._reply.started:
            self._head = AnswerHead(status=head.status, headers=for_client(head.headers, drop=drop))
            self.coded = coding != "identity" and not plain

    async def _start(self) -> None:
        """Send the head: of a stream at once, of anything else with its first bytes."""
        if self._head:
            head, self._head = self._head, None
            self.status = head.status
            self._watch.answering(head.status)
            pings = self._interceptor.streams and not self.coded
            await self._reply.start(head, keep_alive=self._interceptor.keep_alive if pings else None)
