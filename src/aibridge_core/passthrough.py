"""A request on a passthrough route: relayed, nothing read, nothing recorded.

Belongs here: the side paths of an API (models, count_tokens ...). Never: an exchange with a model.
"""

from aibridge_core.bridge import Caller, upstream_headers
from aibridge_core.errors import UpstreamFault
from aibridge_core.headers import for_client
from aibridge_core.ports import ContentCodings, Reply, Upstream
from aibridge_core.routing import Match
from aibridge_core.wire import AnswerHead, ClientRequest, UpstreamRequest


class Passthrough:
    """Serves passthrough routes."""

    def __init__(self, *, upstream: Upstream, codings: ContentCodings) -> None:
        self._upstream = upstream
        self._codings = codings

    async def handle(self, match: Match, request: ClientRequest, caller: Caller, reply: Reply) -> None:
        """Serve one request. Raises a BridgeError as long as the answer has not begun."""
        credential = match.provider.credential(request.headers, own=caller.own_credential, gateway_token=caller.token)
        exchange = self._upstream.open(
            UpstreamRequest(
                method=request.method,
                url=match.provider.url(match.path, request.query),
                headers=upstream_headers(request.headers, credential, self._codings),
                body=request.body,
            )
        )
        del request  # its body is not needed for as long as the answer may last
        try:
            async with exchange as answer:
                await reply.start(AnswerHead(status=answer.head.status, headers=for_client(answer.head.headers)))
                async for chunk in answer.chunks():
                    await reply.send(chunk)
            await reply.finish()
        except UpstreamFault:
            # Once bytes are out, the client learns of it by an answer that breaks off.
            if not reply.started:
                raise
