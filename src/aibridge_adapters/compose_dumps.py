"""Dumps in the composition root.

Belongs here: from settings to an Upstream. Never: what is dumped (`aibridge_adapters.dumps`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aibridge_adapters.config import Settings
from aibridge_adapters.dumps import DumpedUpstream, Limits, Writer
from aibridge_core.ports import Clock, Upstream

_log = logging.getLogger("aibridge.dumps")


@contextmanager
def dumped(upstream: Upstream, settings: Settings, clock: Clock) -> Iterator[Upstream]:
    """The same upstream, or one around it if any provider is to be dumped; what isn't asked for costs nothing."""
    folders = {each.name: folder for each in settings.providers if (folder := each.dump_dir or settings.dumps.dir)}
    if not folders:
        yield upstream
        return

    def now() -> float:
        return clock.now().timestamp()

    _log.warning("exchanges are dumped, with prompts and answers", extra={"providers": sorted(folders)})
    keys = [key for each in settings.providers for key in each.keys]
    writer = Writer(Limits(size=settings.dumps.size, age=settings.dumps.age), now)
    try:
        yield DumpedUpstream(upstream, writer, folders, now, keys)
    finally:
        writer.close()
