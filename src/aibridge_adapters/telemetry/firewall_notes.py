"""The service log about firewall headers that were ignored.

Belongs here: one line for each such request. Never: what makes a header wrong (`aibridge_core.boundaries`).
"""

import logging

from aibridge_core.intake import FIREWALL_IGNORED
from aibridge_core.observing import Unwatched
from aibridge_core.records import InterceptionStart

_log = logging.getLogger("aibridge.firewall")


class FirewallNotes(Unwatched):
    """Implements `aibridge_core.observing.Observer`; keeps nothing of a request, so that one serves all."""

    def started(self, start: InterceptionStart) -> None:
        """Whoever looks after the firewall should know that its requests can't be matched."""
        if reason := start.metadata.get(FIREWALL_IGNORED):
            _log.warning(
                "agent firewall headers ignored",
                extra={"interception_id": start.id, "user_id": start.initiator.id, "reason": reason},
            )
