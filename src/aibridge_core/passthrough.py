"""A request on a passthrough route: relayed, nothing read, nothing recorded.

Belongs here: the side paths of an API (models, count_tokens ...). Never: an exchange with a model.
"""

from aibridge_core.dispatch import NO_RETRIES, Call, Dispatch, Retries, client_deadline
from aibridge_core.errors import UpstreamFault
from aibridge_core.headers import for_client
from aibridge_core.intake import Caller, readable_body, upstream_headers
from aibridge_core.observing import UNWATCHED, Observer, Watch
from aibridge_core.ports import Clock, ContentCodings, Reply, Upstream, UpstreamAnswer
from aibridge_core.providers.translating import VERBATIM, Translation
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
        max_body: int,
        observer: Observer = UNWATCHED,
        retries: Retries = NO_RETRIES,
    ) -> None:
        """`max_body`: of a body that is read, in bytes, decoded."""
        self._upstream = upstream
        self._codings = codings
        self._clock = clock
        self._max_body = max_body
        self._observer = observer
        self._retries = retries

    async def handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply) -> None:
        """Serve one request. Raises a BridgeError as long as the answer has not begun."""
        watch = self._observer.passthrough(match, request, caller.actor)
        with watch:
            call, translation = await self._call(match, request, caller, watch)
            del request  # its body is not needed for as long as the answer may last
            relayed = self._relay_whole if translation.edits else self._relay
            try:
                await relayed(call, reply, watch)
            except UpstreamFault as error:
                watch.failed(error)
                # Once bytes are out, the client learns of it by an answer that breaks off.
                if not reply.started:
                    raise
            finally:
                watch.sent(reply.sent)

    async def _call(
        self, match: Match, request: ClientRequest, caller: Caller, watch: Watch
    ) -> tuple[Call, Translation]:
        """Raises a BridgeError if the request can't be asked of this provider."""
        translation, body = await self._translated(match, request)
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
            translation=translation,
        )
        headers = upstream_headers(
            match.provider.filter.apply(request.headers),
            keys.expected(),
            self._codings,
            identity=translation.edits,
            body_is_plain=translation.edits,
        )
        call = dispatch.call(
            UpstreamRequest(
                method=request.method,
                url=match.provider.url(match.path, request.query),
                headers=headers,
                body=body,
                subject=Subject(provider=match.provider.name),
            )
        )
        return call, translation

    async def _translated(self, match: Match, request: ClientRequest) -> tuple[Translation, bytes]:
        """How it is asked, and the body that can be."""
        if not match.route.translated:
            return VERBATIM, request.body
        body = readable_body(request, self._codings, limit=self._max_body)
        return await match.provider.translator.aside(match.route, body, self._upstream), body

    async def _relay(self, call: Call, reply: Reply, watch: Watch) -> None:
        async with call as answer:
            await _start(answer, reply, watch)
            async for chunk in answer.chunks():
                await reply.send(chunk)
        await reply.finish()

    async def _relay_whole(self, call: Call, reply: Reply, watch: Watch) -> None:
        """A translated answer is short; one that makes no sense is still an error with a status of its own."""
        async with call as answer:
            pieces = [piece async for piece in answer.chunks()]
            await _start(answer, reply, watch)
            for piece in pieces:
                await reply.send(piece)
        await reply.finish()


async def _start(answer: UpstreamAnswer, reply: Reply, watch: Watch) -> None:
    head = AnswerHead(status=answer.head.status, headers=for_client(answer.head.headers))
    watch.answering(head.status)
    await reply.start(head)
