"""Dumps in the composition root.

Belongs here: from settings to what stands around an Upstream. Never: what is dumped (`aibridge_adapters.dumps`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from aibridge_adapters.config import Settings
from aibridge_adapters.dumps import AS_MESSAGES, DumpedSockets, DumpedUpstream, Dumping, Limits
from aibridge_core.ports import Clock, Upstream
from aibridge_core.sockets import UpstreamSockets

_log = logging.getLogger("aibridge.dumps")


@frozen
class Dumps:
    """What is dumped of a running gateway; where nothing is, a look into an empty table is all that a call costs."""

    _dumping: Dumping

    def around(self, upstream: Upstream) -> Upstream:
        """The same upstream, its calls dumped if they should be."""
        return DumpedUpstream(upstream, self._dumping)

    def around_socket(self, upstream: Upstream) -> Upstream:
        """The same for an upstream on a WebSocket."""
        return DumpedUpstream(upstream, self._dumping, AS_MESSAGES)

    def around_sockets(self, sockets: UpstreamSockets) -> UpstreamSockets:
        """The same for upgrades."""
        return DumpedSockets(sockets, self._dumping)

    def follow(self, settings: Settings) -> None:
        """From now on dump what these settings say."""
        folders = {each.name: folder for each in settings.providers if (folder := each.dump_dir or settings.dumps.dir)}
        keys = [key for each in settings.providers for key in each.keys]
        limits = Limits(size=settings.dumps.size, age=settings.dumps.age)
        if not self._dumping.change(folders, limits, keys):
            return
        if folders:
            _log.warning("exchanges are dumped, with prompts and answers", extra={"providers": sorted(folders)})
        else:
            _log.info("exchanges are not dumped any more")


@contextmanager
def dumps(settings: Settings, clock: Clock) -> Iterator[Dumps]:
    """As the settings say."""
    dumping = Dumping(lambda: clock.now().timestamp())
    found = Dumps(dumping)
    found.follow(settings)
    try:
        yield found
    finally:
        dumping.close()
