"""A request on a bridged route: read, recorded, relayed.

Belongs here: the use case from the client's request to its outcome. Never: HTTP frameworks, databases.
"""

from collections.abc import Callable

from aibridge_core.actor_headers import NO_ACTOR_HEADERS, ActorHeaders
from aibridge_core.actors import Actor
from aibridge_core.breaker import FREE, Breakers, FreePassage, Passage
from aibridge_core.dialects.api import Interceptor
from aibridge_core.dispatch import NO_RETRIES, Dispatch, Retries
from aibridge_core.errors import BridgeError, UpstreamCut
from aibridge_core.hidden_turns import HiddenTurns
from aibridge_core.intake import Asked, Caller, Intake, Judged
from aibridge_core.observing import UNWATCHED, Observer, Phase, Watch
from aibridge_core.ports import Clock, ContentCodings, NewId, Recorder, Reply, ToolServers, Upstream
from aibridge_core.records import Status
from aibridge_core.relay import RelayLoop, ToolLoop
from aibridge_core.routing import Match
from aibridge_core.tools import NoToolServers
from aibridge_core.trail import Trail
from aibridge_core.wire import ClientRequest


class Bridge:
    """Serves bridged routes."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        recorder: Recorder,
        codings: ContentCodings,
        clock: Clock,
        new_id: NewId,
        max_body: int,
        tools: ToolServers | None = None,
        max_turns: int = 16,
        observer: Observer = UNWATCHED,
        hidden: HiddenTurns | None = None,
        actor_headers: ActorHeaders = NO_ACTOR_HEADERS,
        retries: Retries = NO_RETRIES,
        breakers: Breakers | None = None,
        status: Callable[[], int | None] | None = None,
    ) -> None:
        """`status` that the present answer would have over HTTP, where answers have none: for the circuit breaker."""
        self._upstream = upstream
        self._recorder = recorder
        self._codings = codings
        self._clock = clock
        self._new_id: Callable[[], str] = new_id
        self._intake = Intake(
            upstream=upstream,
            codings=codings,
            clock=clock,
            new_id=new_id,
            max_body=max_body,
            actor_headers=actor_headers,
        )
        self._tools = tools or NoToolServers()
        self._max_turns = max_turns
        self._observer = observer
        self._hidden = hidden or HiddenTurns(now=clock.monotonic)
        self._retries = retries
        self._breakers = breakers or Breakers()
        self._status = status

    async def handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply) -> None:
        """Serve one request. Raises a BridgeError as long as the answer has not begun."""
        watch = self._observer.bridged(match, request, caller.actor)
        with watch:
            exchange = self._handle(match, request, caller, reply, watch)
            del request
            try:
                await exchange
            finally:
                watch.sent(reply.sent)

    async def _handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply, watch: Watch) -> None:
        with watch.during(Phase.FIND_TOOLS):
            toolbox = (await self._tools.toolbox(caller.actor)).hiding(self._hidden.of(caller.actor.id))
        with watch.during(Phase.INTERCEPT):
            asked = await self._intake.read(match, request, caller, toolbox)
        del request
        watch.started(asked.start)
        with watch.during(Phase.BEGIN):
            await self._recorder.begin(asked.start)
        loop, trail = self._loop(asked, caller.actor, reply, watch)
        interceptor, circuit = asked.interceptor, asked.circuit
        del asked
        with watch.during(Phase.PROCESS):
            await self._process(loop, trail, interceptor, reply, circuit)

    def _loop(self, asked: Asked, actor: Actor, reply: Reply, watch: Watch) -> tuple[RelayLoop, Trail]:
        trail = Trail(
            asked.start, recorder=self._recorder, clock=self._clock, new_id=self._new_id, watch=watch, keys=asked.keys
        )
        dispatch = Dispatch(
            upstream=self._upstream,
            keys=asked.keys,
            retries=self._retries,
            clock=self._clock,
            watch=watch,
            deadline=asked.deadline,
            translation=asked.translation,
        )
        tools = ToolLoop(servers=self._tools, actor=actor, max_turns=self._max_turns)
        loop = RelayLoop(
            asked.interceptor,
            trail,
            reply,
            request=asked.outgoing,
            codings=self._codings,
            tools=tools,
            dispatch=dispatch,
            watch=watch,
        )
        return loop, trail

    async def _process(
        self, loop: RelayLoop, trail: Trail, interceptor: Interceptor, reply: Reply, circuit: Judged
    ) -> None:
        """From the upstream call to the outcome."""
        passage: Passage | FreePassage = FREE
        failed: bool | None = None
        try:
            passage = self._breakers.admit(circuit.circuit, self._clock.monotonic())
            await loop.run()
            failed = circuit.failed(self._status_of(loop))
        except BridgeError as error:
            failed = circuit.failed(self._status_of(loop), error)
            trail.fail(error)
            if not await self._break_off(loop, trail, interceptor, reply, error):
                raise  # here: an error that is raised by a name holds on to the frame with that name
        except BaseException:
            loop.break_off()
            await trail.close(interceptor, Status.CANCELLED if reply.client_gone else Status.INTERRUPTED)
            raise
        finally:
            passage.settle(failed, self._clock.monotonic())

    def _status_of(self, loop: RelayLoop) -> int | None:
        return self._status() if self._status else loop.status

    async def _break_off(
        self, loop: RelayLoop, trail: Trail, interceptor: Interceptor, reply: Reply, error: BridgeError
    ) -> bool:
        """The upstream failed: record, then tell the client if its answer has begun; returns whether it has.

        An answer whose connection ended says nothing: that of the client ends the same way. So does one in a content
        coding, in which our words would be no words.
        """
        held = loop.break_off()
        await trail.close(interceptor)
        if not reply.started:
            return False
        if held:
            await reply.send(held)
        event = b"" if isinstance(error, UpstreamCut) or loop.coded else interceptor.fail(error)
        if event:
            await reply.send(event)
            await reply.finish()
        return True
