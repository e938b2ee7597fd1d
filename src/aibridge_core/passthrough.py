"""A request on a passthrough route: relayed, nothing read, nothing recorded.

Belongs here: the side paths of an API (models, count_tokens ...). Never: an exchange with a model.
"""

from aibridge_core.dispatch import NO_RETRIES, Call, Dispatch, Retries, client_deadline
from aibridge_core.errors import UpstreamFault
from aibridge_core.headers import for_client
from aibridge_core.intake import Caller, upstream_headers
from aibridge_core.observing import UNWATCHED, Observer, Watch
from aibridge_core.ports import Clock, ContentCodings, Reply, Upstream
from aibridge_core.routing import Match
from aibridge_core.wire import AnswerHead, ClientRequest, Subject, UpstreamRequest


class Passthrough:
    """Serves passthrough routes."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        codings: ContentCodings,
        clock: Clock,
        observer: Observer = UNWATCHED,
        retries: Retries = NO_RETRIES,
    ) -> None:
        self._upstream = upstream
        self._codings = codings
        self._clock = clock
        self._observer = observer
        self._retries = retries

    async def handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply) -> None:
        """Serve one request. Raises a BridgeError as long as the answer has not begun."""
        watch = self._observer.passthrough(match, request, caller.actor)
        with watch:
            relayed = self._relay(self._call(match, request, caller, watch), reply, watch)
            del request  # its body is not needed for as long as the answer may last
            try:
                await relayed
            except UpstreamFault as error:
                watch.failed(error)
                # Once bytes are out, the client learns of it by an answer that breaks off.
                if not reply.started:
                    raise
            finally:
                watch.sent(reply.sent)

    def _call(self, match: Match, request: ClientRequest, caller: Caller, watch: Watch) -> Call:
        keys = match.provider.keys_for(
            request.headers, caller.actor.id, own=caller.own_credential, gateway_token=caller.token
        )
        dispatch = Dispatch(
            upstream=self._upstream,
            keys=keys,
            retries=self._retries,
            clock=self._clock,
            watch=watch,
            deadline=client_deadline(request.headers, self._clock.monotonic()),
        )
        return dispatch.call(
            UpstreamRequest(
                method=request.method,
                url=match.provider.url(match.path, request.query),
                headers=upstream_headers(match.provider.filter.apply(request.headers), keys.expected(), self._codings),
                body=request.body,
                subject=Subject(provider=match.provider.name),
            )
        )

    async def _relay(self, call: Call, reply: Reply, watch: Watch) -> None:
        async with call as answer:
            head = AnswerHead(status=answer.head.status, headers=for_client(answer.head.headers))
            watch.answering(head.status)
            await reply.start(head)
            async for chunk in answer.chunks():
                await reply.send(chunk)
        await reply.finish()
