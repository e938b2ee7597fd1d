"""Tasks that live inside one request, started only when they are needed.

Belongs here: their life and their end, and cancelling the request they belong to. Never: what they do. A task group
costs every request tens of microseconds; most requests start no task at all.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class RequestTasks:
    """A context around one request. Its tasks are cancelled, and waited for, when the context is left.

    `cancel_request` cancels the code inside; that cancellation ends here, any other goes on.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._owner = asyncio.current_task()
        self._cancelled = False
        self._over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._over = True
        for task in self._tasks:
            task.cancel()
        if self._cancelled and not isinstance(error, asyncio.CancelledError):
            await self._absorb()
        if self._tasks:
            await asyncio.wait(self._tasks)
            self._tasks.clear()  # each knows by its traceback what it worked on, and so this
        ours = self._cancelled and self._owner is not None and self._owner.uncancel() == 0
        return ours and isinstance(error, asyncio.CancelledError)

    async def _absorb(self) -> None:
        """The request ended in the very moment it was cancelled: take what would strike the server's next await."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the request."""
        self._tasks.append(asyncio.create_task(work))

    @property
    def at_work(self) -> bool:
        """Whether whoever asks was called by the code inside."""
        return asyncio.current_task() is self._owner

    def cancel_request(self) -> None:
        """Cancel the code inside the context; once, and only while it runs."""
        if self._owner and not self._cancelled and not self._over:
            self._cancelled = True
            self._owner.cancel()
