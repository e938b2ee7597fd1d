"""Small lists: models, clients, providers, and whose token this is.

Belongs here: operations whose answer is a handful of names. Never: interceptions themselves.
"""

from collections.abc import Callable, Sequence

from attrs import frozen
from starlette.responses import Response

from aibridge_adapters.http.rest import shapes
from aibridge_adapters.http.rest.operations import Call, Operation, json_response
from aibridge_adapters.http.rest.parameters import LIMIT, OFFSET, Parameter
from aibridge_adapters.http.rest.presenting import present_user
from aibridge_adapters.http.rest.searching import client_prefix, model_prefix
from aibridge_core.ports import InterceptionStore


@frozen(kw_only=True)
class ProviderInfo:
    """What the API may know of a configured provider: neither its base URL, which may be internal, nor its keys."""

    name: str
    """Unique; the first segment of its routes."""
    type: str


def prefix_parameter(key: str) -> Parameter:
    """`q` of the lists of names."""
    return Parameter(
        name="q", description=f"Only names that begin so, written bare or as `{key}:...`.", schema={"type": "string"}
    )


MODEL_PREFIX = prefix_parameter("model")
CLIENT_PREFIX = prefix_parameter("client")


class Catalogue:
    """The operations on one store and one set of providers."""

    def __init__(self, store: InterceptionStore, providers: Callable[[], Sequence[ProviderInfo]]) -> None:
        """`providers`: asked each time, for they can be exchanged."""
        self._store = store
        self._providers = providers

    def operations(self) -> Sequence[Operation]:
        """What the router serves of this."""
        return (
            Operation(
                name="listModels",
                path="/models",
                summary="List the requested models, ascending",
                description="Of the interceptions that the caller may read.",
                handler=self.models,
                parameters=(MODEL_PREFIX, LIMIT, OFFSET),
                result=list[str],
            ),
            Operation(
                name="listClients",
                path="/clients",
                summary="List the programs that sent requests, ascending",
                description="Of the interceptions that the caller may read.",
                handler=self.clients,
                parameters=(CLIENT_PREFIX, LIMIT, OFFSET),
                result=list[str],
            ),
            Operation(
                name="listProviders",
                path="/providers",
                summary="List the names of the configured providers, ascending",
                handler=self.providers,
                result=list[str],
            ),
            Operation(
                name="getCurrentUser",
                path="/users/me",
                summary="Tell whose token this is",
                handler=self.current_user,
                result=shapes.CurrentUser,
            ),
        )

    async def models(self, call: Call) -> Response:
        """Distinct models by prefix."""
        page = call.query.page()
        prefix = model_prefix(call.query.text(MODEL_PREFIX))
        return json_response(await self._store.models(initiator_id=call.sees_only, prefix=prefix, page=page))

    async def clients(self, call: Call) -> Response:
        """Distinct client labels by prefix."""
        page = call.query.page()
        prefix = client_prefix(call.query.text(CLIENT_PREFIX))
        return json_response(await self._store.clients(initiator_id=call.sees_only, prefix=prefix, page=page))

    async def providers(self, call: Call) -> Response:
        """Their names."""
        return json_response(sorted(provider.name for provider in self._providers()))

    async def current_user(self, call: Call) -> Response:
        """The caller."""
        return json_response(present_user(call.actor))
