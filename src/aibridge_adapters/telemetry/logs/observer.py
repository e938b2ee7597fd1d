"""The service log of requests: what began, what failed and why, for operators.

Belongs here: the lines of an observer, their levels and fields. Never: what people wrote, headers or credentials.
"""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager

from aibridge_adapters.telemetry.logs.context import INTERCEPTION
from aibridge_core.actors import Actor
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import (
    BridgeError,
    Forbidden,
    IdentityUnavailable,
    RecordingFailed,
    RouteNotFound,
    Unauthenticated,
)
from aibridge_core.intake import FIREWALL_IGNORED
from aibridge_core.observing import NOTHING, Phase, Unwatched
from aibridge_core.records import InterceptionEnded, InterceptionStart, Status
from aibridge_core.routing import Match
from aibridge_core.wire import ClientRequest

REFUSALS: Mapping[type[BridgeError], tuple[int, str]] = {
    # A client that is set up for another provider: its operator can help it, if told.
    RouteNotFound: (logging.WARNING, "route not supported"),
    # Nobody gets in until the database is back.
    IdentityUnavailable: (logging.WARNING, "nobody can be authenticated"),
    # Somebody has a wrong token, or guesses. Anybody can cause this, so it is no warning.
    Unauthenticated: (logging.INFO, "no actor found in context"),
    Forbidden: (logging.INFO, "request refused"),
}
"""What is said of requests that came no further; the rest is between client and gateway, and said on `debug`."""

_log = logging.getLogger("aibridge.requests")


class ServiceLog(Unwatched):
    """Implements `aibridge_core.observing.Observer`."""

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> "_Bridged":
        """A line at the beginning, at the end, and for a failure."""
        return _Bridged(match.path)

    def passthrough(self, match: Match, request: ClientRequest, actor: Actor) -> "_PassedThrough":
        """A line for a failure."""
        return _PassedThrough(match.path, match.provider.name)

    def refused(self, path: str, error: BridgeError) -> None:
        """A line unless a watch has said it."""
        level, message = REFUSALS.get(type(error), (logging.DEBUG, "request refused"))
        if _log.isEnabledFor(level):
            fields = {"path": path, "status": error.status, "error": error.message}
            _log.log(level, message, extra=fields)


class _Bridged(Unwatched):
    """Implements `Watch` for one interception, and gives its id to every line that is logged meanwhile."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._start: InterceptionStart | None = None
        self._begun = False

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        if phase is Phase.PROCESS:
            self._begun = True
        return NOTHING

    def started(self, start: InterceptionStart) -> None:
        self._start = start
        INTERCEPTION.set(start.id)
        if ignored := start.metadata.get(FIREWALL_IGNORED):  # whoever looks after the firewall should know
            _log.warning("agent firewall headers ignored", extra={"interception_id": start.id, "reason": ignored})
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("interception started", extra=self._fields(start))

    def ended(self, ended: InterceptionEnded) -> None:
        start = self._start
        assert start is not None
        if ended.status is Status.FAILED:
            error = {"error_type": str(ended.error_type), "error": ended.error_message}
            _log.warning("interception failed", extra={**self._fields(start), **error})
        if _log.isEnabledFor(logging.DEBUG):
            outcome = {"status": ended.status.value, "seconds": (ended.ended_at - start.started_at).total_seconds()}
            _log.debug("interception ended", extra={**self._fields(start), **outcome})

    def __exit__(self, *error_info: object) -> None:
        error = error_info[1]
        if not self._begun and isinstance(error, BridgeError):
            recording = self._start is not None and isinstance(error, RecordingFailed)
            what = "failed to record interception" if recording else "failed to create interceptor"
            _log.warning(what, extra={"path": self._route, "error": error.message})
        if self._start:
            INTERCEPTION.set("")

    def _fields(self, start: InterceptionStart) -> dict[str, object]:
        return {
            "route": self._route,
            "provider": start.provider_name,
            "interception_id": start.id,
            "user_agent": start.user_agent,
            "streaming": start.streaming,
            "credential_kind": start.credential_kind.value,
            "credential_hint": start.credential_hint,
        }


class _PassedThrough(Unwatched):
    """Implements `Watch` for a request that is no interception."""

    def __init__(self, path: str, provider: str) -> None:
        self._fields = {"path": path, "provider": provider}

    def failed(self, failure: Failed | BridgeError) -> None:
        _log.warning("reverse proxy error", extra={**self._fields, "error": failure.message})
