"""From a client's path to a provider and its route.

Belongs here: finding the way, and saying what exists when there is none. Never: who may go it.
"""

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

from aibridge_core.dialects.api import Dialect
from aibridge_core.dialects.registry import DIALECTS
from aibridge_core.errors import MethodNotAllowed, ProviderDisabled, RouteNotFound
from aibridge_core.providers.api import Provider
from aibridge_core.providers.routes import Mode, Route

_VERSION = re.compile(r"(?<=.)/v1(?=/)")
"""Some clients add it to their base URL by themselves, others want it there: behind the provider's name."""


@frozen(kw_only=True)
class Match:
    """Where a request goes."""

    provider: Provider
    route: Route
    path: str
    """After the provider's name."""

    @property
    def endpoint(self) -> str:
        """The same as a row of the route table: what a client puts in place of a `*` doesn't show."""
        return self.provider.kind.prefix + self.route.path

    @property
    def dialect(self) -> Dialect:
        """The API that is spoken here."""
        return DIALECTS[self.route.dialect or self.provider.kind.dialect]


class Router:
    """The configured providers, by the first segment of the path."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.replace(providers)

    def replace(self, providers: Iterable[Provider]) -> None:
        """From now on these are the ones. Whoever has a `Match` already goes on with the provider in it."""
        self._providers = {provider.name: provider for provider in providers}
        # Nearly every request is for a path without a part of its own, and finding its route costs 2 us.
        paths = [
            f"/{provider.name}{provider.kind.prefix}{route.path}"
            for provider in self._providers.values()
            for route in provider.kind.routes
        ]
        self._exact = {path: match for path in paths if (match := self._look_for(path))}

    @property
    def providers(self) -> Sequence[Provider]:
        """All, in order of configuration."""
        return list(self._providers.values())

    @property
    def names(self) -> list[str]:
        """Names of all providers, in order of configuration."""
        return list(self._providers)

    def resolve(self, method: str, path: str) -> Match:
        """Find the route of `/<provider>/...`. Raises RouteNotFound, ProviderDisabled, MethodNotAllowed."""
        match = self.find(path)
        provider = match.provider if match else self._provider(path)
        if provider and not provider.enabled:
            raise ProviderDisabled(f'provider_disabled: AI provider "{provider.name}" is disabled')
        if match is None:
            known = ", ".join(self._providers) or "none"
            raise RouteNotFound(
                f"route not supported: {method} {path}.{self._hint(path)} Configured providers: {known}"
            )
        served = "POST" if match.route.mode is Mode.BRIDGED else match.route.method
        if served and method != served:
            raise MethodNotAllowed(f"{path} takes {served}, not {method}", allowed=served)
        return match

    def _hint(self, path: str) -> str:
        """What to change in the client's base URL, if nothing but its version keeps the path from being a route."""
        bare = _VERSION.sub("", path)
        for there in self._exact:
            if _VERSION.sub("", there) == bare:
                change = "Take /v1 off the end of" if len(path) > len(there) else "Put /v1 at the end of"
                return f" Did you mean {there}? {change} the client's base URL."
        return ""

    def _provider(self, path: str) -> Provider | None:
        return self._providers.get(path.lstrip("/").partition("/")[0])

    def find(self, path: str) -> Match | None:
        """The route of a path, whatever the method."""
        return self._exact.get(path) or self._look_for(path)

    def _look_for(self, path: str) -> Match | None:
        name, _, rest = path.lstrip("/").partition("/")
        provider = self._providers.get(name)
        route = provider.route(f"/{rest}") if provider else None
        return Match(provider=provider, route=route, path=f"/{rest}") if provider and route else None

    def dialect(self, path: str) -> Dialect:
        """Whose error shape a path's client most likely reads, whether or not the path exists."""
        name, _, rest = path.lstrip("/").partition("/")
        provider = self._providers.get(name)
        if provider is None:
            return DIALECTS["messages" if rest.startswith("v1/messages") else "chat_completions"]
        route = provider.route(f"/{rest}")
        return DIALECTS[(route.dialect if route else "") or provider.kind.dialect]
