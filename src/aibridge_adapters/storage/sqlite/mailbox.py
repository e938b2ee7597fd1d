"""Calls from the writer's thread to the event loop.

Belongs here: waking a loop. Never: what is called.

asyncio's own way wakes the loop by a socket, reads that until it is empty, and makes the call a turn later. An eventfd
is read once, and the call is made at once: that is 4 % of the processor time of a request that comes alone, which waits
for the writer twice.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any


class Mailbox:
    """Belongs to the loop that runs when it is made; `send` is for a thread."""

    def __init__(self, *, eventfd: bool = True) -> None:
        """`eventfd`: use one where the system has them."""
        self._loop = asyncio.get_running_loop()
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._wake: int | None = None
        if eventfd and sys.platform == "linux":
            self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._loop.add_reader(self._wake, self._open)

    def send(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have it called soon. Raises RuntimeError if the loop has ended."""
        if self._wake is None:
            self._loop.call_soon_threadsafe(function, *arguments)
            return
        if self._loop.is_closed():
            raise RuntimeError("the event loop has ended")
        self._calls.append((function, arguments))
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Make the calls that are left; the thread has ended."""
        if self._wake is not None:
            self._make_calls()
            self._loop.remove_reader(self._wake)
            os.close(self._wake)
            self._wake = None

    def _open(self) -> None:
        assert self._wake is not None
        os.eventfd_read(self._wake)
        self._make_calls()

    def _make_calls(self) -> None:
        while self._calls:
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:  # those who wait for the calls behind it are told all the same
                self._loop.call_exception_handler({"message": f"{function} failed", "exception": error})
