"""A request on a passthrough route: relayed, nothing read, nothing recorded.

Belongs here: the side paths of an API (models, count_tokens ...). Never: an exchange with a model.
"""

from aibridge_core.bridge import Caller, upstream_headers
from aibridge_core.errors import UpstreamFault
from aibridge_core.headers import for_client
from aibridge_core.observing import UNWATCHED, Observer, Watch
from aibridge_core.ports import ContentCodings, Reply, Upstream
from aibridge_core.routing import Match
from aibridge_core.wire import AnswerHead, ClientRequest, UpstreamRequest, with_headers


class Passthrough:
    """Serves passthrough routes."""

    def __init__(self, *, upstream: Upstream, codings: ContentCodings, observer: Observer = UNWATCHED) -> None:
        self._upstream = upstream
        self._codings = codings
        self._observer = observer

    async def handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply) -> None:
        """Serve one request. Raises a BridgeError as long as the answer has not begun."""
        watch = self._observer.passthrough(match, request, caller.actor)
        with watch:
            relayed = self._relay(self._outgoing(match, request, caller), reply, watch)
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

    def _outgoing(self, match: Match, request: ClientRequest, caller: Caller) -> UpstreamRequest:
        credential = match.provider.credential(request.headers, own=caller.own_credential, gateway_token=caller.token)
        return UpstreamRequest(
            method=request.method,
            url=match.provider.url(match.path, request.query),
            headers=upstream_headers(request.headers, credential, self._codings),
            body=request.body,
        )

    async def _relay(self, request: UpstreamRequest, reply: Reply, watch: Watch) -> None:
        watched = watch.upstream(request)
        with watched:
            exchange = self._upstream.open(with_headers(request, watched.headers))
            del request  # likewise
            async with exchange as answer:
                head = AnswerHead(status=answer.head.status, headers=for_client(answer.head.headers))
                watched.answered(answer.head)
                watch.answering(head.status)
                await reply.start(head)
                async for chunk in answer.chunks():
                    await reply.send(chunk)
            await reply.finish()
