"""From a request to an answer that is worth relaying: other keys and further tries, all before the first byte.

Belongs here: the order of tries. Never: which key is healthy (`keys`), or what an answer means.

A request is tried again only if no answer has begun: the provider was not reached, or it refused the key. Whatever
comes after that is the client's.
"""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final

from attrs import frozen

from aibridge_core.actors import Credential
from aibridge_core.cooldown import cooldown
from aibridge_core.errors import UpstreamUnreachable
from aibridge_core.keys import Keys
from aibridge_core.observing import UpstreamWatch, Watch
from aibridge_core.ports import Clock, Upstream, UpstreamAnswer, UpstreamExchange
from aibridge_core.providers.translating import VERBATIM, Translation
from aibridge_core.wire import Headers, UpstreamRequest, header, with_headers

FIRST_PAUSE = 0.25
"""Seconds before the second try, at most; each further pause is twice as long."""
LONGEST_PAUSE = 4.0
NEVER: Final = float("inf")


async def no_pause(seconds: float) -> None:
    """For those who never try again."""


@frozen(kw_only=True)
class Retries:
    """How often an upstream call that reached nobody is made again."""

    most: int = 0
    """Beside the first try."""
    sleep: Callable[[float], Awaitable[None]] = no_pause
    random: Callable[[], float] = lambda: 1.0
    """From 0 to 1; spreads the tries of many requests."""

    def pause(self, failures: int) -> float:
        """Seconds before the next try, after so many failures."""
        longest = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE)
        return longest * (0.5 + self.random() / 2)


NO_RETRIES = Retries()


def client_deadline(headers: Headers, now: float) -> float:
    """When the client gives up, on the clock of `now`: the official SDKs send `x-stainless-timeout`, in seconds."""
    try:
        timeout = float(header(headers, b"x-stainless-timeout") or NEVER)
    except ValueError:
        return NEVER
    return now + timeout if timeout > 0 else NEVER


@frozen(kw_only=True)
class Dispatch:
    """Makes the upstream calls of one request."""

    upstream: Upstream
    keys: Keys
    retries: Retries
    clock: Clock
    watch: Watch
    deadline: float = NEVER
    """On the monotonic clock; no try begins later."""
    translation: Translation = VERBATIM

    def call(self, request: UpstreamRequest) -> "Call":
        """An upstream call, not begun yet. Raises MalformedRequest."""
        return Call(self, self.translation.request(request))


class Call:
    """An asynchronous context: entering it brings the answer to be relayed, leaving it closes whatever is open."""

    watched: UpstreamWatch
    """Of the try that brought the answer."""
    _exchange: UpstreamExchange

    def __init__(self, dispatch: Dispatch, request: UpstreamRequest) -> None:
        self._dispatch = dispatch
        self._request: UpstreamRequest | None = request

    async def __aenter__(self) -> UpstreamAnswer:
        """Raises UpstreamUnreachable, UpstreamBroken, UpstreamTimeout, KeysRateLimited, KeysUnauthorized."""
        assert self._request is not None, "a call is entered once"
        keys, failures = self._dispatch.keys, 0
        keys.begin()
        try:
            while True:
                try:
                    answer = await self._try(self._request)
                except UpstreamUnreachable:
                    failures += 1
                    if not await self._may_try_again(failures):
                        raise
                    keys.begin()
                else:
                    if answer is not None:
                        return self._dispatch.translation.answer(answer)
        finally:
            self._request = None  # its body is not needed for as long as the answer may last
            keys.tell_tried()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back if the answer was read to its end."""
        try:
            await self._exchange.__aexit__(kind, error, trace)
        finally:
            self._leave(kind, error, trace)

    async def _try(self, request: UpstreamRequest) -> UpstreamAnswer | None:
        """One try; None if it should go on with another key."""
        dispatch = self._dispatch
        credential = dispatch.keys.take(dispatch.clock.monotonic())
        request = with_headers(request, await self._authorised(credential, request))
        self.watched = dispatch.watch.upstream(request)
        self.watched.__enter__()
        try:
            self._exchange = dispatch.upstream.open(with_headers(request, self.watched.headers))
            answer = await self._exchange.__aenter__()
        except BaseException as error:
            self._leave(type(error), error, error.__traceback__)
            raise
        self.watched.answered(answer.head)
        now = dispatch.clock.monotonic()
        status, headers = answer.head.status, answer.head.headers
        if status < 400 or not dispatch.keys.refused(status, cooldown(headers, dispatch.clock.now()), now):
            return answer
        await self.__aexit__(None, None, None)
        return None

    async def _authorised(self, credential: Credential, request: UpstreamRequest) -> Headers:
        """Raises what a signer raises."""
        if credential.signer is None:
            return ((credential.header, credential.value),)
        try:
            return await credential.signer.sign(request)
        except BaseException:
            self._dispatch.keys.leave()
            raise

    def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dispatch.keys.leave()
        self.watched.__exit__(kind, error, trace)

    async def _may_try_again(self, failures: int) -> bool:
        """After a pause, if there is time for one."""
        retries, clock = self._dispatch.retries, self._dispatch.clock
        if failures > retries.most:
            return False
        pause = retries.pause(failures)
        if clock.monotonic() + pause >= self._dispatch.deadline:
            return False
        await retries.sleep(pause)
        return True
