"""What an operation of the REST API is: its route, its documentation and its code in one value.

The router and the OpenAPI document are both made of these, so neither can know a route that the other doesn't.
Belongs here: the values only. Never: an operation itself (`interceptions.py`, `catalogue.py`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from attrs import Factory, frozen
from starlette.responses import Response

from aibridge_adapters.http.rest.parameters import Parameter, Query
from aibridge_core.actors import Actor


@frozen(kw_only=True)
class Body:
    """What an operation takes beside its parameters."""

    media_type: str
    description: str
    limit: int
    """In bytes."""


@frozen(kw_only=True)
class Call:
    """A request whose sender is known and whose parameters are known by name."""

    actor: Actor
    query: Query
    path: Mapping[str, str]
    """Path parameters by name."""
    root: str
    """Where the API is mounted; empty at the top."""
    body: bytes = b""
    """Of operations that take one."""

    @property
    def sees_only(self) -> str | None:
        """Id of the one initiator whose interceptions this actor may read; None for all."""
        return None if self.actor.reads_everything else self.actor.id


@frozen(kw_only=True)
class Operation:
    """One route and its method. Whoever holds a valid token may call it; what it shows depends on the actor."""

    name: str
    """Unique; `operationId` of the document."""
    path: str
    """Below the mount; `{id}` marks a path parameter, always an interception's id."""
    method: str = "GET"
    """GET brings HEAD with it."""
    summary: str
    description: str = ""
    handler: Callable[[Call], Awaitable[Response]]
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    result: Any
    """Type of the body of a 200 answer."""
    errors: Mapping[int, str] = Factory(dict)
    """Status and meaning, of those that not every operation has (`openapi.py` has the rest)."""


def json_response(value: Any) -> Response:
    """A small body; long lists go out by `encoding.py`."""
    return Response(msgspec.json.encode(value), media_type="application/json")
