"""The scripted provider as an ASGI application.

Belongs here: one exchange, from the request as it came to the reply. Never: the JSON of an API, or a socket.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from attrs import evolve

from aibridge_adapters.codings import Codings
from aibridge_adapters.scripted_provider.asgi import (
    Receive,
    Reply,
    Scope,
    Send,
    deliver,
    read_body,
    refuse_websocket,
    serve_lifespan,
)
from aibridge_adapters.scripted_provider.conversation import InvalidRequest
from aibridge_adapters.scripted_provider.magic import magic_words
from aibridge_adapters.scripted_provider.received import ReceivedRequest, decode_json
from aibridge_adapters.scripted_provider.replies import answer_reply, failure_reply, json_reply
from aibridge_adapters.scripted_provider.routes import ANTHROPIC, Conversing, Vendor, find_route, vendor_of
from aibridge_adapters.scripted_provider.values import Answer, HttpFailure, Script, Turn
from aibridge_adapters.scripted_provider.wire import NewId, id_maker

_CODINGS = Codings()
_MAX_BODY = 64 * 1024 * 1024
"""Largest decoded request, in bytes: twice what the gateway takes by default."""


class ScriptedProvider:
    """An AI provider without a model: an ASGI application that speaks the three APIs and answers by a script.

    `script`: what is answered when; the default obeys magic words in the last user prompt (`MAGIC_WORDS`).
    `keys`: the API keys that are accepted; None accepts any, but one must be sent.
    `seed`: part of every id, so that two providers can be told apart.

    The same requests in the same order get the same answers, ids included. `requests` has what was received, in order.
    """

    def __init__(
        self, script: Script = magic_words, *, keys: Collection[str] | None = None, seed: str = "scripted"
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self._script = script
        self._keys = keys
        self._seed = seed
        self._attempts: Counter[tuple[str, str, tuple[str, ...]]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await refuse_websocket(scope, receive, send)
        else:
            await self._exchange(_received(scope, await read_body(receive)), receive, send)

    async def _exchange(self, request: ReceivedRequest, receive: Receive, send: Send) -> None:
        self.requests.append(request)
        reply = self._reply(request)
        request.status = reply.status
        try:
            request.abandoned = not await deliver(reply, receive, send)
        finally:
            request.end()

    def _reply(self, request: ReceivedRequest) -> Reply:
        new_id = id_maker(seed=self._seed, body=request.body, number=len(self.requests))
        vendor = vendor_of(request.path, says_anthropic_version=request.header("anthropic-version") is not None)
        try:
            return self._answer(request, vendor, new_id)
        except InvalidRequest as error:
            return failure_reply(HttpFailure(status=400, message=str(error)), vendor, new_id, error.parameter)

    def _answer(self, request: ReceivedRequest, vendor: Vendor, new_id: NewId) -> Reply:
        route = find_route(request.method, request.path, vendor)
        if isinstance(route, HttpFailure):
            return failure_reply(route, vendor, new_id)
        if denied := self._denied(request, vendor):
            return failure_reply(denied, vendor, new_id)
        if request.method == "POST" and not isinstance(request.json, Mapping):
            return failure_reply(HttpFailure(status=400, message="The body is not a JSON object."), vendor, new_id)
        if not isinstance(route.serves, Conversing):
            told = route.serves.tell(request.json, request.path.rstrip("/").rpartition("/")[2], request.query)
            return json_reply(told, vendor, new_id)
        turn = self._counted(route.serves.read(request.json))
        answer = self._scripted(turn)
        if isinstance(answer, HttpFailure):
            return failure_reply(answer, vendor, new_id)
        return answer_reply(turn, answer, route.serves.form(turn, answer, new_id), vendor, new_id)

    def _denied(self, request: ReceivedRequest, vendor: Vendor) -> HttpFailure | None:
        key = request.header("x-api-key") or (request.header("authorization") or "").removeprefix("Bearer ").strip()
        if not key:
            return HttpFailure(status=401, message="No API key was sent.")
        if self._keys is not None and key not in self._keys:
            return HttpFailure(status=401, message="The API key is not one of those that are accepted.")
        if vendor is ANTHROPIC and request.header("anthropic-version") is None:
            return HttpFailure(status=400, message="anthropic-version: header is required")
        return None

    def _counted(self, turn: Turn) -> Turn:
        asked = (turn.api.value, turn.prompt, tuple(turn.tool_results))
        self._attempts[asked] += 1
        return evolve(turn, attempt=self._attempts[asked])

    def _scripted(self, turn: Turn) -> Answer | HttpFailure:
        try:
            return self._script(turn)
        except Exception as error:  # whatever a user's script raises, the test that uses it should see it
            return HttpFailure(status=500, message=f"The script failed: {error!r}")


def _received(scope: Scope, body: bytes) -> ReceivedRequest:
    headers = tuple((bytes(name), bytes(value)) for name, value in scope["headers"])
    request = ReceivedRequest(
        method=scope["method"],
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=body,
    )
    request.json = decode_json(_decoded(body, request.header("content-encoding")))
    return request


def _decoded(body: bytes, coding: str | None) -> bytes:
    """What can't be decoded is empty, and the conversation says what is wrong with that."""
    if coding not in _CODINGS.names:
        return body
    try:
        return _CODINGS.decode(body, coding, limit=_MAX_BODY)
    except (ValueError, OverflowError):
        return b""
