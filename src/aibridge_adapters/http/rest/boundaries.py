"""What agents did on the network: firewalls' audit logs go in, network calls come out.

Belongs here: who may do which, and the answers. Never: what a line says (`aibridge_core.boundary_lines`).

A firewall session is the client's word, so these calls are for those who may see everybody's interceptions: a member
could name somebody else's session.
"""

from collections.abc import Sequence

from attrs import frozen
from starlette.responses import Response

from aibridge_adapters.http.rest import shapes
from aibridge_adapters.http.rest.operations import Body, Call, Operation, json_response
from aibridge_adapters.http.rest.parameters import LIMIT, MAX_LIMIT, Parameter, is_uuid
from aibridge_adapters.http.rest.presenting import present_network_call
from aibridge_adapters.http.rest.problems import INVALID_PARAMETERS, Problem, invalid
from aibridge_core.actors import Role
from aibridge_core.boundaries import NetworkCall, NetworkLog, calls_until_next_request
from aibridge_core.boundary_lines import InvalidLine, read_line
from aibridge_core.records import Interception

MAX_BODY = 8 * 1024 * 1024
"""Longest audit log in one request, in bytes; `aibridge boundaries import` takes any."""
MAX_FAULTS = 20
"""Most wrong lines that an answer names."""

SESSION = Parameter(
    name="session_id",
    description="Firewall session whose calls to list.",
    schema={"type": "string", "format": "uuid"},
    required=True,
)
SEQ_AFTER = Parameter(
    name="seq_after",
    description="Only calls with larger sequence numbers; the last one of a page leads to the next page.",
    schema={"type": "integer", "minimum": 0},
)
SEQ_BEFORE = Parameter(
    name="seq_before", description="Only calls with smaller sequence numbers.", schema={"type": "integer", "minimum": 0}
)


@frozen
class Boundaries:
    """The operations on one log; None where the storage keeps none."""

    _log: NetworkLog | None

    def operations(self) -> Sequence[Operation]:
        """What the router serves of this."""
        return (
            Operation(
                name="listNetworkCalls",
                path="/boundaries/calls",
                summary="List the network calls of a firewall session, by sequence number",
                description="For auditors and admins.",
                handler=self.list,
                parameters=(SESSION, SEQ_AFTER, SEQ_BEFORE, LIMIT),
                result=shapes.NetworkCalls,
                errors={501: "This gateway's storage keeps no network calls."},
            ),
            Operation(
                name="importNetworkCalls",
                path="/boundaries/logs",
                method="POST",
                summary="Import an audit log of an agent firewall",
                description="For admins. All lines are kept, or none; a call that is there already stays as it is.",
                handler=self.post,
                body=Body(
                    media_type="application/x-ndjson",
                    description="One JSON object a line; see the guide to agent boundaries for its fields.",
                    limit=MAX_BODY,
                ),
                result=shapes.ImportedCalls,
                errors={413: "The log is too long; send it in parts.", 501: "As `listNetworkCalls`."},
            ),
        )

    async def list(self, call: Call) -> Response:
        """One page."""
        if call.sees_only is not None:
            raise Problem(403, "Forbidden.", detail="Network calls are for auditors and admins.")
        session_id = call.query.text(SESSION)
        if not is_uuid(session_id):
            field = shapes.Validation(field="session_id", detail='Query param "session_id" must be a valid uuid')
            raise invalid(INVALID_PARAMETERS, field)
        after, before = call.query.number(SEQ_AFTER), call.query.number(SEQ_BEFORE)
        found = await self._kept().calls(
            session_id.lower(), after=-1 if after is None else after, before=before, limit=call.query.page().limit
        )
        return json_response(shapes.NetworkCalls(results=[present_network_call(each) for each in found]))

    async def post(self, call: Call) -> Response:
        """All or nothing."""
        if call.actor.role is not Role.ADMIN:
            raise Problem(403, "Forbidden.", detail="Audit logs are imported by admins.")
        log = self._kept()
        lines = call.body.split(b"\n")
        calls = _read(lines)
        new = len(await log.keep(calls))
        others = sum(1 for line in lines if line.strip()) - len(calls)
        return json_response(shapes.ImportedCalls(new=new, known=len(calls) - new, skipped=others))

    async def between(self, interception: Interception, call: Call) -> Sequence[NetworkCall] | None:
        """The calls between an interception and the next one; None if nobody knows, or this actor may not."""
        place = interception.start.firewall
        if self._log is None or place is None or call.sees_only is not None:
            return None
        initiator_id = interception.start.initiator.id
        return await calls_until_next_request(self._log, place, initiator_id=initiator_id, limit=MAX_LIMIT)

    def _kept(self) -> NetworkLog:
        if self._log is None:
            raise Problem(501, "Not available.", detail="This gateway's storage keeps no network calls.")
        return self._log


def _read(lines: Sequence[bytes]) -> list[NetworkCall]:
    """Raises Problem that names the first wrong lines."""
    calls, faults = [], []
    for number, line in enumerate(lines, 1):
        try:
            if (call := read_line(line)) is not None:
                calls.append(call)
        except InvalidLine as error:
            faults.append(shapes.Validation(field=f"line {number}", detail=str(error)))
    if faults:
        detail = f"Nothing was imported: {len(faults)} of the lines are wrong."
        raise invalid("Invalid audit log.", *faults[:MAX_FAULTS], detail=detail)
    return calls
