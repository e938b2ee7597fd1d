"""Part of the composition root: where metrics get their numbers from.

Belongs here: from the counters and events of other adapters to the names of metrics. Never: counting.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from platform import python_version

import anyio
from attrs import asdict
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from aibridge_adapters.admission import SharedAdmission
from aibridge_adapters.config import Settings
from aibridge_adapters.identity.authenticator import StoredAuthenticator
from aibridge_adapters.mcp.events import Called, Connected, Event, LeftOut, Listed, Renewed, Rested, WarmedUp
from aibridge_adapters.metering import Metering, Sources
from aibridge_adapters.recording import Recording
from aibridge_adapters.retention import Tally
from aibridge_adapters.storage import Storage
from aibridge_adapters.storage.writing import Commit, Writing
from aibridge_adapters.telemetry.logs import sink_counters
from aibridge_adapters.telemetry.metrics import (
    Bounds,
    CommitMeters,
    Exposition,
    GuardMeters,
    LoopLag,
    McpMeters,
    Meters,
    MetricsObserver,
    Reading,
    Readings,
)
from aibridge_core.ports import Authenticator, Clock
from aibridge_core.routing import Router


class PrometheusMetering(Metering):
    """All metrics, in a registry of their own, which a host application's registry then holds as a whole.

    The process's own metrics are the host's to show, if there is one.
    """

    def __init__(self, settings: Settings, clock: Clock, router: Router, host: CollectorRegistry | None = None) -> None:
        self._own = CollectorRegistry()
        self._host = host
        self._bounds = Bounds(settings.prometheus.max_values)
        if host is None:
            ProcessCollector(registry=self._own)
            GCCollector(registry=self._own)
        meters = Meters(self._own, self._bounds)
        self._commits = CommitMeters(meters)
        self._mcp = McpMeters(meters)
        self._lag = LoopLag(meters, clock=clock, sleep=anyio.sleep)
        shows_users = settings.prometheus.users
        self.observers = (MetricsObserver(meters, clock=clock, find=router.find, shows_users=shows_users),)
        self.mcp_listeners = (self._tell_mcp,)
        self.guard_listeners = (GuardMeters(meters).tell,)
        self._clock = clock
        self.page = Exposition(host or self._own)

    def attach(self, sources: Sources) -> None:
        """Once, when everything is there to be read."""
        writing = _writing(sources.storage)
        writing.listeners.append(self._tell_commit)
        self._own.register(
            Readings(
                {
                    **_of_build(),
                    **_of_providers(sources),
                    **_of_keys(sources, self._clock),
                    **_of_writing(writing),
                    **_of_recording(sources.recording),
                    **_of_authenticator(sources.authenticator),
                    **_of_purges(sources.purges),
                    **_of_logs_and_traces(sources),
                    **_of_shared_limits(sources.shared_limits),
                    "label_values_folded_total": lambda: (((k,), n) for k, n in self._bounds.folded.items()),
                }
            )
        )
        if self._host is not None:
            self._host.register(self._own)

    async def run(self) -> None:
        """Measure until cancelled."""
        await self._lag.run()

    def close(self) -> None:
        """The host's registry forgets this gateway, so that the next one finds its names free."""
        if self._host is not None:
            self._host.unregister(self._own)

    def _tell_commit(self, commit: Commit) -> None:
        self._commits.done(seconds=commit.seconds, committed=commit.committed, failed=commit.failed)

    def _tell_mcp(self, event: Event) -> None:
        match event:
            case Connected():
                self._mcp.connected(event.server, error=event.error)
            case Listed():
                self._mcp.offers(event.server, event.offered)
            case Rested():
                self._mcp.offers(event.server, 0)
            case Called():
                outcome = "failed" if event.error else "error" if event.is_error else "ok"
                self._mcp.called(event.server, seconds=event.seconds, outcome=outcome)
            case WarmedUp():
                for server in event.missing:
                    self._mcp.skipped(server)
            case LeftOut():
                self._mcp.skipped(event.server)
            case Renewed():
                self._mcp.renewed(event.server, error=event.error)


def _of_build() -> Mapping[str, Reading]:
    shown = (version("aibridge"), python_version())
    return {"build_info": lambda: ((shown, 1),)}


