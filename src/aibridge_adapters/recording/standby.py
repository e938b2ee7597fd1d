"""What requests and the task that catches up share. Belongs here: one value. Never: behaviour."""

from attrs import frozen

from aibridge_adapters.recording.backlog import Backlog, LooseEnds
from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.outage import Outage


@frozen(kw_only=True)
class Standby:
    """Where things wait while the database is away, and what is known of that."""

    backlog: Backlog
    """Of running requests, and of new ones if it takes starts."""
    loose: LooseEnds
    """Of nobody."""
    outage: Outage
    tally: Tally
