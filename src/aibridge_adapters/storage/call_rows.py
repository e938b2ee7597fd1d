"""Network calls to rows and back.

Belongs here: which column holds what. Never: statements.
"""

import msgspec

from aibridge_adapters.storage.rows import Row, micros, moment_of
from aibridge_core.boundaries import FirewallPlace, NetworkCall

CALL_COLUMNS = (
    "agent_firewall_session_id", "sequence_number", "made_at", "allowed", "method", "url", "matched_rule", "process",
    "metadata",
)  # fmt: skip
"""In the order of `call_row` and `call_of`."""


def call_row(call: NetworkCall) -> Row:
    """In the order of CALL_COLUMNS."""
    return (
        call.place.session_id, call.place.sequence_number, micros(call.made_at), call.allowed, call.method, call.url,
        call.matched_rule, call.process, msgspec.json.encode(call.metadata).decode(),
    )  # fmt: skip


def call_of(row: Row) -> NetworkCall:
    """The other way."""
    session_id, sequence_number, made_at, allowed, method, url, matched_rule, process, metadata = row
    return NetworkCall(
        place=FirewallPlace(session_id=session_id, sequence_number=sequence_number),
        made_at=moment_of(made_at),
        allowed=bool(allowed),
        method=method,
        url=url,
        matched_rule=matched_rule,
        process=process,
        metadata=msgspec.json.decode(metadata, type=dict[str, object]),
    )
