"""Whether an interception is what a filter asks for. Never: in which order, or how many."""

from aibridge_core.records import Interception, InterceptionFilter


def matches(interception: Interception, where: InterceptionFilter) -> bool:
    """None means any. Values are compared whole, with their case; times are inclusive at both ends."""
    start = interception.start
    wanted_and_had = (
        (where.initiator_id, start.initiator.id),
        (where.provider, start.provider),
        (where.provider_name, start.provider_name),
        (where.model, start.model),
        (where.client, start.client),
        (where.status, interception.status),
        (where.session_id, interception.session_id),
    )
    return (
        all(wanted is None or wanted == had for wanted, had in wanted_and_had)
        and (where.started_after is None or where.started_after <= start.started_at)
        and (where.started_before is None or start.started_at <= where.started_before)
    )
