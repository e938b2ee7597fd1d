"""Requests to providers that speak another API than their clients.

Belongs here: what the gateway needs to know of a translation. Never: one; each such provider brings its own.
"""

from typing import Protocol

from attrs import frozen

from aibridge_core.ports import Upstream, UpstreamAnswer
from aibridge_core.providers.routes import Route
from aibridge_core.wire import UpstreamRequest


class Translation(Protocol):
    """How one request is asked of a provider that speaks another API than the client, and its answer understood."""

    @property
    def model(self) -> str:
        """The model as the provider knows it; empty: as the client named it."""
        ...

    @property
    def profile(self) -> str:
        """What of the provider's the model is asked through, where its name isn't what is asked for; empty: nothing."""
        ...

    @property
    def edits(self) -> bool:
        """Whether it changes bodies, so that none may be coded."""
        ...

    def request(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request for the provider; asked again for each turn of a tool loop. Raises MalformedRequest."""
        ...

    def answer(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """The answer as the client's API has it."""
        ...


@frozen(kw_only=True)
class Verbatim:
    """No difference to what the client says, but for what it may be called in the trail."""

    model: str = ""
    profile: str = ""
    edits: bool = False

    def request(self, request: UpstreamRequest) -> UpstreamRequest:
        """As it is."""
        return request

    def answer(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """As it is."""
        return answer


VERBATIM = Verbatim()


class Translator(Protocol):
    """What a provider makes of requests. Some have to ask the provider first, by `upstream`, and shortly."""

    async def translation(self, route: Route, model: str, upstream: Upstream) -> Translation:
        """For a request on a bridged route that names this model. Raises a BridgeError if it can't be asked."""
        ...

    async def aside(self, route: Route, body: bytes, upstream: Upstream) -> Translation:
        """For a request on a passthrough route that is translated. Raises a BridgeError if it can't be asked."""
        ...


class Untranslated:
    """The provider speaks its clients' API."""

    async def translation(self, route: Route, model: str, upstream: Upstream) -> Translation:
        """None is needed."""
        return VERBATIM

    async def aside(self, route: Route, body: bytes, upstream: Upstream) -> Translation:
        """None is needed."""
        return VERBATIM
