"""Requests that wait to be let in, and the places that they get.

Belongs here: that no place is lost when a client leaves at whatever moment. Never: who is let in.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from attrs import define

from aibridge_core.errors import BridgeError

Place = AbstractContextManager[None]
"""Entered at once by whoever gets it, and left when the request has ended."""


@define(eq=False)
class Ask:
    """A request that waits."""

    user_id: str
    since: float
    """Seconds, as a clock counts them."""
    answer: "asyncio.Future[Place]"

    @property
    def waits(self) -> bool:
        """Whether nothing has been decided, and its client is still there."""
        return not self.answer.done()

    def let_in(self, place: Place) -> None:
        """It waits, and may go on."""
        self.answer.set_result(place)

    def refuse(self, error: BridgeError) -> None:
        """It may not."""
        if self.waits:
            self.answer.set_exception(error)

    def give_back(self) -> None:
        """Its client has left. It may have been let in at that moment."""
        if self.answer.done() and not self.answer.cancelled() and self.answer.exception() is None:
            with self.answer.result():
                pass


@contextmanager
def until_left(place: Place, then: Callable[[], None]) -> Iterator[None]:
    """A place, and what is to be done when it is free again."""
    try:
        with place:
            yield
    finally:
        then()
