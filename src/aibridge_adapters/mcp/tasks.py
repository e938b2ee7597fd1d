"""Tasks beside the requests, which end with the context they belong to.

Belongs here: their life and their end. Never: what they do. Not a task group: it would cancel the gateway for the error
of one task, and wrap the errors of the code inside the context into exception groups.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger("aibridge.mcp")


class Tasks:
    """Running tasks. One that fails is logged: it is a defect."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something; for callers inside the event loop."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def finish(self, patience: float) -> None:
        """Let them end by themselves for so many seconds, then cancel what is left. Returns when all have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a task of an MCP server failed", exc_info=error)