def _of_providers(sources: Sources) -> Mapping[str, Reading]:
    """Asked each time: they can be exchanged."""
    providers = sources.providers

    def at(name: str) -> Reading:
        return lambda: float(getattr(providers, name).timestamp())

    return {
        "provider_info": lambda: [
            ((each.name, each.type, "enabled" if each.enabled else "disabled"), 1) for each in providers.all
        ],
        "providers_last_reload_timestamp_seconds": at("tried_at"),
        "providers_last_reload_success_timestamp_seconds": at("succeeded_at"),
    }


def _of_keys(sources: Sources, clock: Clock) -> Mapping[str, Reading]:
    """Asked of the pools when somebody looks: a rest is over without an event."""

    def states() -> list[tuple[tuple[str, ...], float]]:
        pools = [each.pool for each in sources.providers.all if each.pool]
        now = clock.monotonic()
        return [((pool.provider, state.value), n) for pool in pools for state, n in pool.states(now).items()]

    return {"key_pool_state": states}


def _writing(storage: Storage) -> Writing:
    """Of a storage that has one; a plugin's own kind of storage may not even have the attribute."""
    found: Writing = getattr(storage, "writing", Writing())
    return found


def _of_writing(writing: Writing) -> Mapping[str, Reading]:
    return {"recording_queue_writes": lambda: writing.works, "recording_queue_bytes": lambda: writing.weight}


def _of_recording(recording: Recording) -> Mapping[str, Reading]:
    """One metric for each counter, by its name."""
    recorder = recording.recorder

    def reading(name: str) -> Reading:
        return lambda: int(getattr(recorder.counters, name))

    return {f"recording_{name}_total": reading(name) for name in asdict(recorder.counters)}


def _of_authenticator(authenticator: Authenticator) -> Mapping[str, Reading]:
    """A host application's own remembers nothing that we know of."""
    if not isinstance(authenticator, StoredAuthenticator):
        return {}
    return {
        "auth_cache_hits_total": lambda: authenticator.counters.hits,
        "auth_cache_misses_total": lambda: authenticator.counters.misses,
        "auth_cache_entries": lambda: authenticator.remembered,
    }


def _of_logs_and_traces(sources: Sources) -> Mapping[str, Reading]:
    """What became of log lines and spans on their way."""

    def lines() -> list[tuple[tuple[str, ...], float]]:
        found = sink_counters()
        return [((each.sink, what), getattr(each, what)) for each in found for what in ("written", "dropped")]

    return {
        "log_lines_total": lines,
        "trace_spans_total": lambda: [((outcome,), n) for outcome, n in sources.spans().items()],
    }


def _of_shared_limits(shared: SharedAdmission | None) -> Mapping[str, Reading]:
    """Nothing but names where limits are not shared."""

    def at(read: Callable[[SharedAdmission], float]) -> Reading:
        return lambda: [((), read(shared))] if shared else ()

    def requests() -> list[tuple[tuple[str, ...], float]]:
        counters = shared.counters if shared else None
        by = {"database": counters.requests, "known": counters.known, "fallback": counters.alone} if counters else {}
        return [((who,), count) for who, count in by.items()]

    return {
        "limits_shared_up": at(lambda each: float(each.shared)),
        "limits_shared_replicas": at(lambda each: each.replicas),
        "limits_shared_requests_total": requests,
        "limits_shared_questions_total": at(lambda each: each.counters.questions),
        "limits_shared_question_seconds_total": at(lambda each: each.counters.question_seconds),
    }


def _of_purges(purges: Tally) -> Mapping[str, Reading]:
    def last_done() -> list[tuple[tuple[str, ...], float]]:
        done_at = purges.counters.last_done_at
        return [((), done_at.timestamp())] if done_at else []

    return {
        "purge_runs_total": lambda: (((outcome.value,), n) for outcome, n in purges.counters.runs.items()),
        "purge_deleted_total": lambda: purges.counters.deleted,
        "purge_erased_total": lambda: purges.counters.erased,
        "purge_seconds_total": lambda: purges.counters.seconds,
        "purge_last_done_timestamp_seconds": last_done,
    }
