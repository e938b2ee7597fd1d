"""Work beside other work.

Belongs here: tasks that live as long as a context. Never: what they do.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the code inside.

    Not a task group: it would wrap the errors of the code inside `async with gateway(...)` into exception groups.
    """
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
