"""Reads interceptions: the list and a single one.

Belongs here: who sees which rows, pagination, the answers. Never: how a row looks (`presenting.py`) or how the
database finds it (the `InterceptionStore`).
"""

from collections.abc import Sequence

from starlette.responses import Response

from aibridge_adapters.http.rest import shapes
from aibridge_adapters.http.rest.boundaries import Boundaries
from aibridge_adapters.http.rest.encoding import PiecewiseJson, encode_rows
from aibridge_adapters.http.rest.operations import Call, Operation, json_response
from aibridge_adapters.http.rest.parameters import AFTER_ID, LIMIT, OFFSET, Parameter, is_uuid
from aibridge_adapters.http.rest.presenting import present_in_full, present_interception
from aibridge_adapters.http.rest.problems import Problem, invalid
from aibridge_adapters.http.rest.searching import Search
from aibridge_core.errors import UnknownCursor
from aibridge_core.ports import InterceptionStore
from aibridge_core.records import Interception, InterceptionFilter, Page

Q = Parameter(
    name="q",
    description=(
        "Which interceptions, as `key:value` terms: `initiator` (`me`, id or username), `provider`, `provider_name`,"
        " `model`, `client`, `status`, `session_id`, `started_after`, `started_before` (RFC 3339, inclusive)."
        " Bare words name the initiator. Quote values that hold spaces or colons."
    ),
    schema={"type": "string"},
    example='initiator:me started_after:"2026-01-02T03:04:05Z"',
)


class Interceptions:
    """The two operations on one store."""

    def __init__(self, store: InterceptionStore, search: Search, boundaries: Boundaries) -> None:
        self._store = store
        self._search = search
        self._boundaries = boundaries

    def operations(self) -> Sequence[Operation]:
        """What the router serves of this."""
        return (
            Operation(
                name="listInterceptions",
                path="/interceptions",
                summary="List interceptions, newest first",
                description="Ordered by `started_at` descending, then `id` descending. Members see only their own.",
                handler=self.list,
                parameters=(Q, LIMIT, OFFSET, AFTER_ID),
                result=shapes.InterceptionPage,
            ),
            Operation(
                name="getInterception",
                path="/interceptions/{id}",
                summary="Read one interception, with the network calls that followed it",
                handler=self.get,
                result=shapes.InterceptionInFull,
                errors={404: "There is no such interception, or it is not yours to read."},
            ),
        )

    async def list(self, call: Call) -> Response:
        """One page, and how many match in all."""
        page = call.query.page()
        where = await self._search.interceptions(call.query.text(Q), call)
        found = await self._page(where, page, call)
        count = await self._store.count(where)
        pieces = await encode_rows(found, present_interception)
        return PiecewiseJson([b'{"count":%d,"results":[' % count, *pieces, b"]}"])

    async def get(self, call: Call) -> Response:
        """One; another's looks like one that doesn't exist."""
        found = await self._visible(call.path["id"], call)
        if found is None:
            raise Problem(404, "Interception not found.")
        return json_response(present_in_full(found, await self._boundaries.between(found, call)))

    async def _page(self, where: InterceptionFilter, page: Page, call: Call) -> Sequence[Interception]:
        """Raises Problem for a cursor that is unknown, or another's: its place in time would tell something."""
        unknown = invalid("Invalid pagination cursor.", detail=f"There is no interception {page.after_id}.")
        if page.after_id and call.sees_only and await self._visible(page.after_id, call) is None:
            raise unknown
        try:
            return await self._store.list(where, page)
        except UnknownCursor:
            raise unknown from None

    async def _visible(self, interception_id: str, call: Call) -> Interception | None:
        if not is_uuid(interception_id):
            return None
        found = await self._store.get(interception_id.lower())
        if found and call.sees_only in (None, found.start.initiator.id):
            return found
        return None
